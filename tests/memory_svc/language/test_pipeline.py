import time

import pytest

from pepperpy_memory_svc.language import pipeline as module
from pepperpy_memory_svc.language.pipeline import MAX_CHARS, analyse, version_of
from pepperpy_schemas.errors import BadPayload
from pepperpy_schemas.language import Pipeline
from tests.memory_svc.language.sentences import SENTENCES


def test_the_language_is_found_and_its_analyser_used() -> None:
    found = analyse(SENTENCES["de"].text)
    assert (found.lang, found.engines.detect) == ("de", "langdetect")
    assert found.confidence > 0.9
    assert SENTENCES["de"].stems <= {token.lexeme for token in found.tokens}


def test_a_text_without_a_language_gets_the_main_ones_words() -> None:
    found = analyse("https://example.com/books 42", main="en")
    assert (found.lang, found.confidence) == ("", 0.0)
    assert "book" in {token.lexeme for token in found.tokens}


def test_a_language_without_an_analyser_gets_its_words_as_they_are() -> None:
    found = analyse("Οι γάτες έτρεχαν στις παλιές βιβλιοθήκες της Αθήνας.")
    assert found.lang == "el"
    assert "γάτεσ" in {token.lexeme for token in found.tokens}
    assert (found.engines.stop, found.engines.root) == ("", "")


@pytest.mark.parametrize(
    ("field", "options"),
    [
        ("lang", {"lang": "xx"}),
        ("lang", {"lang": "EN"}),
        ("main", {"main": ""}),
        ("main", {"main": "e\ud800"}),
    ],
)
def test_a_wrong_language_is_refused_by_the_fields_name(
    field: str, options: dict[str, str]
) -> None:
    with pytest.raises(BadPayload, match=rf"\$\.{field}: ") as caught:
        analyse("hello", **options)  # type: ignore[arg-type]  # texts, all of them
    assert caught.value.context["path"] == f"$.{field}"


def test_a_text_that_is_too_long_is_refused_at_once() -> None:
    began = time.perf_counter()
    with pytest.raises(BadPayload, match=r"\$\.text: 10000000 characters") as caught:
        analyse("x" * 10_000_000)
    assert caught.value.context == {"path": "$.text", "length": 10_000_000, "most": MAX_CHARS}
    assert time.perf_counter() - began < 0.5


@pytest.mark.parametrize(
    "text",
    ["a\ud800b", "\u202eabc\u202c def", "a\u200bb", "\x00\x00", "שלום עולם", "e" + "\u0301" * 5000],
)
def test_odd_texts_have_words_too(text: str) -> None:
    for token in analyse(text).tokens:
        assert text[token.start : token.end] == token.text


def test_a_version_stands_for_the_pipeline_and_all_that_makes_lexemes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pipelines = [Pipeline(), Pipeline(fold=False), Pipeline(stop=False), Pipeline(root="lemma")]
    pipelines += [Pipeline(root="none"), Pipeline(bigrams=True)]
    versions = {version_of(one) for one in pipelines}
    assert len(versions) == len(pipelines)
    assert version_of(Pipeline()) == version_of(Pipeline())
    assert analyse("hello", pipeline=Pipeline(root="lemma")).version in versions
    monkeypatch.setattr(module, "_PACKAGES", (*module._PACKAGES[1:], "a-package-that-is-not-there"))
    assert version_of.__wrapped__(Pipeline()) not in versions
