"""Putting, deleting and touching entries: one transaction each."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from pepperpy_memory_svc.stores.postgres import queries
from pepperpy_memory_svc.stores.postgres.connection import Connection
from pepperpy_memory_svc.stores.postgres.entries import (
    ENTRY_COLUMNS,
    HISTORY_COLUMNS,
    entry_of,
    entry_record,
    whole,
)
from pepperpy_memory_svc.stores.postgres.filtering import Bound, filter_sql
from pepperpy_memory_svc.stores.postgres.indexing import (
    add_vectors,
    add_words,
    known_generations,
    remove,
    unindex,
)
from pepperpy_memory_svc.stores.postgres.pool import Pool
from pepperpy_memory_svc.stores.rows import Generation, Row
from pepperpy_memory_svc.stores.store import KEPT_VERSIONS
from pepperpy_memory_svc.stores.values import check_ids, check_namespace, check_rows
from pepperpy_memory_svc.stores.writing import alive, check_generations, stored
from pepperpy_schemas.memory import Condition, Entry

_LATEST: Final = datetime.max.replace(tzinfo=UTC) - timedelta(days=1)


class _Planned(msgspec.Struct, frozen=True):
    """A row with what it is going to be."""

    row: Row
    nr: int
    entry: Entry
    before: Entry | None
    """What its place has now, expired or not."""

    @property
    def replaces(self) -> bool:
        """Whether it is a new version of what is there."""
        return self.entry.version > 1

    def keeps(self, generation: Generation) -> bool:
        """Whether what the generation has for it stays."""
        given = self.row.vectors if generation.kind == "embedding" else self.row.lexemes
        same = self.before is not None and self.before.text == self.entry.text
        return given is None and self.replaces and same


class PostgresWriting:
    """The writing half of the store.

    Args:
        pool: Its connections.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def put(self, namespace: str, rows: Sequence[Row], *, now: datetime) -> list[Entry]:
        """See `Entries.put`."""
        check_rows(rows, namespace)
        if not rows:
            return []
        async with self._pool.transaction() as connection:
            generations = await _shared_generations(connection)
            check_generations(rows, generations)
            ns = await _locked(connection, namespace)
            planned = await _plan(connection, ns, rows, now)
            await _store(connection, ns, planned, generations)
        return [each.entry for each in planned]

    async def delete(self, namespace: str, ids: Sequence[str], *, now: datetime) -> list[str]:
        """See `Entries.delete`."""
        asked = check_ids(ids)
        bound = Bound(namespace, now)
        return await self._delete(namespace, f"e.id = ANY({bound.bind(asked, 'text[]')})", bound)

    async def delete_where(self, namespace: str, where: Condition | None, *, now: datetime) -> int:
        """See `Entries.delete_where`."""
        bound = Bound(namespace, now)
        return len(await self._delete(namespace, filter_sql(where, namespace, bound), bound))

    async def _delete(self, namespace: str, where: str, bound: Bound) -> list[str]:
        check_namespace(namespace)
        async with self._pool.transaction() as connection:
            generations = await _shared_generations(connection)
            await connection.fetchval(queries.LOCK_NAMESPACE, namespace)
            found = await connection.fetch(queries.FIND.format(where=where), *bound.values)
            await remove(connection, generations, [each["nr"] for each in found])
        return sorted(each["id"] for each in found)

    async def touch(self, namespace: str, ids: Sequence[str], *, now: datetime) -> int:
        """See `Entries.touch`."""
        check_namespace(namespace)
        async with self._pool.connection() as connection:
            done = await connection.execute(queries.TOUCH, namespace, now, check_ids(ids), _LATEST)
        return int(done.split()[-1])

    async def purge(self, *, now: datetime, limit: int = 10_000) -> int:
        """See `Housekeeping.purge`."""
        async with self._pool.connection() as connection:
            namespaces = await connection.fetch(queries.EXPIRED_IN, now)
        gone = 0
        for each in namespaces:
            if gone < limit:
                gone += await self._purge(each["ns"], now, limit - gone)
        return gone

    async def _purge(self, ns: int, now: datetime, limit: int) -> int:
        async with self._pool.transaction() as connection:
            generations = await _shared_generations(connection)
            if await connection.fetchval(queries.LOCK_IDLE_NAMESPACE, ns) is None:
                return 0
            found = await connection.fetch(queries.EXPIRED, now, ns, limit)
            await remove(connection, generations, [each["nr"] for each in found])
        return len(found)


