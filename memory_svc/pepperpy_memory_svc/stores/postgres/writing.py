"""Putting and touching entries: one transaction each."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from pepperpy_memory_svc.stores.postgres import queries
from pepperpy_memory_svc.stores.postgres.connection import Connection
from pepperpy_memory_svc.stores.postgres.entries import (
    ENTRY_COLUMNS,
    HISTORY_COLUMNS,
    REPLACE,
    entry_of,
    entry_record,
    whole,
)
from pepperpy_memory_svc.stores.postgres.indexing import (
    add_vectors,
    add_words,
    shared_generations,
    unindex,
)
from pepperpy_memory_svc.stores.postgres.pool import Pool
from pepperpy_memory_svc.stores.postgres.portions import LEAST, portions
from pepperpy_memory_svc.stores.rows import Generation, Row
from pepperpy_memory_svc.stores.store import KEPT_VERSIONS
from pepperpy_memory_svc.stores.values import check_ids, check_namespace, checked
from pepperpy_memory_svc.stores.writing import alive, check_generations, stored
from pepperpy_schemas.memory import Entry

_LATEST: Final = datetime.max.replace(tzinfo=UTC) - timedelta(days=1)
_COPIED: Final = 1024 * 1024
"""Characters that are stored by one statement."""


class _Planned(msgspec.Struct, frozen=True):
    """A row with what it is going to be."""

    row: Row
    nr: int
    entry: Entry
    before: Entry | None
    """What its place has now, expired or not."""
    replaces: bool
    """Whether it is a new version of what is there."""

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
        await checked(rows, namespace)
        if not rows:
            return []
        async with self._pool.writing(namespace) as connection:
            generations = await shared_generations(connection)
            check_generations(rows, generations)
            ns, gone = await _locked(connection, namespace)
            planned = await _plan(connection, ns, rows, now, gone)
            await _store(connection, ns, planned, generations)
        return [each.entry for each in planned]

    async def touch(self, namespace: str, ids: Sequence[str], *, now: datetime) -> int:
        """See `Entries.touch`."""
        check_namespace(namespace)
        async with self._pool.touching() as connection:
            done = await connection.execute(queries.TOUCH, namespace, now, check_ids(ids), _LATEST)
        return int(done.split()[-1])


async def _locked(connection: Connection, namespace: str) -> tuple[int, int]:
    """Returns the namespace's number and highest version that is gone; the turn is ours."""
    found = await connection.fetch(queries.LOCK_NAMESPACE, namespace)
    if not found:
        await connection.execute(queries.ADD_NAMESPACE, namespace)
        found = await connection.fetch(queries.LOCK_NAMESPACE, namespace)
    return found[0]["nr"], found[0]["gone"]


async def _plan(
    connection: Connection, ns: int, rows: Sequence[Row], now: datetime, gone: int
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
        entry = stored(row, before, now=now, last=last.get(session, 0), gone=gone)
        last[session] = max(last.get(session, 0), entry.seq)
        replaces = alive(before, now) is not None
        planned.append(_Planned(row, nr, entry, before, replaces))
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
    new = [each for each in planned if each.before is None]
    for generation in generations:
        stale = [each for each in there if not each.keeps(generation)]
        for some in portions(stale, _weight_before):
            await unindex(connection, generation, [each.nr for each in some])
    if there:
        # In its place, and not deleted and made anew: who waits to touch one of them finds it.
        for records in _records(ns, there):
            await connection.executemany(REPLACE, records)
        await _remember(connection, there)
    for records in _records(ns, new):
        await connection.copy_records_to_table("entry", records=records, columns=ENTRY_COLUMNS)
    for generation in generations:
        await _index(connection, ns, planned, generation)


def _records(ns: int, planned: Iterable[_Planned]) -> Iterator[list[tuple[Any, ...]]]:
    """Yields entries as rows, as many as a statement's time is enough for."""
    return portions((entry_record(each.nr, ns, each.entry) for each in planned), _weight, _COPIED)


def _weight(record: Sequence[Any]) -> int:
    return sum(len(value) for value in record if isinstance(value, str))


def _weight_before(planned: _Planned) -> int:
    return LEAST + (0 if planned.before is None else len(planned.before.text))


async def _remember(connection: Connection, there: Sequence[_Planned]) -> None:
    """Keeps what is replaced; what had expired is forgotten with its history."""
    expired = [each.nr for each in there if not each.replaces]
    if expired:
        await connection.execute(queries.FORGET_HISTORY, expired)
    records = (
        (each.nr, each.before.version, each.entry.updated, whole(each.before))
        for each in there
        if each.replaces and each.before is not None
    )
    for some in portions(records, _weight, _COPIED):
        await connection.copy_records_to_table("history", records=some, columns=HISTORY_COLUMNS)
        oldest = [each[1] - KEPT_VERSIONS for each in some]
        await connection.execute(queries.SHORTEN_HISTORY, [each[0] for each in some], oldest)


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
