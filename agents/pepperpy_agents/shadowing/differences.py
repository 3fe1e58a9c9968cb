"""Where two JSON values differ."""

from collections.abc import Iterator
from itertools import islice, zip_longest
from typing import Any, Final

import msgspec

MOST: Final = 50
"""Differences of one task that are told."""


class _Missing:
    """No value at all, unlike null."""


_MISSING: Final = _Missing()


class Difference(msgspec.Struct, frozen=True, omit_defaults=True):
    """A place where two values differ.

    Attributes:
        path: The place: ``$.lines[0].amount``.
        live: What the live version has there.
        shadow: What the other one has.
        only: The one that has something there at all; empty when both have.
    """

    path: str
    live: Any = None
    shadow: Any = None
    only: str = ""


def differences(live: Any, shadow: Any) -> list[Difference]:
    """Returns where two JSON values differ, the first of them when there are many."""
    return list(islice(_between(live, shadow, "$"), MOST))


def _between(live: Any, shadow: Any, path: str) -> Iterator[Difference]:
    match live, shadow:
        case _, _Missing():
            yield Difference(path, live=live, only="live")
        case _Missing(), _:
            yield Difference(path, shadow=shadow, only="shadow")
        case dict(), dict():
            for name in live | shadow:
                there, here = live.get(name, _MISSING), shadow.get(name, _MISSING)
                yield from _between(there, here, f"{path}.{name}")
        case list(), list():
            for n, (there, here) in enumerate(zip_longest(live, shadow, fillvalue=_MISSING)):
                yield from _between(there, here, f"{path}[{n}]")
        case _:
            # 1 and true are equal in Python, and 1 and 1.0 in JSON.
            if live != shadow or isinstance(live, bool) is not isinstance(shadow, bool):
                yield Difference(path, live, shadow)
