import unicodedata

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from pepperpy_memory_svc.language.folding import fold, strip, unify
from pepperpy_memory_svc.language.languages import LANGUAGES, PLAIN
from pepperpy_memory_svc.language.words import pairs, words

ANY = st.text(st.characters(codec=None), max_size=40)


@settings(max_examples=80, deadline=None)
@given(word=ANY)
@pytest.mark.parametrize("lang", ["", *LANGUAGES])
def test_folding_what_is_folded_changes_nothing(lang: str, word: str) -> None:
    language = LANGUAGES.get(lang, PLAIN)
    folded = fold(word, language)
    assert fold(folded, language) == folded
    bare = strip(folded, language)
    assert strip(bare, language) == bare
    assert unify(unify(word)) == unify(word)


@settings(max_examples=80, deadline=None)
@given(word=ANY)
def test_forms_of_one_text_fold_alike(word: str) -> None:
    for form in ("NFC", "NFD", "NFKC"):
        assert fold(unicodedata.normalize(form, word), PLAIN) == fold(word, PLAIN)


def test_what_nobody_sees_goes() -> None:
    assert unify("\ufeffa\u00adb\u200bc\u202ed\u2060e\ufe0f") == "abcde"


def test_a_tone_after_q_is_not_moved() -> None:
    vietnamese = LANGUAGES["vi"]
    assert fold("quý", vietnamese) == "quý"
    assert fold("Thuý hoàn hoà", vietnamese) == "thúy hoàn hòa"


@settings(max_examples=80, deadline=None)
@given(text=st.text(max_size=60))
def test_words_are_stretches_of_letters_marks_and_digits(text: str) -> None:
    plain = regex.compile(r"[\p{L}\p{M}\p{N}_]+")
    odd = regex.compile(
        r"[\p{Han}\p{Hiragana}\p{Katakana}ーｰﾞﾟ\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
        r"|[\u00AD\u200C\u200D\u2060]"
    )
    if odd.search(text) is None:
        assert list(words(text)) == [found.span() for found in plain.finditer(text)]


def test_pairs_overlap_and_one_character_is_itself() -> None:
    assert list(pairs(0, 3)) == [(0, 2), (1, 3)]
    assert list(pairs(4, 5)) == [(4, 5)]
    assert list(pairs(2, 2)) == []
