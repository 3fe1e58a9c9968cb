"""Deleting and purging entries: portion by portion, so that it comes to an end however many."""

from collections.abc import Sequence
from datetime import datetime

import asyncpg  # type: ignore[import-untyped]  # it has no types

from pepperpy_memory_svc.stores.postgres import queries
from pepperpy_memory_svc.stores.postgres.connection import Connection, Record
from pepperpy_memory_svc.stores.postgres.filtering import Bound, filter_sql
from pepperpy_memory_svc.stores.postgres.indexing import remove, shared_generations
from pepperpy_memory_svc.stores.postgres.pool import Pool
from pepperpy_memory_svc.stores.postgres.portions import LEAST, TooMuch, in_portions
from pepperpy_memory_svc.stores.rows import Generation
from pepperpy_memory_svc.stores.values import check_ids, check_namespace
from pepperpy_schemas.memory import Condition


class PostgresRemoving:
    """The removing part of the store: each portion is one transaction.

    Args:
        pool: Its connections.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def delete(self, namespace: str, ids: Sequence[str], *, now: datetime) -> list[str]:
        """See `Entries.delete`."""
        asked = check_ids(ids)
        bound = Bound(namespace, now)
        where = f"e.id = ANY({bound.bind(asked, 'text[]')})"
        return sorted(await self._delete(namespace, where, bound))

    async def delete_where(self, namespace: str, where: Condition | None, *, now: datetime) -> int:
        """See `Entries.delete_where`."""
        bound = Bound(namespace, now)
        return len(await self._delete(namespace, filter_sql(where, namespace, bound), bound))

    async def _delete(self, namespace: str, where: str, bound: Bound) -> list[str]:
        """Deletes what is there now; what comes while it goes on stays."""
        check_namespace(namespace)

        async def some(portion: Sequence[Record]) -> list[str]:
            few = Bound(*bound.values)
            among = few.bind([each["nr"] for each in portion], "bigint[]")
            async with self._pool.writing(namespace) as connection:
                generations = await shared_generations(connection)
                await connection.fetchval(queries.LOCK_NAMESPACE, namespace)
                find = queries.FIND.format(where=where, few=among)
                there = await connection.fetch(find, *few.values)
                await _remove(connection, generations, there)
            return [each["id"] for each in there]

        async with self._pool.connection() as connection:
            found = await connection.fetch(queries.SIZES.format(where=where), *bound.values)
        return await in_portions(found, _size, some)

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
        async def some(portion: Sequence[Record]) -> list[Record]:
            nrs = [each["nr"] for each in portion]
            async with self._pool.transaction() as connection:
                generations = await shared_generations(connection)
                if await connection.fetchval(queries.LOCK_IDLE_NAMESPACE, ns) is None:
                    return []
                there = await connection.fetch(queries.STILL_EXPIRED, now, nrs)
                await _remove(connection, generations, there)
            return there

        async with self._pool.connection() as connection:
            found = await connection.fetch(queries.EXPIRED, now, ns, limit)
        return len(await in_portions(found, _size, some))


def _size(found: Record) -> int:
    return LEAST + int(found["size"])


async def _remove(
    connection: Connection, generations: Sequence[Generation], there: Sequence[Record]
) -> None:
    try:
        await remove(connection, generations, [each["nr"] for each in there])
    except asyncpg.QueryCanceledError as error:
        raise TooMuch(
            f"PostgreSQL took too long to remove {len(there)} entries: {error}"
        ) from error
