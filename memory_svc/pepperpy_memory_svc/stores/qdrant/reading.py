"""Reading entries by what they are, and how many there are."""

import heapq
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from pepperpy_memory_svc.stores.conditions import compile_condition
from pepperpy_memory_svc.stores.qdrant.desk import Desk, operation
from pepperpy_memory_svc.stores.qdrant.engine import Point
from pepperpy_memory_svc.stores.qdrant.filters import Filter, Has, Within, every, some
from pepperpy_memory_svc.stores.qdrant.points import (
    SHOWN,
    WRITTEN,
    earlier_of,
    entry_of,
    here,
    of,
    order_of,
    past_ids,
)
from pepperpy_memory_svc.stores.rows import Earlier, Figures, Turn
from pepperpy_memory_svc.stores.values import (
    MAX_IDS,
    check_after,
    check_ids,
    check_namespace,
    check_number,
)
from pepperpy_memory_svc.stores.writing import alive
from pepperpy_schemas.memory import Condition, Entry

_STRETCHES: Final = 200
"""Stretches of conversations that are asked for one by one; more are asked for as a whole."""


class QdrantReading(Desk):
    """The reading half of the store."""

    @operation
    async def ping(self) -> None:
        """See `Housekeeping.ping`."""
        await self.engine.ping()

    @operation
    async def get(self, namespace: str, ids: Sequence[str], *, now: datetime) -> dict[str, Entry]:
        """See `Entries.get`."""
        check_namespace(namespace)
        found = await self.points(namespace, check_ids(ids), SHOWN)
        entries = {id_: alive(entry_of(each), now) for id_, each in found.items()}
        return {id_: each for id_, each in entries.items() if each is not None}

    @operation
    async def scan(
        self,
        namespace: str,
        *,
        now: datetime,
        after: str = "",
        limit: int = 1000,
        where: Condition | None = None,
    ) -> list[Entry]:
        """See `Entries.scan`."""
        check_number(limit, "limit", least=1, most=MAX_IDS)
        check_after(after)
        fits = compile_condition(where)
        within = every([here(namespace, now), await self.filter(where, namespace)])

        def fitting(points: Iterable[Point]) -> list[Entry]:
            entries = (alive(entry_of(each), now) for each in points)
            return [each for each in entries if each and each.id > after and fits(each)]

        # What begins as ``after`` does is before it or after it; then comes the rest in order.
        begin = order_of(after)
        alike = [each async for each in self.pages(_at(within, begin), SHOWN)]
        found = heapq.nsmallest(limit, fitting(alike), key=_id)
        while len(found) < limit:
            group, begin, more = await self._following(within, begin, limit)
            found += heapq.nsmallest(limit - len(found), fitting(group), key=_id)
            if not more:
                break
        return found

    async def _following(
        self, within: Filter, begin: int, limit: int
    ) -> tuple[list[Point], int, bool]:
        """Returns the next entries in order, up to which, and whether there may be more."""
        rest = every([within, Within(key="order", gt=begin)])
        page = await self.engine.ordered(rest, (*SHOWN, "order"), limit, "order")
        if len(page) < limit:
            return page, begin, False
        last = page[-1].fields["order"]
        # Of those that begin alike, the page may have some: all of them are read.
        whole = [each for each in page if each.fields["order"] != last]
        whole += [each async for each in self.pages(_at(within, last), SHOWN)]
        return whole, last, True

    @operation
    async def neighbours(
        self,
        namespace: str,
        turns: Sequence[Turn],
        *,
        before: int,
        after: int,
        now: datetime,
        where: Condition | None = None,
    ) -> list[Entry]:
        """See `Entries.neighbours`."""
        check_namespace(namespace)
        check_number(len(turns), "turns", least=0, most=MAX_IDS)
        near: dict[str, list[tuple[int, int]]] = {}
        for turn in turns:
            if turn.session:
                near.setdefault(turn.session, []).append((turn.seq - before, turn.seq + after))
        found = [
            entry
            async for _, entry in self.fitting(namespace, where, now=now, also=_stretches(near))
            if any(low <= entry.seq <= high for low, high in near.get(entry.session, ()))
        ]
        return sorted(found, key=lambda each: (each.session, each.seq, each.id))

    @operation
    async def history(self, namespace: str, id: str, *, now: datetime) -> list[Earlier]:  # noqa: A002 - as in Entry
        """See `Entries.history`."""
        check_namespace(namespace)
        for point in (await self.points(namespace, check_ids([id]), WRITTEN)).values():
            entry = alive(entry_of(point), now)
            if entry is not None and entry.version > 1:
                found = await self.engine.read(past_ids(point, entry.version), ["past", "until"])
                past = [earlier_of(each) for each in found]
                return sorted(past, key=lambda each: -each.entry.version)
        return []

    @operation
    async def figures(self, namespaces: Sequence[str], *, now: datetime) -> dict[str, Figures]:
        """See `Housekeeping.figures`."""
        return {each: await self._figures(each, now) for each in namespaces}

    async def _figures(self, namespace: str, now: datetime) -> Figures:
        there = here(namespace, now)
        entries = await self.engine.count(there)
        every_entry = await self.engine.count(of(namespace))
        sizes = await self.engine.counts("size", there)
        sessions = await self.engine.counts("session", there)
        return Figures(
            entries=entries,
            expired=every_entry - entries,
            characters=sum(int(size) * number for size, number in sizes.items()),
            sessions=len(set(sessions) - {""}),
            langs=_texts(await self.engine.counts("lang", there)),
            terms=_texts(await self.engine.counts("term", there)),
            scopes=_texts(await self.engine.counts("scope", there)),
        )


def _id(entry: Entry) -> str:
    return entry.id


def _at(within: Filter, order: int) -> Filter:
    return every([within, Within(key="order", gte=order, lte=order)])


def _stretches(near: dict[str, list[tuple[int, int]]]) -> Filter:
    if sum(len(each) for each in near.values()) > _STRETCHES:
        return Has("session", list(near)) if near else some([])
    return some(
        every([Has("session", [session]), Within(key="seq", gte=float(low), lte=float(high))])
        for session, stretches in near.items()
        for low, high in stretches
    )


def _texts(counts: dict[str | int, int]) -> dict[str, int]:
    return {str(value): number for value, number in counts.items()}
