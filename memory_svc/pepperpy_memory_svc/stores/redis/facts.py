"""What entries are, and what conditions ask for, as words of an index.

Each fact is the hash of a text such as "metadata.a is the number 1", so that nothing a caller
writes is ever part of a query. Facts find all entries that may fulfil a condition, and some more:
whoever reads them looks at each again.
"""

import struct
from collections.abc import Iterator, Mapping
from decimal import Decimal
from hashlib import blake2b
from typing import Any, Final

from pepperpy_memory_svc.stores.fields import OWN
from pepperpy_schemas.memory import Entry, Scalar

TOO_MANY: Final = "many"
"""The fact of an entry that has more facts than are kept: it may fulfil anything."""
NONE: Final = "none"
"""The fact of no entry."""

_KEPT: Final = 1024
_KEYS: Final = 16
_BITS: Final = 24
_STEP: Final = 4


def facts_of(entry: Entry) -> str:
    """Returns the facts of an entry, as the index takes them."""
    found = set(_own(entry))
    for fact in _inside(entry.metadata, ("metadata",)):
        found.add(fact)
        if len(found) > _KEPT:
            return TOO_MANY
    return ",".join(sorted(found))


def _own(entry: Entry) -> Iterator[str]:
    for name, kind in OWN.items():
        if kind in ("text", "flag"):
            yield equal((name,), getattr(entry, name))
    for link in entry.links:
        yield having(("links",), link.to)


def _inside(value: Any, keys: tuple[str, ...]) -> Iterator[str]:
    yield there(keys)
    match value:
        case Mapping():
            for key, below in value.items() if len(keys) <= _KEYS else ():
                yield from _inside(below, (*keys, key))
        case list() | tuple():
            for each in value:
                if not isinstance(each, Mapping | list | tuple):
                    yield having(keys, each)
        case _:
            yield equal(keys, value)
            if isinstance(value, str):
                yield is_text(keys)
            elif isinstance(value, int | float) and not isinstance(value, bool):
                yield from _ranges_of(keys, value)


def there(keys: tuple[str, ...]) -> str:
    """Something is at this place."""
    return _fact("there", *keys)


def equal(keys: tuple[str, ...], value: Scalar) -> str:
    """The value at this place is this one."""
    return _fact("equal", *keys, _exact(value))


def having(keys: tuple[str, ...], value: Scalar) -> str:
    """The list at this place has this value in it."""
    return _fact("having", *keys, _exact(value))


def is_text(keys: tuple[str, ...]) -> str:
    """The value at this place is a text."""
    return _fact("text", *keys)


def between(keys: tuple[str, ...], low: float, high: float) -> list[str]:
    """The number at this place may lie between these, one of the facts says."""
    first, last, bits = _order(low), _order(high), _BITS
    found: list[str] = []
    while first <= last:
        if bits == _STEP:
            return [*found, *(_range(keys, bits, each) for each in range(first, last + 1))]
        while first <= last and first % 16:
            found.append(_range(keys, bits, first))
            first += 1
        while first <= last and last % 16 != 15:
            found.append(_range(keys, bits, last))
            last -= 1
        first, last, bits = first >> _STEP, (last + 1 >> _STEP) - 1, bits - _STEP
    return found


def _ranges_of(keys: tuple[str, ...], value: float) -> Iterator[str]:
    place = _order(value)
    for bits in range(_BITS, 0, -_STEP):
        yield _range(keys, bits, place >> (_BITS - bits))


def _range(keys: tuple[str, ...], bits: int, place: int) -> str:
    return _fact("range", *keys, f"{bits}:{place}")


def _order(value: float) -> int:
    """Returns the first bits of a number, in the order of numbers."""
    # Minus zero is zero.
    (bits,) = struct.unpack(">Q", struct.pack(">d", float(value) + 0.0))
    ordered = bits ^ ((1 << 64) - 1) if bits >> 63 else bits | 1 << 63
    return int(ordered >> (64 - _BITS))


def _exact(value: Scalar) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return f"text {value}"
        case _:
            number = Decimal(repr(value)).normalize()
            return f"number {number if number else 0}"


def _fact(*parts: str) -> str:
    return blake2b("\0".join(parts).encode(), digest_size=8).hexdigest()
