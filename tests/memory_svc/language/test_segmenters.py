import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pepperpy_memory_svc.language import segmenters
from pepperpy_memory_svc.language.pairs import Pairs
from pepperpy_memory_svc.language.segmenter import PIECE, Segmenter, pieces
from pepperpy_memory_svc.language.segmenters import segmenter
from tests.memory_svc.language.sentences import SENTENCES

LANGS = ("zh", "ja", "ko", "vi")
MODULES = {"zh": "rjieba", "ja": "sudachipy", "ko": "mecab_ko", "vi": "underthesea"}


@pytest.fixture(params=[(lang, pairs) for lang in LANGS for pairs in (False, True)], ids=str)
def cutter(request: pytest.FixtureRequest) -> tuple[str, Segmenter]:
    """Each library, and what stands in for it; all tests with it hold for all."""
    lang, pairs = request.param
    return lang, segmenter(lang, bigrams=pairs)


def cut(one: Segmenter, text: str) -> list[str]:
    return [text[found.start : found.end] for found in one.cut(text)]


def test_words_are_where_the_text_has_them(cutter: tuple[str, Segmenter]) -> None:
    lang, one = cutter
    text = f"\ufeff😀 {SENTENCES[lang].text}\n\x00 Python3 \t {SENTENCES[lang].question}"
    found = list(one.cut(text))
    assert all(0 <= a.start < a.end <= len(text) for a in found)
    assert "Python3" in {text[a.start : a.end] for a in found} or lang in {"ja", "ko", "zh"}
    assert len(found) > 8


def test_a_long_text_is_cut_like_its_parts(cutter: tuple[str, Segmenter]) -> None:
    lang, one = cutter
    sentence = SENTENCES[lang].text + "\n"
    times = 3 * PIECE // len(sentence)
    assert cut(one, sentence * times) == cut(one, sentence) * times


def test_threads_do_not_disturb_each_other(cutter: tuple[str, Segmenter]) -> None:
    lang, one = cutter
    texts = [SENTENCES[lang].text * n for n in range(1, 20)]
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(lambda t: cut(one, t), texts)) == [cut(one, t) for t in texts]


@given(text=st.text(st.sampled_from("ab \n。猫́"), max_size=60), most=st.integers(4, 20))
def test_pieces_are_the_whole_text(text: str, most: int) -> None:
    found = list(pieces(text, most))
    assert "".join(piece for _, piece in found) == text
    assert all(text[at : at + len(piece)] == piece for at, piece in found)
    assert all(0 < len(piece) <= most for _, piece in found)


def test_pieces_end_between_words() -> None:
    assert [piece for _, piece in pieces("one two three four", 9)] == ["one two ", "three ", "four"]


@pytest.mark.parametrize("lang", LANGS)
def test_pairs_stand_in_where_a_library_is_not_installed(
    lang: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, MODULES[lang], None)
    monkeypatch.setattr(segmenters, "_segmenter", segmenters._segmenter.__wrapped__)
    assert segmenter(lang).engine == "pairs 1"


def test_pairs_of_syllables_do_not_cross_punctuation() -> None:
    assert cut(Pairs(syllables=True), "công viên, phố") == ["công", "công viên", "viên", "phố"]


def test_pairs_of_characters_leave_other_words_whole() -> None:
    assert cut(Pairs(syllables=False), "고양이 cat3 東京都") == [
        "고양",
        "양이",
        "cat3",
        "東京",
        "京都",
    ]


def test_addresses_between_vietnamese_words_do_not_shift_them() -> None:
    text = "xem http://a.b/c-d  công viên\u00a0ở Hà-Nội (2026)"
    found = cut(segmenter("vi"), text)
    assert {"xem", "công viên", "2026"} <= set(found)
