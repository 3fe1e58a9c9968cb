"""The arithmetic on arrays gives what langdetect itself gives."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langdetect.detector_factory import (  # type: ignore[import-untyped]  # has no types
    PROFILES_DIRECTORY,
    DetectorFactory,
)
from langdetect.lang_detect_exception import (  # type: ignore[import-untyped]  # has no types
    LangDetectException,
)

from pepperpy_memory_svc.language.detectors import Langdetect
from pepperpy_memory_svc.language.trials import MOST, TRIALS, Trials, _Draws
from tests.memory_svc.language.sentences import SENTENCES

WORDS = [word for one in SENTENCES.values() for word in one.text.split()]


@cache
def langdetect() -> Any:
    """The library's own, with its shares in lists."""
    factory = DetectorFactory()
    factory.seed = 0
    factory.load_profile(PROFILES_DIRECTORY)
    return factory


@cache
def ours() -> Langdetect:
    return Langdetect()


def told(text: str) -> tuple[str, float]:
    asked = langdetect().create()
    asked.append(text)
    try:
        found = asked.get_probabilities()
    except LangDetectException:
        return "", 0.0
    return (found[0].lang.partition("-")[0], found[0].prob) if found else ("", 0.0)


def same(text: str) -> None:
    (lang, probability), (our_lang, our_probability) = told(text), ours().detect(text)
    assert our_lang == lang
    assert our_probability == pytest.approx(probability, rel=1e-12, abs=0)


@pytest.mark.parametrize("lang", SENTENCES)
def test_sentences_and_their_beginnings_have_the_same_language_and_probability(lang: str) -> None:
    text = SENTENCES[lang].text
    for end in (1, 2, 3, 5, 8, 13, 21, 34, len(text)):
        same(text[:end])
    same(text * 10)


@settings(max_examples=40, deadline=None)
@given(words=st.lists(st.sampled_from(WORDS), max_size=12))
def test_a_mix_of_languages_has_the_same_ones(words: list[str]) -> None:
    same(" ".join(words))


@settings(max_examples=40, deadline=None)
@given(text=st.text(st.characters(codec="utf-8"), max_size=80))
def test_any_text_has_the_same_language_and_probability(text: str) -> None:
    same(text)


def test_no_number_of_n_grams_takes_more_words_than_are_kept() -> None:
    words = Trials(Path(PROFILES_DIRECTORY), seed=0)._words
    # Where the number is a power of two every second word is none of the draws.
    for count in (*(2**bits for bits in range(14)), 3, 100, 1025, 6000):
        places = np.flatnonzero(words >> np.uint32(32 - count.bit_length()) < count)
        # The normal distribution takes eight numbers of two words.
        assert len(places) > TRIALS * (MOST + 1) + 16
        assert len(_Draws(words, count).ahead(MOST)) == MOST
