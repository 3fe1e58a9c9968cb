"""Passages of a text: whole paragraphs where they are short, never more than an embedder reads.

Sizes are bytes in UTF-8, which say more about a model's tokens than characters do: multilingual-e5
has 3.4 to 3.6 bytes a token in English and German, 4 in Chinese, 5 in Korean, 6 in Russian, 8 in
Hindi, 1.8 in code (measured). It reads 512 tokens.
"""

import re
from collections.abc import Iterator
from hashlib import blake2b
from typing import Final

import msgspec

from pepperpy_memory_svc.ingesting.lines import Line, lines_of, tail

ENOUGH: Final = 800
"""Bytes after which a passage ends with its paragraph."""
MOST: Final = 1_200
"""Bytes of the largest passage."""
OVERLAP: Final = 160
"""Bytes that a passage repeats of the one before when a paragraph is divided."""
_SECTION: Final = 200
"""Bytes after which a passage ends before a heading."""

_HEADING: Final = re.compile(r"#{1,6} |=+ \S")


class Passage(msgspec.Struct, frozen=True):
    """A piece of a file.

    Attributes:
        id: The same for the same text in the same file, wherever it is in it.
        text: The text.
        first: Its first line, from 1.
        last: Its last line.
    """

    id: str
    text: str
    first: int
    last: int


def passages(file: str, text: str) -> Iterator[Passage]:
    """Yields the passages of a file; every word of it is in one of them.

    Args:
        file: The file's name.
        text: What is in it.
    """
    seen: dict[str, int] = {}
    for lines in _divided(text):
        said = _joined(lines)
        # Equal passages of one file are told apart by their order.
        again = seen[said] = seen.get(said, -1) + 1
        key = f"{file}\0{said}\0{again}".encode()
        id_ = blake2b(key, digest_size=16).hexdigest()
        yield Passage(id_, said, lines[0].number, lines[-1].number)


def _divided(text: str) -> Iterator[list[Line]]:
    """The lines of each passage; none is empty, begins or ends with a blank line."""
    passage = _Open()
    for line in lines_of(text, MOST - OVERLAP):
        if line.blank:
            ends = passage.size >= ENOUGH
        else:
            ends = passage.size >= _SECTION and _HEADING.match(line.text) is not None
        if ends or passage.size + line.size > MOST:
            yield from passage.close(goes_on=not ends)
        passage.add(line)
    yield from passage.close(goes_on=False)


class _Open:
    """A passage that lines are still added to."""

    def __init__(self) -> None:
        self._lines: list[Line] = []
        self._repeated = 0
        self.size = 0

    def add(self, line: Line) -> None:
        """Adds a line; blank ones at the beginning are left out."""
        if self._lines or not line.blank:
            self._lines.append(line)
            self.size += line.size

    def close(self, *, goes_on: bool) -> Iterator[list[Line]]:
        """Yields the lines, if there are new ones, and begins anew.

        Args:
            goes_on: Whether a paragraph goes on: what follows repeats the last words.
        """
        lines = self._lines
        divides = goes_on and bool(lines) and not lines[-1].blank
        while len(lines) > self._repeated and lines[-1].blank:
            lines.pop()
        if len(lines) > self._repeated:
            yield lines
        self._lines = _end_of(lines) if divides else []
        self._repeated = len(self._lines)
        self.size = sum(line.size for line in self._lines)


def _end_of(lines: list[Line]) -> list[Line]:
    """What the next passage repeats: the last line, or the end of it."""
    last = lines[-1]
    said = tail(last.text, OVERLAP - 1)
    return [Line(last.number, said, len(said.encode()) + 1)]


def _joined(lines: list[Line]) -> str:
    first, *others = lines
    parts = [first.text]
    for line in others:
        parts += [line.text] if line.follows else ["\n", line.text]
    return "".join(parts)
