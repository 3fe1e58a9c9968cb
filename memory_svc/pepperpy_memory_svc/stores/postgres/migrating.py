"""Versions of the tables: numbered steps up and down, each whole or not at all."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final, Literal, TypeAlias

import asyncpg  # type: ignore[import-untyped]  # it has no types
import msgspec

from pepperpy_memory_svc.stores.embedded.programs import check_vector_version
from pepperpy_memory_svc.stores.postgres.connection import Connection, Record
from pepperpy_memory_svc.stores.postgres.translating import translated
from pepperpy_schemas.errors import BadConfig

SCHEMA: Final = "pepperpy_memory"
LOCK_TIMEOUT: Final = 10.0
"""Seconds that a runner waits for another one, and a step for the tables."""

_SCHEMA: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_Direction: TypeAlias = Literal["up", "down"]


class Migration(msgspec.Struct, frozen=True):
    """One step.

    Attributes:
        number: Its number, from 1.
        name: What it is about.
    """

    number: int
    name: str

    def sql(self, direction: _Direction) -> str:
        """Returns the statements of one way."""
        file = _folder() / f"{self.number:04}_{self.name}.{direction}.sql"
        return file.read_text()


class Status(msgspec.Struct, frozen=True):
    """How far the tables are.

    Attributes:
        version: Number of the last step that was made; 0 before the first.
        newest: Number of the last step that this code knows.
        pending: Steps to come.
    """

    version: int
    newest: int
    pending: list[Migration]


def _folder() -> Traversable:
    return files("pepperpy_memory_svc.stores.postgres") / "migrations"


def migrations() -> list[Migration]:
    """Returns all steps, in order."""
    names = sorted(each.name for each in _folder().iterdir() if each.name.endswith(".up.sql"))
    return [Migration(int(name[:4]), name[5:].removesuffix(".up.sql")) for name in names]


def check_schema(name: str) -> None:
    """Refuses a schema's name that would have to be quoted.

    Raises:
        BadConfig: It has other characters.
    """
    if not _SCHEMA.fullmatch(name):
        raise BadConfig(f"{name!r} is no name of a schema", hint="use a-z 0-9 _")


async def prepare(url: str, schema: str, *, migrate: bool) -> str:
    """Makes sure that the tables are there; returns the schema of pgvector's types.

    Tables of a newer version are fine: no step takes away what the version before it uses.

    Raises:
        BadConfig: The tables are too old and ``migrate`` is false, or pgvector is.
    """
    async with _connected(url, schema) as connection:
        if migrate:
            await _extend(connection)
            await _walk(connection, schema, up_to=None)
        status = await _status(connection, schema)
        if status.pending:
            raise BadConfig(
                f"the memory's tables have version {status.version}, {status.newest} is needed",
                hint="run: pepperpy memory migrate up",
            )
        return await _vectors_in(connection)


async def migrate_up(url: str, *, schema: str = SCHEMA, to: int | None = None) -> Status:
    """Makes the steps up to a number, or all; each is a transaction of its own."""
    async with _connected(url, schema) as connection:
        await _extend(connection)
        await _walk(connection, schema, up_to=to)
        return await _status(connection, schema)


async def migrate_down(url: str, *, to: int, schema: str = SCHEMA) -> Status:
    """Takes steps back until a number is the last; what only they had is gone."""
    async with _connected(url, schema) as connection:
        for step in reversed(migrations()):
            if step.number > to:
                await _step(connection, schema, step, "down")
        return await _status(connection, schema)


async def migration_status(url: str, *, schema: str = SCHEMA) -> Status:
    """Returns how far the tables are; changes nothing."""
    async with _connected(url, schema) as connection:
        return await _status(connection, schema)


# --- one connection -------------------------------------------------------------------------------


@asynccontextmanager
async def _connected(url: str, schema: str) -> AsyncIterator[Connection]:
    check_schema(schema)
    settings = {
        "application_name": "pepperpy-migration",
        "search_path": f"{schema}, public",
        "lock_timeout": f"{LOCK_TIMEOUT:g}s",
        "client_min_messages": "warning",
    }
    with translated():
        connection = await asyncpg.connect(url, server_settings=settings, timeout=LOCK_TIMEOUT)
        try:
            yield connection
        finally:
            await connection.close(timeout=5)


async def _extend(connection: Connection) -> None:
    """Makes pgvector available; who may not do that finds it made by somebody who may."""
    if await connection.fetchval("SELECT 1 FROM pg_extension WHERE extname = 'vector'"):
        return
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext('pepperpy vector'))")
        await connection.execute("CREATE EXTENSION IF NOT EXISTS vector SCHEMA public")


async def _vectors_in(connection: Connection) -> str:
    found: Record | None = await connection.fetchrow(
        "SELECT extversion, nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = extnamespace"
        " WHERE extname = 'vector'"
    )
    if found is None:
        raise BadConfig(
            "the database has no extension vector",
            hint="install pgvector, then as a superuser: CREATE EXTENSION vector",
        )
    check_vector_version(found["extversion"])
    return str(found["nspname"])


async def _status(connection: Connection, schema: str) -> Status:
    there = await _version(connection, schema)
    steps = migrations()
    return Status(there, steps[-1].number, [each for each in steps if each.number > there])


async def _version(connection: Connection, schema: str) -> int:
    there = f'"{schema}".migration'
    if not await connection.fetchval("SELECT to_regclass($1)::text", there):
        return 0
    found = await connection.fetchval(
        f"SELECT coalesce(max(number), 0) FROM {there}"  # noqa: S608 - the schema's name is checked
    )
    return int(found)


async def _walk(connection: Connection, schema: str, up_to: int | None) -> None:
    there = await _version(connection, schema)
    for step in migrations():
        if there < step.number <= (step.number if up_to is None else up_to):
            await _step(connection, schema, step, "up")


async def _step(
    connection: Connection, schema: str, step: Migration, direction: _Direction
) -> None:
    """Makes one step, unless another runner has: the lock makes them take turns."""
    async with connection.transaction():
        await connection.execute(
            "SELECT pg_advisory_xact_lock(hashtext('pepperpy memory ' || $1))", schema
        )
        await connection.execute(
            f'CREATE SCHEMA IF NOT EXISTS "{schema}";'
            f' CREATE TABLE IF NOT EXISTS "{schema}".migration'
            " (number integer PRIMARY KEY, name text NOT NULL)"
        )
        made = await connection.fetchval("SELECT 1 FROM migration WHERE number = $1", step.number)
        if bool(made) == (direction == "up"):
            return
        await connection.execute(step.sql(direction))
        if direction == "up":
            await connection.execute(
                "INSERT INTO migration VALUES ($1, $2)", step.number, step.name
            )
        else:
            await connection.execute("DELETE FROM migration WHERE number = $1", step.number)
