r"""Where the words of a text are, by white space and punctuation.

NLTK's `RegexpTokenizer` is the engine, with letters, marks, digits and the underscore as the
characters of a word: with ``\w`` alone the vowels of Hindi, which are marks, would end it. Joiners
and soft hyphens inside a word belong to it. Its pattern takes no more steps than the text has
characters, and runs under NLTK's own time limit.

Scripts without spaces have no words of this kind; stretches of them become pairs of characters.
"""

import functools
import re
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from typing import Any, Final

import regex

from pepperpy_memory_svc.language.scripts import UNSEGMENTED

Span = tuple[int, int]

_INSIDE: Final = r"\p{L}\p{M}\p{N}_"
PATTERN: Final = rf"[{_INSIDE}](?:[{_INSIDE}\u00AD\u200C\u200D\u2060]*[{_INSIDE}])?"

_STRETCH: Final = regex.compile(
    rf"(?<wide>[{UNSEGMENTED}][{UNSEGMENTED}\p{{M}}]*)|[^{UNSEGMENTED}]+"
)
_WIDE: Final = regex.compile(rf"[{UNSEGMENTED}]")
_ASCII: Final = re.compile(r"\w+", re.ASCII)


@functools.cache
def _tokenizer() -> Any:
    from nltk.tokenize import RegexpTokenizer  # type: ignore[import-untyped]  # has no types

    return RegexpTokenizer(PATTERN)


def engine() -> str:
    """Returns the name and version of what finds words."""
    return f"nltk {version('nltk')}"


def words(text: str) -> Iterator[Span]:
    """Returns where the words of a text are, in their order."""
    # Asked once, not of every word: most texts have nothing wide in them.
    narrow = text.isascii() or _WIDE.search(text) is None
    return _spans(text) if narrow else _apart(text)


def places(text: str) -> Iterable[Span]:
    """Returns what `words` does; where they are only shown, a third of the time is enough.

    In what is ASCII, Python's own pattern finds the same.
    """
    if not text.isascii():
        return words(text)
    return [found.span() for found in _ASCII.finditer(text)]


def _spans(text: str) -> Iterator[Span]:
    # All words by one call, which is faster than a call for each. What is between two words has no
    # character of a word, so each is found at its own place.
    end = 0
    for word in _tokenizer().tokenize(text):
        start = text.index(word, end)
        end = start + len(word)
        yield start, end


def _apart(text: str) -> Iterator[Span]:
    for start, end in _spans(text):
        if _WIDE.search(text, start, end) is None:
            yield start, end
        else:
            yield from _stretches(text, start, end)


def follows_apostrophe(text: str, start: int) -> bool:
    """Returns whether a word is tied to the one before it by an apostrophe."""
    return start > 1 and text[start - 1] in "'’" and text[start - 2].isalnum()


def is_word(text: str) -> bool:
    """Returns whether a piece of text has a letter or a digit in it."""
    return any(one.isalnum() for one in text)


def _stretches(text: str, start: int, end: int) -> Iterator[Span]:
    for found in _STRETCH.finditer(text, start, end):
        if found["wide"] is None:
            yield found.span()
        else:
            yield from pairs(found.start(), found.end())


def pairs(start: int, end: int) -> Iterator[Span]:
    """Yields each two neighbouring characters of a stretch; one that stands alone by itself."""
    if end - start == 1:
        yield start, end
    for first in range(start, end - 1):
        yield first, first + 2
