"""The connection that a migration has: where it looks, its turn among others, and pgvector."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import asyncpg  # type: ignore[import-untyped]  # it has no types

from pepperpy_memory_svc.stores.addresses import malformed, place_of
from pepperpy_memory_svc.stores.embedded.programs import check_vector_version
from pepperpy_memory_svc.stores.postgres.connection import Connection, Record
from pepperpy_memory_svc.stores.postgres.translating import translated
from pepperpy_schemas.errors import BadConfig

SCHEMA: Final = "pepperpy_memory"
LOCK_TIMEOUT: Final = 10.0
"""Seconds that a runner waits for another one, and a step for the tables."""
CONNECT_TIMEOUT: Final = 10.0
"""Seconds until a connection has to be there."""

_HINT: Final = "give postgresql://USER:PASSWORD@HOST:PORT/NAME, and no parameter but libpq's"
_SCHEMA: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}")


def check_schema(name: str) -> None:
    """Refuses a schema's name that would have to be quoted.

    Raises:
        BadConfig: It has other characters.
    """
    if not _SCHEMA.fullmatch(name):
        raise BadConfig(f"{name!r} is no name of a schema", hint="use a-z 0-9 _")


@asynccontextmanager
async def connected(url: str, schema: str) -> AsyncIterator[Connection]:
    """Yields a connection that looks into a schema first, and waits for no lock for ever.

    Raises:
        BadConfig: The address is malformed, or the schema's name is.
    """
    check_schema(schema)
    settings = {
        "application_name": "pepperpy-migration",
        "search_path": f"{schema}, public",
        "lock_timeout": f"{LOCK_TIMEOUT:g}s",
        "client_min_messages": "warning",
    }
    with translated(place_of(url)):
        try:
            connection = await asyncpg.connect(
                url, server_settings=settings, timeout=CONNECT_TIMEOUT
            )
        except (ValueError, OverflowError):
            # It reads the address itself, and names what it stumbles over: part of a password, too.
            raise malformed("PostgreSQL", _HINT) from None
        try:
            # A killed runner's statement ends with it, where the server's system can tell.
            with suppress(asyncpg.PostgresError):
                await connection.execute("SET client_connection_check_interval = '1s'")
            yield connection
        finally:
            await connection.close(timeout=5)


@asynccontextmanager
async def turn(connection: Connection, what: str) -> AsyncIterator[None]:
    """Waits for one's turn among all runners.

    The session has it, not a transaction: only what begins after it is sure to see the schema or
    the extension that the one before has made.
    """
    name = f"pepperpy memory {what}"
    await connection.execute("SELECT pg_advisory_lock(hashtext($1))", name)
    try:
        yield
    finally:
        if not connection.is_closed():
            await connection.execute("SELECT pg_advisory_unlock(hashtext($1))", name)


async def extend(connection: Connection) -> None:
    """Makes pgvector available; who may not do that finds it made by somebody who may.

    Raises:
        BadConfig: We may not, or the server has none.
    """
    known = "SELECT 1 FROM pg_extension WHERE extname = 'vector'"
    if await connection.fetchval(known):
        return
    # No schema has a name like this.
    async with turn(connection, "EXTENSION"):
        try:
            await connection.execute("CREATE EXTENSION IF NOT EXISTS vector SCHEMA public")
        except (asyncpg.InsufficientPrivilegeError, asyncpg.FeatureNotSupportedError) as error:
            raise _no_vectors(str(error)) from error


async def vectors_in(connection: Connection) -> str:
    """Returns the schema of pgvector's types.

    Raises:
        BadConfig: It is not there, or too old.
    """
    found: Record | None = await connection.fetchrow(
        "SELECT extversion, nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = extnamespace"
        " WHERE extname = 'vector'"
    )
    if found is None:
        raise _no_vectors()
    check_vector_version(found["extversion"])
    return str(found["nspname"])


def _no_vectors(said: str = "") -> BadConfig:
    return BadConfig(
        "the database has no extension vector" + (f": {said}" if said else ""),
        hint="install pgvector, then as a superuser: CREATE EXTENSION vector",
    )
