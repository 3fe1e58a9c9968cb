"""Lines of a text, the long ones in pieces: no piece is larger than a passage may be."""

import re
import unicodedata
from collections.abc import Iterator
from typing import Final, NamedTuple

_SENTENCE: Final = re.compile(r"[.!?…]+[\"')\]»”’]*\s+|[。！？．｡।۔؟]+[」』”’]*")
_SPACE: Final = re.compile(r"\s+")
_MARKS: Final = frozenset({"Mn", "Mc", "Me"})


class Line(NamedTuple):
    """A line, or a piece of a long one.

    Attributes:
        number: The line's number, from 1.
        text: The text.
        size: Its bytes in UTF-8, with the line's end.
        follows: Whether it goes on with the line of the piece before.
    """

    number: int
    text: str
    size: int
    follows: bool = False

    @property
    def blank(self) -> bool:
        """Whether there is nothing to read in it."""
        return not self.text.strip()


def lines_of(text: str, most: int) -> Iterator[Line]:
    """Yields the lines of a text as editors number them.

    Args:
        text: The text.
        most: Bytes of the largest piece.
    """
    for number, line in enumerate(text.split("\n"), start=1):
        follows = False
        for piece in _pieces(line.removesuffix("\r"), most):
            yield Line(number, piece, len(piece.encode()) + 1, follows)
            follows = True


def tail(text: str, most: int) -> str:
    """Returns the end of a text, from the beginning of a sentence or a word, of so many bytes."""
    end = text.encode()[-most:].decode("utf-8", "ignore")
    if len(end) == len(text):
        return text
    for boundary in (_SENTENCE, _SPACE):
        found = boundary.search(end)
        if found is not None and found.end() < len(end):
            return end[found.end() :]
    return end.lstrip("".join(one for one in set(end) if _is_mark(one)))


def _pieces(line: str, most: int) -> Iterator[str]:
    if len(line) * 4 <= most:
        yield line
        return
    start = 0
    while True:
        window = line[start : start + most]
        fitting = window.encode()[:most].decode("utf-8", "ignore")
        end = start + len(fitting)
        if end >= len(line):
            yield line[start:]
            return
        end = start + (_cut(fitting) or _whole(line, start, end))
        yield line[start:end]
        start = end


def _cut(text: str) -> int:
    """Where a sentence ends, else a word; 0 when that is nowhere in the second half."""
    for boundary in (_SENTENCE, _SPACE):
        ends = [found.end() for found in boundary.finditer(text, len(text) // 2)]
        if ends:
            return ends[-1]
    return 0


def _whole(line: str, start: int, end: int) -> int:
    """Characters up to an end that parts no letter from its marks."""
    before = end
    while before > start + 1 and _is_mark(line[before]):
        before -= 1
    return (before if before > start + 1 else end) - start


def _is_mark(letter: str) -> bool:
    return unicodedata.category(letter) in _MARKS
