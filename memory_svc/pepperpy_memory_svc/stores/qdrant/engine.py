"""What the store asks of a Qdrant, whichever it is: points, found and written, and nothing more.

A point has an id (a UUID as text), fields (Qdrant's payload) and named vectors. All are in one
collection. A call of `write` is one operation of Qdrant's log: stored whole or not at all.
"""

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, Protocol, Self, TypeAlias

import msgspec

from pepperpy_memory_svc.stores.qdrant.filters import Filter

Index: TypeAlias = Literal["tenant", "keyword", "numbers", "values"]
"""What a field is looked up by: ``tenant`` and ``keyword`` texts, ``numbers`` in their order,
``values`` of whole numbers."""


class Sparse(msgspec.Struct, frozen=True):
    """A vector that is 0 but at a few places."""

    places: Sequence[int]
    values: Sequence[float]


Dense: TypeAlias = Sequence[float]
Fields: TypeAlias = dict[str, Any]


class Point(msgspec.Struct, frozen=True):
    """A point, or the part of one that was asked for."""

    id: str
    fields: Fields
    vectors: Mapping[str, Dense | Sparse] = {}


class Hit(msgspec.Struct, frozen=True):
    """A point that was found by a vector."""

    point: Point
    score: float


class Page(msgspec.Struct, frozen=True):
    """Some of the points that were asked for, and where the next page begins; None at the end."""

    points: list[Point]
    next: str | None


class Engine(Protocol):
    """A collection of points: open inside of ``async with``."""

    exclusive: bool
    """Whether no other process can write to it while we have it."""
    exact: bool
    """Whether its searches always compare all."""

    async def __aenter__(self) -> Self:
        """Opens it, and makes the collection if there is none."""

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Closes it."""

    async def ping(self) -> None:
        """Asks for a sign of life."""

    async def add_dense(self, name: str, dims: int) -> None:
        """Makes room for a vector of this many numbers, compared by their product."""

    async def add_sparse(self, name: str) -> None:
        """Makes room for a sparse vector, compared by their product."""

    async def drop_vector(self, name: str) -> None:
        """Drops a vector of all points; one that is gone is no error."""

    async def add_index(self, key: str, index: Index) -> None:
        """Indexes a field; one that is indexed is no error."""

    async def drop_index(self, key: str) -> None:
        """Drops a field's index."""

    async def read(
        self,
        ids: Sequence[str],
        fields: Sequence[str] | bool,
        vectors: Sequence[str] | bool = False,
    ) -> list[Point]:
        """Returns the points with these ids that are there."""

    async def scroll(
        self, where: Filter, fields: Sequence[str], limit: int, begin: str | None = None
    ) -> Page:
        """Returns points in order of their ids."""

    async def ordered(
        self, where: Filter, fields: Sequence[str], limit: int, by: str, *, last_first: bool = False
    ) -> list[Point]:
        """Returns the first points in order of a field that is indexed as ``numbers``."""

    async def search(
        self,
        name: str,
        vector: Dense | Sparse,
        where: Filter,
        limit: int,
        fields: Sequence[str],
        *,
        exact: bool = False,
    ) -> list[Hit]:
        """Returns the points with the highest product; by an index unless ``exact``."""

    async def count(self, where: Filter) -> int:
        """Returns how many points there are."""

    async def counts(self, key: str, where: Filter) -> dict[str | int, int]:
        """Returns how many points have each value of an indexed field."""

    async def tally(self, key: str, values: Sequence[int]) -> dict[int, int]:
        """Returns how many points have each of these values in a field; 0 for none."""

    async def write(
        self, points: Sequence[Point], *, over: Filter | None = None, insert: bool = True
    ) -> None:
        """Stores points; of those that are there only what ``over`` holds for is replaced.

        Without ``insert``, those that are not there stay away.
        """

    async def assign(self, fields: Fields, where: Filter) -> None:
        """Sets fields of points."""

    async def clear(self, keys: Sequence[str]) -> None:
        """Removes fields of all points."""

    async def remove(self, where: Filter) -> None:
        """Deletes points."""
