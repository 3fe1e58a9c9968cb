"""Passages: every word is in one, none is too large, and each knows its lines."""

import itertools
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from pepperpy_memory_svc.ingesting.lines import lines_of, tail
from pepperpy_memory_svc.ingesting.passages import ENOUGH, MOST, OVERLAP, passages

LETTERS = "".join(map(chr, range(0x4E00, 0x9FA0)))
"""Each stands once in a text, so that it is known which of them a passage repeats."""
SEPARATORS = st.sampled_from(["", " ", "\n", "\n\n", ". ", "。", "\r\n", "\n# ", "\t", "😀"])


@st.composite
def texts(draw: st.DrawFn) -> str:
    parts, at = [], 0
    for _ in range(draw(st.integers(0, 40))):
        length = draw(st.sampled_from([1, 5, 30, 200, 700]))
        parts += [LETTERS[at : at + length], draw(SEPARATORS)]
        at += length
    return "".join(parts)


@settings(max_examples=80, deadline=None)
@given(texts())
def test_nothing_of_a_text_is_lost_and_no_passage_is_too_large(text: str) -> None:
    found = list(passages("a.md", text))
    letters = dict.fromkeys(c for one in found for c in one.text if c in LETTERS)
    assert "".join(letters) == "".join(c for c in text if c in LETTERS)
    assert sum(len(one.text) for one in found) <= len(text) + OVERLAP * len(found)
    assert all(one.text.strip() and len(one.text.encode()) <= MOST for one in found)
    assert len({one.id for one in found}) == len(found)
    lines = text.split("\n")
    for one in found:
        place = "\n".join(lines[one.first - 1 : one.last])
        assert all(c in place for c in one.text if c in LETTERS)


def test_paragraphs_stay_whole_and_know_their_lines() -> None:
    paragraph = "\n".join(f"line {n} {'word ' * 12}" for n in range(13))
    text = f"{paragraph}\n\n\n{paragraph}\n\nthe end\n"
    lines = text.split("\n")
    found = list(passages("a.md", text))
    assert [(one.first, one.last) for one in found] == [(1, 13), (16, 28), (30, 30)]
    for one in found:
        assert one.text == "\n".join(lines[one.first - 1 : one.last])
    assert ENOUGH < len(found[0].text) <= MOST


def test_a_section_begins_a_passage_unless_the_one_before_is_tiny() -> None:
    text = f"# One\n\nshort\n\n## Two\n\n{'words of two. ' * 20}\n\n## Three\n\n{'of three. ' * 30}"
    assert [one.text.split("\n")[0] for one in passages("a.md", text)] == ["# One", "## Three"]


def test_a_long_paragraph_is_divided_at_sentences_with_an_overlap() -> None:
    sentences = [f"This is sentence number {n}." for n in range(200)]
    found = list(passages("a.md", " ".join(sentences)))
    assert len(found) > 3
    for before, after in itertools.pairwise(found):
        assert before.text.rstrip().endswith(".")
        first = re.match(r"This is sentence number \d+\.", after.text)
        assert first is not None
        assert first[0] in before.text
        assert (after.first, after.last) == (1, 1)


def test_text_without_spaces_is_divided_between_its_letters() -> None:
    # Each letter has a mark that belongs to it.
    found = list(passages("hi.txt", "कि" * 2000))
    assert len(found) > 5
    assert all(one.text.startswith("क") and one.text.endswith("ि") for one in found[:-1])
    chinese = list(passages("zh.txt", "渡轮早上九点出发。" * 300))
    assert all(one.text.endswith("。") for one in chinese)


def test_equal_passages_are_told_apart_and_keep_their_ids_when_they_move() -> None:
    block = "# Same\n\n" + "the same words. " * 30 + "\n\n"
    before = list(passages("a.md", block * 3))
    after = list(passages("a.md", "# New\n\n" + "other words. " * 40 + "\n\n" + block * 3))
    assert len({one.id for one in before}) == 3
    assert [one.id for one in after[1:]] == [one.id for one in before]
    assert after[1].first == before[0].first + 4
    assert [one.id for one in passages("b.md", block)] != [before[0].id]


def test_lines_are_numbered_as_editors_do() -> None:
    text = "one\r\n\x0ctwo\u2028still two\rtoo\nthree"
    assert [(one.number, one.text) for one in lines_of(text, 100)] == [
        (1, "one"),
        (2, "\x0ctwo\u2028still two\rtoo"),
        (3, "three"),
    ]
    assert list(passages("a.md", " \n\n\t\n")) == []
    assert list(passages("a.md", "")) == []


def test_the_end_of_a_text_begins_with_a_sentence_or_a_word() -> None:
    assert tail("short", 20) == "short"
    assert tail("One sentence. Another one.", 18) == "Another one."
    assert tail("wordswithoutend and more", 12) == "and more"
    assert tail("あ" * 30, 10) == "あああ"
