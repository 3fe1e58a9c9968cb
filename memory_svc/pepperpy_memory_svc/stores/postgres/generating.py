"""Generations in PostgreSQL: their tables are made, filled, taken and dropped."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from pepperpy_memory_svc.stores.postgres import queries
from pepperpy_memory_svc.stores.postgres.building import build_index
from pepperpy_memory_svc.stores.postgres.connection import Connection
from pepperpy_memory_svc.stores.postgres.entries import entry_of
from pepperpy_memory_svc.stores.postgres.indexing import (
    add_vectors,
    add_words,
    known_generations,
    unindex,
)
from pepperpy_memory_svc.stores.postgres.pool import Pool
from pepperpy_memory_svc.stores.rows import Filling, Generation, Kind, State
from pepperpy_memory_svc.stores.values import MAX_IDS, check_namespace, check_number
from pepperpy_memory_svc.stores.writing import check_begun, check_fillings, named
from pepperpy_schemas.errors import Conflict, NotFound
from pepperpy_schemas.memory import Entry

MAX_INDEXED: Final = 4000
"""Most numbers of a vector that the index takes; longer ones are compared one by one."""


class PostgresGenerations:
    """The store's generations.

    Args:
        pool: Its connections.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        # Up to which entry a generation was seen to be filled: only a hint, see `unfilled`.
        self._filled: dict[int, int] = {}

    async def generations(self) -> list[Generation]:
        """See `Generations.generations`."""
        async with self._pool.connection() as connection:
            return await known_generations(connection)

    async def begin(self, kind: Kind, name: str, *, dims: int = 0) -> Generation:
        """See `Generations.begin`."""
        check_begun(kind, name, dims, None)
        async with self._pool.transaction() as connection:
            await connection.execute(queries.LOCK_GENERATIONS)
            alike = [each for each in await known_generations(connection) if each.kind == kind]
            there = next((each for each in alike if each.name == name), None)
            check_begun(kind, name, dims, there)
            return there or await _begin(connection, kind, name, dims, first=not alike)

    async def unfilled(self, number: int, *, now: datetime, limit: int = 1000) -> list[Entry]:
        """See `Generations.unfilled`."""
        check_number(limit, "limit", least=1, most=MAX_IDS)
        async with self._pool.connection() as connection:
            generation = named(number, await known_generations(connection))
            begun = self._filled.get(number, 0)
            found = await self._unfilled(connection, generation, now, begun, limit)
            if not found and begun:
                # What was changed since has a place before.
                found = await self._unfilled(connection, generation, now, 0, limit)
        return found

    async def _unfilled(
        self, connection: Connection, generation: Generation, now: datetime, begun: int, limit: int
    ) -> list[Entry]:
        query = queries.UNFILLED.format(table=_table(generation), gen=generation.number)
        found = await connection.fetch(query, now, begun, limit)
        self._filled[generation.number] = found[0]["nr"] if found else 0
        return [entry_of(each) for each in found]

    async def fill(self, number: int, fillings: Sequence[Filling]) -> int:
        """See `Generations.fill`."""
        check_number(len(fillings), "fillings", least=0, most=MAX_IDS)
        filled = 0
        async with self._pool.transaction() as connection:
            await connection.execute(queries.SHARE_GENERATIONS)
            generation = named(number, await known_generations(connection))
            check_fillings(fillings, generation)
            # Always in this order, so that two who fill never wait for each other.
            for namespace in sorted({each.namespace for each in fillings}):
                here = [each for each in fillings if each.namespace == namespace]
                filled += await _fill(connection, generation, namespace, here)
        return filled

    async def flip(self, number: int, *, now: datetime, partial: bool = False) -> int:
        """See `Generations.flip`."""
        async with self._pool.connection() as connection:
            generation = named(number, await known_generations(connection))
            missing = await _count_unfilled(connection, generation, now)
        if missing and not partial:
            return missing
        if generation.kind == "embedding" and generation.dims <= MAX_INDEXED:
            await build_index(self._pool, generation)
        async with self._pool.transaction() as connection:
            # Writers that know the old one are done then; others wait, and know the new one.
            await connection.execute(queries.LOCK_GENERATIONS)
            generation = named(number, await known_generations(connection))
            missing = await _count_unfilled(connection, generation, now)
            if partial or not missing:
                await connection.execute(queries.KEEP, number, generation.kind)
                await connection.execute(queries.MAKE_CURRENT, number)
        return missing

    async def drop(self, number: int) -> None:
        """See `Generations.drop`."""
        async with self._pool.transaction() as connection:
            await connection.execute(queries.LOCK_GENERATIONS)
            try:
                generation = named(number, await known_generations(connection))
            except NotFound:
                return
            if generation.state == "current":
                raise Conflict(
                    f"generation {number} is current",
                    hint="flip to another one first",
                    context={"generation": number},
                )
            await connection.execute(queries.DROP_TABLES.format(gen=number))
            await connection.execute(queries.DROP, number)


async def _begin(
    connection: Connection, kind: Kind, name: str, dims: int, *, first: bool
) -> Generation:
    state: State = "current" if first else "building"
    number = await connection.fetchval(queries.BEGIN, kind, name, dims, state)
    if kind == "analyser":
        await connection.execute(queries.CREATE_WORDS.format(gen=number))
    else:
        await connection.execute(queries.CREATE_VECTORS.format(gen=number, dims=dims))
        # One that is built beside another gets its index when it is full: that is much faster.
        if first and dims <= MAX_INDEXED:
            await connection.execute(queries.INDEX_VECTORS.format(gen=number, how=""))
    return Generation(number, kind, name, dims, state)


async def _fill(
    connection: Connection, generation: Generation, namespace: str, fillings: Sequence[Filling]
) -> int:
    check_namespace(namespace)
    ns = await connection.fetchval(queries.LOCK_NAMESPACE, namespace)
    found = await connection.fetch(queries.VERSIONS, ns, [each.id for each in fillings])
    numbers = {(each["id"], each["version"]): each["nr"] for each in found}
    fitting = {
        numbers[each.id, each.version]: each
        for each in fillings
        if (each.id, each.version) in numbers
    }
    await unindex(connection, generation, list(fitting))
    if generation.kind == "embedding":
        vectors = [(nr, each.vector) for nr, each in fitting.items()]
        await add_vectors(connection, generation.number, vectors)
    else:
        words = [(nr, each.lexemes) for nr, each in fitting.items()]
        await add_words(connection, generation.number, ns, words)
    return len(fitting)


async def _count_unfilled(connection: Connection, generation: Generation, now: datetime) -> int:
    query = queries.COUNT_UNFILLED.format(table=_table(generation), gen=generation.number)
    return int(await connection.fetchval(query, now))


def _table(generation: Generation) -> str:
    return "vector" if generation.kind == "embedding" else "doc"
