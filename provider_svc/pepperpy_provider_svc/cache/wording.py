"""What vectors hardly see of a question: numbers, units, symbols, letters, the order of words."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from typing import Final

_TELLING: Final = frozenset("%‰&*/\\@#§-–—†¬")
"""Characters that change the meaning, though Unicode has some of them as punctuation."""
_APOSTROPHE: Final = re.compile(r"(?<=[^\W\d_])['’](?=[^\W\d_])")
_HYPHEN: Final = re.compile(r"(?<=[^\W\d_])-(?=[^\W\d_])")
_ROMAN: Final = re.compile(r"[IVXLCDM]+")
_ENDS: Final = frozenset(".!?:;。¿¡")
_UNIT: Final = 3
"""Letters up to which a word after a number may be a unit, whose capitals count: MW and mW."""


def exact(question: str) -> list[str]:
    """Returns the pieces of a question that must be the same, in their order.

    These are numbers, in any digits, with what is written in front of them without a space and the
    word that follows; Roman numbers in capitals; symbols; and words of one letter, other than the
    article "a" and the pronoun "I". The rest of the words may differ.
    """
    pieces = list(_pieces(question))
    found = []
    for place, (kind, text) in enumerate(pieces):
        if kind == "number":
            found.append(_front(pieces, place) + str(int(text)) + _unit(pieces, place))
        elif kind == "symbol" or (kind == "word" and _name(pieces, place)):
            found.append(text.casefold())
    return found


def reordered(one: str, other: str) -> bool:
    """Whether one question has the words of another in another order, and maybe more words.

    From A to B is not from B to A, and vectors hardly tell.
    """
    short, long = sorted((_words(one), _words(other)), key=len)
    left = iter(long)
    return Counter(short) <= Counter(long) and not all(word in left for word in short)


def _name(pieces: list[tuple[str, str]], place: int) -> bool:
    """Whether a word is a letter that stands for something, or a Roman number."""
    text = pieces[place][1]
    if text in ("a", "i"):
        return False
    if text == "A":
        return not _begins(pieces, place)
    if text == "I":  # as in World War I, and not in: can I
        before = max(place - 2, 0)
        kind, word = pieces[before]
        return kind == "word" and word[0].isupper() and not _begins(pieces, before)
    return len(text) == 1 or _ROMAN.fullmatch(text) is not None


def _begins(pieces: list[tuple[str, str]], place: int) -> bool:
    """Whether a sentence begins there."""
    before = [text for kind, text in pieces[:place] if kind != "space"]
    return not before or before[-1][-1] in _ENDS


def _front(pieces: list[tuple[str, str]], place: int) -> str:
    kind, text = pieces[place - 1] if place else ("", "")
    return text.casefold() if kind == "word" else ""


def _unit(pieces: list[tuple[str, str]], place: int) -> str:
    if _front(pieces, place):
        return ""  # c42 is a name, and counts nothing
    following = pieces[place + 1 : place + 3]
    if following[:1] and following[0][0] == "space":
        following = following[1:]
    kind, text = following[0] if following else ("", "")
    if kind != "word":
        return ""
    return text if len(text) <= _UNIT else text.casefold()


def _words(question: str) -> list[str]:
    return [text.casefold() for kind, text in _pieces(question) if kind not in ("space", "stop")]


def _pieces(question: str) -> Iterator[tuple[str, str]]:
    """Yields runs of characters of one kind; letters around an apostrophe are one word."""
    text = unicodedata.normalize("NFKC", question).replace("!=", "≠")
    text = _HYPHEN.sub(" ", _APOSTROPHE.sub("", text))
    for kind, run in groupby(text, _kind):
        yield kind, "".join(run)


def _kind(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Nd":
        return "number"
    if category[0] in "LMN":
        return "word"
    if category[0] == "S" or character in _TELLING:
        return "symbol"
    return "space" if character.isspace() else "stop"
