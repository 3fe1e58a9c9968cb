"""What finds the words of a language that white space does not tell apart."""

from collections.abc import Iterator
from typing import Final, NamedTuple, Protocol

import regex

PIECE: Final = 4000
"""Characters that a library is given at once: their memory grows with it, Sudachi's has a limit."""

_SURROGATE: Final = regex.compile(r"\p{Cs}")
_BREAK: Final = regex.compile(r"[^\p{L}\p{M}\p{N}_](?=[^\p{M}])")


class Morpheme(NamedTuple):
    """A word as a library sees it.

    Attributes:
        start: Where it begins.
        end: Where it ends.
        root: Its dictionary form; empty when the library gives none.
        function: Whether it is a particle or an ending, without a meaning of its own.
    """

    start: int
    end: int
    root: str = ""
    function: bool = False


class Segmenter(Protocol):
    """Finds words; safe to call from many threads."""

    @property
    def engine(self) -> str:
        """Its name and version."""
        ...

    @property
    def grammar(self) -> bool:
        """Whether it knows roots, and particles from other words."""
        ...

    def cut(self, text: str) -> Iterator[Morpheme]:
        """Yields the words of a text in their order."""
        ...


def pieces(text: str, most: int = PIECE) -> Iterator[tuple[int, str]]:
    """Yields the text in parts that end between words where they can, each with its offset."""
    start = 0
    while len(text) - start > most:
        end = start + most
        for found in _BREAK.finditer(text, end - most // 2, end):
            end = found.end()
        yield start, text[start:end]
        start = end
    if start < len(text):
        yield start, text[start:]


def readable(text: str) -> str:
    """Returns the text with a mark in the place of each half of a surrogate pair.

    The libraries are given UTF-8, which has none; the offsets stay.
    """
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)
