"""The part of a text that shows best why it was found."""

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Final

import msgspec
import regex

from pepperpy_schemas.language import Token

WIDTH: Final = 240
"""Characters of a snippet, without its marks."""
MARK: Final = "**"
"""Stands before and behind what was found."""

_WAY: Final = 24
"""Characters within which a snippet's ends are moved to the end of a word."""
_MARKS: Final = regex.compile(r"[\p{M}\u200C\u200D]")


class Snippet(msgspec.Struct, frozen=True):
    """A part of a text, and where in the text the found words are.

    Attributes:
        start: Where it begins in the text.
        end: Where it ends.
        found: Begin and end of each found word in the text, apart from each other, in order.
    """

    start: int
    end: int
    found: tuple[tuple[int, int], ...] = ()

    def of(self, text: str, *, mark: str = MARK) -> str:
        """Returns the part, with marks around what was found; without them it is the text's own."""
        parts: list[str] = []
        at = self.start
        for start, end in self.found:
            parts += [text[at:start], mark, text[start:end], mark]
            at = end
        return "".join([*parts, text[at : self.end]])


def snippet(
    text: str, tokens: Sequence[Token], lexemes: Collection[str], *, width: int = WIDTH
) -> Snippet:
    """Returns the window of a text with the most of what was looked for.

    Different words count before repeated ones, and the first of equal windows wins.

    Args:
        text: The text.
        tokens: Its words, as its analysis has them.
        lexemes: Those of the question, by the same pipeline and in the same language.
        width: Most characters.
    """
    wanted = frozenset(lexemes)
    hits = [token for token in tokens if token.lexeme in wanted]
    first, last = _best(hits, width)
    if not hits:
        return Snippet(*_window(text, 0, 0, width))
    start, end = _window(text, hits[first].start, hits[last].end, width)
    spans = [(max(one.start, start), min(one.end, end)) for one in hits]
    return Snippet(start, end, _merged(spans))


def _best(hits: Sequence[Token], width: int) -> tuple[int, int]:
    """The first and the last hit of the best window, by moving it along the hits."""
    best, chosen = (0, 0), (0, 0)
    inside: Counter[str] = Counter()
    first = 0
    for last, hit in enumerate(hits):
        inside[hit.lexeme] += 1
        while hit.end - hits[first].start > width and first < last:
            left = hits[first].lexeme
            inside[left] -= 1
            if not inside[left]:
                del inside[left]
            first += 1
        worth = len(inside), last - first
        if worth > best:
            best, chosen = worth, (first, last)
    return chosen


def _window(text: str, start: int, end: int, width: int) -> tuple[int, int]:
    """The hits with as much around them as there is room for, from the end of a word to another."""
    end = min(end, start + width)
    room = width - (end - start)
    low = max(0, start - room // 2)
    high = min(len(text), low + width)
    low = max(0, min(low, high - width))
    return _begin(text, low, start), _end(text, high, end)


def _begin(text: str, low: int, most: int) -> int:
    if low > 0 and not text[low - 1].isspace():
        for at in range(low, min(most, low + _WAY)):
            if text[at].isspace():
                low = at
                break
    while low < most and (text[low].isspace() or _MARKS.match(text[low])):
        low += 1
    return low


def _end(text: str, high: int, least: int) -> int:
    if high < len(text) and not text[high].isspace():
        for at in range(high, max(least, high - _WAY), -1):
            if text[at - 1].isspace():
                high = at
                break
    # A letter keeps the marks that belong to it, or goes.
    while least < high < len(text) and _MARKS.match(text[high]):
        high -= 1
    while high > least and text[high - 1].isspace():
        high -= 1
    return high


def _merged(spans: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """The spans inside the window, those that overlap as one: pairs of characters do."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if start >= end:
            continue
        if merged and start < merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return tuple(merged)
