"""Reading entries by what they are, and how many there are."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from pepperpy_memory_svc.stores.postgres import queries
from pepperpy_memory_svc.stores.postgres.connection import Record
from pepperpy_memory_svc.stores.postgres.entries import entry_of, whole_of
from pepperpy_memory_svc.stores.postgres.filtering import Bound, filter_sql
from pepperpy_memory_svc.stores.postgres.pool import Pool
from pepperpy_memory_svc.stores.rows import Earlier, Figures, Turn
from pepperpy_memory_svc.stores.values import (
    MAX_IDS,
    check_after,
    check_ids,
    check_namespace,
    check_number,
)
from pepperpy_schemas.memory import Condition, Entry


class PostgresReading:
    """The reading half of the store.

    Args:
        pool: Its connections.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def _fetch(self, query: str, bound: Bound) -> list[Record]:
        async with self._pool.connection() as connection:
            return await connection.fetch(query, *bound.values)

    async def ping(self) -> None:
        """See `Housekeeping.ping`."""
        async with self._pool.connection() as connection:
            await connection.fetchval("SELECT 1")

    async def get(self, namespace: str, ids: Sequence[str], *, now: datetime) -> dict[str, Entry]:
        """See `Entries.get`."""
        check_namespace(namespace)
        found = await self._fetch(queries.GET, Bound(namespace, now, check_ids(ids)))
        return {each["id"]: entry_of(each) for each in found}

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
        bound = Bound(namespace, now, after, limit)
        condition = filter_sql(where, namespace, bound)
        found = await self._fetch(queries.SCAN.format(where=condition), bound)
        return [entry_of(each) for each in found]

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
        sessions, seqs = [each.session for each in turns], [each.seq for each in turns]
        bound = Bound(namespace, now, sessions, seqs, before, after)
        condition = filter_sql(where, namespace, bound)
        found = await self._fetch(queries.NEIGHBOURS.format(where=condition), bound)
        return [entry_of(each) for each in found]

    async def history(self, namespace: str, id: str, *, now: datetime) -> list[Earlier]:  # noqa: A002 - as in Entry
        """See `Entries.history`."""
        check_namespace(namespace)
        asked = "".join(check_ids([id]))
        found = await self._fetch(queries.HISTORY, Bound(namespace, now, asked))
        return [Earlier(whole_of(each["body"]), each["until"]) for each in found]

    async def figures(self, namespaces: Sequence[str], *, now: datetime) -> dict[str, Figures]:
        """See `Housekeeping.figures`."""
        for each in namespaces:
            check_namespace(each)
        bound = Bound(list(namespaces), now)
        groups = await self._fetch(queries.FIGURES, bound)
        sessions = await self._fetch(queries.SESSIONS, bound)
        numbers = {each["name"]: each["sessions"] for each in sessions}
        return {
            name: _figures([each for each in groups if each["name"] == name], numbers.get(name, 0))
            for name in namespaces
        }


def _figures(groups: list[Record], sessions: int) -> Figures:
    there = [each for each in groups if each["there"]]
    return Figures(
        entries=sum(each["entries"] for each in there),
        expired=sum(each["entries"] for each in groups if not each["there"]),
        characters=sum(each["characters"] for each in there),
        sessions=sessions,
        langs=_counted(there, "lang"),
        terms=_counted(there, "term"),
        scopes=_counted(there, "scope"),
    )


def _counted(groups: list[Record], column: str) -> dict[str, int]:
    counter: Counter[str] = Counter()
    for each in groups:
        counter[each[column]] += each["entries"]
    return dict(counter)
