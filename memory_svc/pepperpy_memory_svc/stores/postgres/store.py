"""The store in PostgreSQL."""

from types import TracebackType
from typing import Self

from pepperpy_memory_svc.stores.postgres.generating import PostgresGenerations
from pepperpy_memory_svc.stores.postgres.pool import Limits, Pool
from pepperpy_memory_svc.stores.postgres.reading import PostgresReading
from pepperpy_memory_svc.stores.postgres.removing import PostgresRemoving
from pepperpy_memory_svc.stores.postgres.searching import PostgresSearching
from pepperpy_memory_svc.stores.postgres.sessions import SCHEMA
from pepperpy_memory_svc.stores.postgres.writing import PostgresWriting


class PostgresStore(
    PostgresReading, PostgresWriting, PostgresRemoving, PostgresSearching, PostgresGenerations
):
    """A `Store` in a PostgreSQL with pgvector.

    Args:
        url: The server's, ``postgresql://…``.
        schema: Where its tables are.
        limits: What it asks of its server at most.
        migrate: Whether to bring the tables to our version when it is opened.
    """

    def __init__(
        self,
        url: str,
        *,
        schema: str = SCHEMA,
        limits: Limits | None = None,
        migrate: bool = True,
    ) -> None:
        pool = Pool(url, schema=schema, limits=limits or Limits(), migrate=migrate)
        PostgresSearching.__init__(self, pool)
        PostgresGenerations.__init__(self, pool)

    async def __aenter__(self) -> Self:
        await self._pool.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._pool.__aexit__(kind, error, trace)
