"""Values of an entry as texts, which Qdrant compares to the letter: a condition looks for them.

A token is a JSON list of a field, what is said of it, and a value: ``["metadata.a","=","x"]``.
What is said: ``=`` it equals, ``@`` the list has this element, ``?`` it is there, ``t`` it is a
text. Equal values have equal tokens: numbers are written by their decimal value.
"""

import hashlib
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final, Literal, TypeAlias

import msgspec

from pepperpy_schemas.memory import Entry, Scalar

Said: TypeAlias = Literal["=", "@", "?", "t"]

MAX_TOKENS: Final = 2000
"""Tokens of one entry's metadata; of an entry with more there is only `WIDE`."""
WIDE: Final = '["metadata","*"]'
"""The metadata may have any value: there are too many."""

NUMBERS: Final = "num."
"""Begins the names of the fields of the metadata's numbers."""

_MAX_KEYS: Final = 16
_LONGEST: Final = 80


def token(field: str, said: Said, value: Scalar = None) -> str:
    """Returns what stands for something that is said of a field; long ones as a digest."""
    text = msgspec.json.encode([field, said, _same(value)]).decode()
    if len(text) <= _LONGEST:
        return text
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _same(value: Scalar) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    # Adding makes minus zero zero, which it equals.
    return [str((Decimal(repr(value)) + 0).normalize())]


def number_key(field: str) -> str:
    """Returns where a number of the metadata is kept: a name without any sign of a path."""
    return f"{NUMBERS}n" + hashlib.blake2b(field.encode(), digest_size=12).hexdigest()


def tokens(entry: Entry) -> list[str]:
    """Returns the tokens of an entry."""
    own = [token("trusted", "=", entry.trusted), token("source", "=", entry.source)]
    own += [token("links", "@", link.to) for link in entry.links]
    inside: list[str] = []
    for field, value in _inside(entry.metadata, "metadata", 0):
        inside += _said(field, value)
        if len(inside) > MAX_TOKENS:
            return [*own, WIDE]
    return [*own, *inside]


def _said(field: str, value: Any) -> Iterator[str]:
    yield token(field, "?")
    if isinstance(value, list | tuple):
        for each in value:
            if not isinstance(each, list | tuple | Mapping):
                yield token(field, "@", each)
    elif not isinstance(value, Mapping):
        yield token(field, "=", value)
        if isinstance(value, str):
            yield token(field, "t")


def numbers(entry: Entry) -> dict[str, float]:
    """Returns the numbers of the metadata, by the name of their field below ``num``."""
    return {
        number_key(field).removeprefix(NUMBERS): value
        for field, value in _inside(entry.metadata, "metadata", 0)
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def _inside(values: Mapping[str, Any], path: str, depth: int) -> Iterator[tuple[str, Any]]:
    """Iterates over all that a condition can name."""
    if depth == _MAX_KEYS:
        return
    for key, value in values.items():
        if key and "." not in key:
            yield f"{path}.{key}", value
            if isinstance(value, Mapping):
                yield from _inside(value, f"{path}.{key}", depth + 1)