async def _shared_generations(connection: Connection) -> list[Generation]:
    """Returns the generations, which stay as they are until the transaction's end."""
    await connection.execute(queries.SHARE_GENERATIONS)
    return await known_generations(connection)


async def _locked(connection: Connection, namespace: str) -> int:
    """Returns the namespace's number, its writers' turn being ours."""
    ns = await connection.fetchval(queries.LOCK_NAMESPACE, namespace)
    if ns is None:
        await connection.execute(queries.ADD_NAMESPACE, namespace)
        ns = await connection.fetchval(queries.LOCK_NAMESPACE, namespace)
    return int(ns)


async def _plan(
    connection: Connection, ns: int, rows: Sequence[Row], now: datetime
) -> list[_Planned]:
    found = await connection.fetch(queries.BEFORE, ns, [row.entry.id for row in rows])
    places = {each["id"]: (each["nr"], entry_of(each)) for each in found}
    new = await connection.fetch(queries.NUMBERS, len(rows) - len(places))
    numbers = iter([each["nr"] for each in new])
    last = await _last_turns(connection, ns, rows)
    planned = []
    for row in rows:
        nr, before = places.get(row.entry.id) or (next(numbers), None)
        session = row.entry.session
        entry = stored(row, None if before is None else alive(before, now), last.get(session, 0))
        last[session] = max(last.get(session, 0), entry.seq)
        planned.append(_Planned(row, nr, entry, before))
    return planned


async def _last_turns(connection: Connection, ns: int, rows: Sequence[Row]) -> dict[str, int]:
    sessions = {row.entry.session for row in rows if row.entry.session and not row.entry.seq}
    if not sessions:
        return {}
    found = await connection.fetch(queries.LAST_TURNS, ns, sorted(sessions))
    return {each["session"]: each["seq"] for each in found}


async def _store(
    connection: Connection,
    ns: int,
    planned: Sequence[_Planned],
    generations: Sequence[Generation],
) -> None:
    there = [each for each in planned if each.before is not None]
    for generation in generations:
        stale = [each.nr for each in there if not each.keeps(generation)]
        await unindex(connection, generation, stale)
    if there:
        await connection.execute(queries.REMOVE_ENTRIES, [each.nr for each in there])
        await _remember(connection, there)
    await connection.copy_records_to_table(
        "entry",
        records=[entry_record(each.nr, ns, each.entry) for each in planned],
        columns=ENTRY_COLUMNS,
    )
    for generation in generations:
        await _index(connection, ns, planned, generation)


async def _remember(connection: Connection, there: Sequence[_Planned]) -> None:
    """Keeps what is replaced; what had expired is forgotten with its history."""
    expired = [each.nr for each in there if not each.replaces]
    if expired:
        await connection.execute(queries.FORGET_HISTORY, expired)
    records = [
        (each.nr, each.before.version, each.entry.updated, whole(each.before))
        for each in there
        if each.replaces and each.before is not None
    ]
    if not records:
        return
    await connection.copy_records_to_table("history", records=records, columns=HISTORY_COLUMNS)
    oldest = [each[1] - KEPT_VERSIONS for each in records]
    await connection.execute(queries.SHORTEN_HISTORY, [each[0] for each in records], oldest)


async def _index(
    connection: Connection, ns: int, planned: Sequence[_Planned], generation: Generation
) -> None:
    number = generation.number
    if generation.kind == "embedding":
        vectors = [(each.nr, each.row.vectors) for each in planned if each.row.vectors]
        given = [(nr, several[number]) for nr, several in vectors if number in several]
        await add_vectors(connection, number, given)
    else:
        words = [(each.nr, each.row.lexemes) for each in planned if each.row.lexemes]
        await add_words(
            connection,
            number,
            ns,
            [(nr, several[number]) for nr, several in words if number in several],
        )
