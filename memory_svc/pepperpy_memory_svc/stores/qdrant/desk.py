"""What all parts of the store stand on: the engine, whose turn it is, what is read everywhere."""

import contextlib
import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from datetime import datetime
from typing import Any, Concatenate, Final, ParamSpec, TypeVar, cast

from pepperpy_memory_svc.stores.conditions import compile_condition
from pepperpy_memory_svc.stores.qdrant.corpora import Corpora
from pepperpy_memory_svc.stores.qdrant.engine import Engine, Point
from pepperpy_memory_svc.stores.qdrant.filtering import filter_of, ranged
from pepperpy_memory_svc.stores.qdrant.filters import Filter, every
from pepperpy_memory_svc.stores.qdrant.gate import Gate, Limits, Turns
from pepperpy_memory_svc.stores.qdrant.points import SHOWN, entry_of, here, point_id
from pepperpy_memory_svc.stores.qdrant.state import StatePoint
from pepperpy_memory_svc.stores.qdrant.translating import translated
from pepperpy_memory_svc.stores.writing import alive
from pepperpy_schemas.memory import Condition, Entry

MAX_RANGED: Final = 64
"""Fields of the metadata whose numbers this process indexes, each when it is first asked for."""
_PAGE: Final = 1000

D = TypeVar("D", bound="Desk")
P = ParamSpec("P")
T = TypeVar("T")


def operation(
    method: Callable[Concatenate[D, P], Awaitable[T]],
) -> Callable[Concatenate[D, P], Coroutine[Any, Any, T]]:
    """Makes a method that takes no turn wait for room, and raise errors of ours."""

    @functools.wraps(method)
    async def called(self: D, *args: P.args, **kwargs: P.kwargs) -> T:
        async with self.room():
            return await method(self, *args, **kwargs)

    # A parameter of ours that is called self is no other one.
    return cast("Callable[Concatenate[D, P], Coroutine[Any, Any, T]]", called)


class Desk:
    """The engine, with what is done to it by several parts of the store.

    Args:
        engine: Where the points are.
        limits: See `Limits`.
    """

    def __init__(self, engine: Engine, limits: Limits) -> None:
        self.engine = engine
        self.gate = Gate(limits)
        self.turns = Turns(limits)
        self.state = StatePoint(engine)
        self.corpora = Corpora(engine)
        self._ranged: set[str] = set()

    async def filter(self, where: Condition | None, namespace: str) -> Filter:
        """Returns a filter for a condition, after indexing the numbers that it compares.

        Unindexed, each is read from its entry. Callers name the fields, so there is a bound.
        """
        made = filter_of(where, namespace)
        for key in ranged(made):
            if key not in self._ranged and len(self._ranged) < MAX_RANGED:
                await self.engine.add_index(key, "numbers")
                self._ranged.add(key)
        return made

    @contextlib.asynccontextmanager
    async def room(self) -> AsyncIterator[None]:
        """Gives room to ask the engine, and raises what it raises as errors of ours."""
        async with self.gate():
            with translated():
                yield

    @contextlib.asynccontextmanager
    async def writing(self, namespace: str) -> AsyncIterator[None]:
        """Gives the turn to write to a namespace, then room for it.

        Who leaves may have written all the same.
        """
        async with self.turns.of(namespace), self.room():
            try:
                yield
            finally:
                self.corpora.changed(namespace)

    async def points(
        self,
        namespace: str,
        ids: Sequence[str],
        fields: Sequence[str] | bool,
        vectors: Sequence[str] | bool = False,
    ) -> dict[str, Point]:
        """Returns the points of entries, expired or not, by the entry's id."""
        names = {point_id(namespace, each): each for each in ids}
        found = await self.engine.read(list(names), fields, vectors) if names else []
        return {names[each.id]: each for each in found}

    async def pages(self, where: Filter, fields: Sequence[str]) -> AsyncIterator[Point]:
        """Iterates over all points that a filter holds for."""
        begin: str | None = None
        while True:
            page = await self.engine.scroll(where, fields, _PAGE, begin)
            for each in page.points:
                yield each
            if page.next is None:
                return
            begin = page.next

    async def fitting(
        self,
        namespace: str,
        where: Condition | None,
        *,
        now: datetime,
        fields: Sequence[str] = SHOWN,
        also: Filter | None = None,
    ) -> AsyncIterator[tuple[Point, Entry]]:
        """Iterates over the entries that are not expired and fulfil a condition."""
        fits = compile_condition(where)
        filters = [here(namespace, now), await self.filter(where, namespace)]
        if also is not None:
            filters.append(also)
        async for point in self.pages(every(filters), fields):
            entry = alive(entry_of(point), now)
            if entry is not None and fits(entry):
                yield point, entry
