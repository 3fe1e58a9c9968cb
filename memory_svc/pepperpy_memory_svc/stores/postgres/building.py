"""The index of a generation's vectors, built while they are read and written.

Its graph is made in memory as long as it fits into the session's ``maintenance_work_mem``, and on
disk from there on: with a million vectors that is minutes or many hours. So the session that builds
takes what the graph needs, up to a limit.
"""

import contextlib
from collections.abc import AsyncIterator
from typing import Final

import asyncpg  # type: ignore[import-untyped]  # it has no types

from pepperpy_bus.logs import get_log
from pepperpy_memory_svc.stores.postgres import queries
from pepperpy_memory_svc.stores.postgres.connection import Connection
from pepperpy_memory_svc.stores.postgres.pool import Pool
from pepperpy_memory_svc.stores.rows import Generation
from pepperpy_schemas.errors import Overloaded

log = get_log("pepperpy.memory.postgres")

_NODE: Final = 760
"""Bytes that pgvector's graph takes for a vector besides its numbers, which take two each: 716
were measured (pgvector 0.8.6, m = 16), with 384 numbers as with 1024."""
_MB: Final = 1 << 20


async def build_index(pool: Pool, generation: Generation) -> None:
    """Builds the index of a generation, if it is not there.

    Raises:
        Overloaded: Another process builds it.
    """
    number = generation.number
    async with pool.patient() as connection:
        if not await connection.fetchval(queries.TRY_BUILDING.format(gen=number)):
            raise Overloaded(f"generation {number} is being flipped to by another process")
        try:
            async with _roomy(connection, generation, pool.limits.building_memory):
                await _build(connection, number, pool.limits.building)
        finally:
            if not connection.is_closed():
                await connection.execute(queries.END_BUILDING.format(gen=number))


@contextlib.asynccontextmanager
async def _roomy(connection: Connection, generation: Generation, most: int) -> AsyncIterator[None]:
    """Gives the session as much memory as the graph needs, within the limit."""
    vectors = await connection.fetchval(queries.COUNT_VECTORS.format(gen=generation.number))
    there = int(await connection.fetchval(queries.BUILDING_MEMORY))
    needed = vectors * (2 * generation.dims + _NODE)
    if needed <= there or there >= most:
        yield
        return
    if needed > most:
        log.warning("memory.index_exceeds_memory", vectors=vectors, bytes=needed, limit=most)
    await connection.execute(f"SET maintenance_work_mem = '{min(needed, most) // _MB + 1}MB'")
    try:
        yield
    finally:
        if not connection.is_closed():
            await connection.execute("RESET maintenance_work_mem")


async def _build(connection: Connection, number: int, seconds: float) -> None:
    try:
        await _build_once(connection, number, seconds)
    except asyncpg.DiskFullError:
        # Workers that build together share the memory in /dev/shm, which containers have little of.
        await connection.execute("SET max_parallel_maintenance_workers = 0")
        try:
            await _build_once(connection, number, seconds)
        finally:
            if not connection.is_closed():
                await connection.execute("RESET max_parallel_maintenance_workers")


async def _build_once(connection: Connection, number: int, seconds: float) -> None:
    name = queries.INDEX_NAME.format(gen=number)
    if await connection.fetchval(queries.INDEX_BROKEN, name):
        await connection.execute(queries.DROP_INDEX.format(gen=number))
    how = "CONCURRENTLY IF NOT EXISTS"
    await connection.execute(queries.INDEX_VECTORS.format(gen=number, how=how), timeout=seconds)
