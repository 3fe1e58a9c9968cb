"""Reading entries by what they are, and how many there are."""

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime

import msgspec

from pepperpy_memory_svc.stores.conditions import compile_condition
from pepperpy_memory_svc.stores.redis.entries import Held, Past, micros
from pepperpy_memory_svc.stores.redis.pool import Pool
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

PAGE = 1000
"""Entries that one call reads: the server does nothing else meanwhile."""


class _Group(msgspec.Struct, frozen=True, array_like=True):
    """Entries that are alike."""

    there: bool
    term: str
    scope: str
    lang: str
    entries: int
    characters: int


class _Counted(msgspec.Struct, frozen=True):
    groups: list[_Group]
    sessions: int


class RedisReading:
    """The reading half of the store.

    Args:
        pool: Its connections.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def ping(self) -> None:
        """See `Housekeeping.ping`."""
        async with self._pool.client() as client:
            await client.ping()

    async def get(self, namespace: str, ids: Sequence[str], *, now: datetime) -> dict[str, Entry]:
        """See `Entries.get`."""
        check_namespace(namespace)
        asked = {"namespace": namespace, "ids": list(dict.fromkeys(check_ids(ids)))}
        found = await self._pool.run("get", asked, list[Held])
        return {each.id: each for each in _living(found, now)}

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
        check_namespace(namespace)
        check_number(limit, "limit", least=1, most=MAX_IDS)
        check_after(after)
        fits = compile_condition(where)
        found: list[Entry] = []
        async for page in self._pages(namespace, after, limit):
            found += [each for each in _living(page, now) if fits(each)]
            if len(found) >= limit:
                break
        return found[:limit]

    async def _pages(self, namespace: str, after: str, limit: int) -> AsyncIterator[list[Held]]:
        size = min(PAGE, limit + 10)
        while True:
            asked = {"namespace": namespace, "after": after, "limit": size}
            page = await self._pool.run("scan", asked, list[Held])
            if page:
                yield page
            if len(page) < size:
                return
            after = page[-1].entry().id
            size = PAGE

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
        fits = compile_condition(where)
        places = [
            (turn.session, str(turn.seq - before), str(turn.seq + after))
            for turn in turns
            if turn.session
        ]
        asked = {"namespace": namespace, "turns": places}
        found = _living(await self._pool.run("neighbours", asked, list[Held]), now)
        return sorted(
            (each for each in found if fits(each)),
            key=lambda each: (each.session, each.seq, each.id),
        )

    async def history(self, namespace: str, id: str, *, now: datetime) -> list[Earlier]:  # noqa: A002 - as in Entry
        """See `Entries.history`."""
        check_namespace(namespace)
        asked = {"namespace": namespace, "id": "".join(check_ids([id])), "now": str(micros(now))}
        found = await self._pool.run("history", asked, list[Past])
        return [each.earlier() for each in found]

    async def figures(self, namespaces: Sequence[str], *, now: datetime) -> dict[str, Figures]:
        """See `Housekeeping.figures`."""
        for each in namespaces:
            check_namespace(each)
        return {each: await self._figures(each, now) for each in namespaces}

    async def _figures(self, namespace: str, now: datetime) -> Figures:
        asked = {"namespace": namespace, "now": str(micros(now))}
        counted = await self._pool.run("figures", asked, _Counted)
        there = [each for each in counted.groups if each.there]
        return Figures(
            entries=sum(each.entries for each in there),
            expired=sum(each.entries for each in counted.groups if not each.there),
            characters=sum(each.characters for each in there),
            sessions=counted.sessions,
            langs=_summed((each.lang, each.entries) for each in there),
            terms=_summed((each.term, each.entries) for each in there),
            scopes=_summed((each.scope, each.entries) for each in there),
        )


def _living(found: Iterable[Held], now: datetime) -> list[Entry]:
    entries = (each.entry() for each in found)
    return [each for each in entries if alive(each, now) is not None]


def _summed(parts: Iterable[tuple[str, int]]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for name, number in parts:
        sums[name] = sums.get(name, 0) + number
    return sums
