"""Filters on points, as every engine understands them; what is constant is folded away."""

from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

import msgspec


class Has(msgspec.Struct, frozen=True):
    """A field, or an element of a list, is one of these values: all texts or all whole numbers."""

    key: str
    values: Sequence[str] | Sequence[int]


class Within(msgspec.Struct, frozen=True, kw_only=True):
    """A number is inside of bounds, compared in double precision."""

    key: str
    gt: float | None = None
    gte: float | None = None
    lt: float | None = None
    lte: float | None = None


class Lacks(msgspec.Struct, frozen=True):
    """A field is not there."""

    key: str


class Named(msgspec.Struct, frozen=True):
    """The point has one of these ids."""

    ids: Sequence[str]


class Every(msgspec.Struct, frozen=True):
    """All of them hold; of none, that is so."""

    of: Sequence["Filter"]


class Some(msgspec.Struct, frozen=True):
    """One of them holds; there is one."""

    of: Sequence["Filter"]


class No(msgspec.Struct, frozen=True):
    """It does not hold."""

    of: "Filter"


Filter: TypeAlias = Has | Within | Lacks | Named | Every | Some | No

ALL: Final = Every(())
NOTHING: Final = Named(())


def every(parts: Iterable[Filter]) -> Filter:
    """Returns a filter that holds where all of these do."""
    left = [each for each in parts if each != ALL]
    if NOTHING in left:
        return NOTHING
    return left[0] if len(left) == 1 else Every(left) if left else ALL


def some(parts: Iterable[Filter]) -> Filter:
    """Returns a filter that holds where one of these does."""
    left = [each for each in parts if each != NOTHING]
    if ALL in left:
        return ALL
    return left[0] if len(left) == 1 else Some(left) if left else NOTHING


def no(part: Filter) -> Filter:
    """Returns a filter that holds where another does not."""
    if part == ALL:
        return NOTHING
    return ALL if part == NOTHING else No(part)
