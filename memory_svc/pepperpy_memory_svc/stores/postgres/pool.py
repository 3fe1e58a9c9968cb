"""Connections to PostgreSQL: few, shared, made again after the server was away."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self

import asyncpg  # type: ignore[import-untyped]  # it has no types
import msgspec
from pgvector.asyncpg import register_vector

from pepperpy_memory_svc.stores.addresses import place_of
from pepperpy_memory_svc.stores.postgres.connection import Connection
from pepperpy_memory_svc.stores.postgres.migrating import prepare
from pepperpy_memory_svc.stores.postgres.sessions import check_schema
from pepperpy_memory_svc.stores.postgres.translating import translated
from pepperpy_memory_svc.stores.postgres.turns import Turns
from pepperpy_schemas.errors import Overloaded


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a store asks of its server at most.

    Attributes:
        connections: Connections at a time.
        waiting: Calls that wait for one, and writers that wait for their turn; the next is refused
            as Overloaded.
        patience: Seconds that a call waits for a connection, then it is refused.
        statement: Seconds that a statement may take, and that a writer waits for its turn.
        building: Seconds that an index may take to be built.
        building_memory: Bytes of the server's memory that it may take meanwhile; what does not fit
            is built on disk, which takes many times longer.
    """

    connections: int = 8
    waiting: int = 256
    patience: float = 10.0
    statement: float = 30.0
    building: float = 3600.0
    building_memory: int = 2 << 30


class Pool:
    """The connections of one store.

    Args:
        url: The server's, ``postgresql://…``.
        schema: Where the tables are.
        limits: See `Limits`.
        migrate: Whether to bring the tables to our version when it is opened.

    Attributes:
        limits: See `Limits`.
    """

    def __init__(self, url: str, *, schema: str, limits: Limits, migrate: bool) -> None:
        check_schema(schema)
        self._url = url
        self._schema = schema
        self.limits = limits
        self._migrate = migrate
        self._waiting = 0
        self._pool: asyncpg.Pool | None = None
        self._turns = Turns(
            connections=limits.connections, waiting=limits.waiting, patience=limits.statement
        )

    async def __aenter__(self) -> Self:
        with translated(place_of(self._url)):
            vectors_in = await prepare(self._url, self._schema, migrate=self._migrate)
            self._pool = await asyncpg.create_pool(
                self._url,
                min_size=1,
                max_size=self.limits.connections,
                command_timeout=self.limits.statement + 5,
                timeout=self.limits.patience,
                init=lambda connection: register_vector(connection, schema=vectors_in),
                # Nothing of ours is left in a session, so there is nothing to pay a call for.
                reset=_keep,
                server_settings=self._settings(vectors_in),
            )
        return self

    def _settings(self, vectors_in: str) -> dict[str, str]:
        return {
            "application_name": "pepperpy-memory",
            "search_path": f"{self._schema}, {vectors_in}",
            "statement_timeout": f"{self.limits.statement:g}s",
            "idle_in_transaction_session_timeout": "60s",
            "jit": "off",
            # A filter must not leave fewer than there are.
            "hnsw.iterative_scan": "relaxed_order",
            # As many as a leg has candidates; who wants more iterates.
            "hnsw.ef_search": "100",
        }

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._pool is None:
            return
        try:
            await asyncio.wait_for(self._pool.close(), self.limits.patience)
        except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            self._pool.terminate()

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Gives a connection for a while.

        Raises:
            Overloaded: Too many wait for one, or it took too long.
        """
        assert self._pool is not None, "the store is not open"
        with translated(place_of(self._url)):
            connection = await self._acquire(self._pool)
            try:
                yield connection
            finally:
                await self._pool.release(connection, timeout=self.limits.patience)

    async def _acquire(self, pool: asyncpg.Pool) -> Connection:
        if self._waiting >= self.limits.waiting:
            raise Overloaded(f"{self._waiting} calls wait for PostgreSQL already")
        self._waiting += 1
        try:
            connection: Connection = await pool.acquire(timeout=self.limits.patience)
            return connection
        except TimeoutError as error:
            if pool.get_idle_size() or pool.get_size() < self.limits.connections:
                raise
            raise Overloaded(
                f"no connection to PostgreSQL was free for {self.limits.patience:g} s"
            ) from error
        finally:
            self._waiting -= 1

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Gives a connection for one transaction: all of it is stored, or nothing."""
        async with self.connection() as connection, connection.transaction():
            yield connection

    @contextlib.asynccontextmanager
    async def writing(self, namespace: str) -> AsyncIterator[Connection]:
        """Gives a connection for one transaction that writes into a namespace, when it is its turn.

        Raises:
            Overloaded: Too many wait for that, or it took too long.
        """
        async with self._turns.of(namespace), self.transaction() as connection:
            yield connection

    @contextlib.asynccontextmanager
    async def touching(self) -> AsyncIterator[Connection]:
        """Gives a connection for a statement that may have to wait for who writes the same rows.

        Raises:
            Overloaded: Too many wait for one, or it took too long.
        """
        async with self._turns.beside(), self.connection() as connection:
            yield connection

    @contextlib.asynccontextmanager
    async def patient(self) -> AsyncIterator[Connection]:
        """Gives a connection outside of any transaction whose statements may take long."""
        async with self.connection() as connection:
            await connection.execute("SET statement_timeout = 0")
            try:
                yield connection
            finally:
                if not connection.is_closed():
                    await connection.execute("RESET statement_timeout")


async def _keep(_connection: Connection) -> None:
    """Leaves a session as it is."""
