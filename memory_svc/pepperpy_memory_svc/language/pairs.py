"""Pairs of characters or of syllables, which stand in for words."""

from collections.abc import Iterator
from typing import Final

import regex

from pepperpy_memory_svc.language import words
from pepperpy_memory_svc.language.segmenter import Morpheme

_HANGUL: Final = regex.compile(r"(?<hangul>\p{Hangul}+)|\P{Hangul}+")


class Pairs:
    """Pairs of characters, or of syllables, where nothing knows the words.

    Args:
        syllables: Whether white space cuts syllables, as in Vietnamese.
    """

    engine = "pairs 1"
    grammar = False

    def __init__(self, *, syllables: bool) -> None:
        self._syllables = syllables

    def cut(self, text: str) -> Iterator[Morpheme]:
        """Yields the syllables or characters and their pairs, in their order."""
        before: words.Span | None = None
        for start, end in words.words(text):
            if not self._syllables:
                yield from self._characters(text, start, end)
                continue
            if before is not None and text[before[1] : start].isspace():
                yield Morpheme(before[0], end)
            yield Morpheme(start, end)
            before = start, end

    def _characters(self, text: str, start: int, end: int) -> Iterator[Morpheme]:
        """Hangul is cut as well, which `words` leaves whole."""
        for found in _HANGUL.finditer(text, start, end):
            if found["hangul"] is None:
                yield Morpheme(*found.span())
            else:
                yield from (Morpheme(*pair) for pair in words.pairs(*found.span()))
