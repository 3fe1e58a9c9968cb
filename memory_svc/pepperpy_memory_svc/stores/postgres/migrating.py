"""Versions of the tables: steps up and down, each whole or not at all, one runner at a time."""

from typing import Final

from pepperpy_memory_svc.stores.postgres.connection import Connection
from pepperpy_memory_svc.stores.postgres.sessions import (
    SCHEMA,
    connected,
    extend,
    turn,
    vectors_in,
)
from pepperpy_memory_svc.stores.postgres.steps import (
    Direction,
    Migration,
    Plan,
    Status,
    migrations,
)
from pepperpy_schemas.errors import BadConfig, WrongSequence

_ANY: Final = "SELECT EXISTS (SELECT FROM entry)"


async def prepare(url: str, schema: str, *, migrate: bool) -> str:
    """Makes sure that the tables are there; returns the schema of pgvector's types.

    Tables of a newer version are fine: no step takes away what the version before it uses.

    Raises:
        BadConfig: The tables are too old and ``migrate`` is false, or pgvector is.
    """
    async with connected(url, schema) as connection:
        if migrate:
            await extend(connection)
            if (await _status(connection, schema)).pending:
                async with turn(connection, schema):
                    await _up(connection, schema, None)
        status = await _status(connection, schema)
        if status.pending:
            raise BadConfig(
                f"the memory's tables have version {status.version}, {status.newest} is needed",
                hint="run: pepperpy memory migrate up",
            )
        return await vectors_in(connection)


async def migrate_up(url: str, *, schema: str = SCHEMA, to: int | None = None) -> Status:
    """Makes the steps up to a number, or all; each is a transaction of its own.

    Raises:
        BadConfig: There is no such step.
        Overloaded: Another runner is at it, or a table is in use, for `LOCK_TIMEOUT`.
        WrongSequence: A step would have lost entries; it was undone.
    """
    async with connected(url, schema) as connection:
        await extend(connection)
        async with turn(connection, schema):
            await _up(connection, schema, to)
        return await _status(connection, schema)


async def migrate_down(url: str, *, to: int, schema: str = SCHEMA) -> Status:
    """Takes steps back until a number is the last; what only they had is gone.

    Raises:
        BadConfig: There is no such step, or some of those to take back are of newer code.
        Overloaded: Another runner is at it, or a table is in use, for `LOCK_TIMEOUT`.
        WrongSequence: A step would have lost entries though it keeps their table; it was undone.
    """
    async with connected(url, schema) as connection:
        async with turn(connection, schema):
            status = await _status(connection, schema)
            _check(status, "down", to)
            for step in _steps(status, "down", to):
                await _step(connection, schema, step, "down")
        return await _status(connection, schema)


async def migration_status(url: str, *, schema: str = SCHEMA) -> Status:
    """Returns how far the tables are; changes nothing."""
    async with connected(url, schema) as connection:
        return await _status(connection, schema)


async def migration_plan(
    url: str, direction: Direction, *, to: int | None = None, schema: str = SCHEMA
) -> Plan:
    """Returns what a way would do and what it would lose; changes nothing.

    Args:
        url: The server's.
        direction: The way.
        to: The last step afterwards; all of them, or one step back, by default.
        schema: Where the tables are.

    Raises:
        BadConfig: There is no such step, or it lies the other way, or some of those to take back
            are of newer code.
    """
    async with connected(url, schema) as connection:
        status = await _status(connection, schema)
        if to is None:
            to = status.newest if direction == "up" else max(status.version - 1, 0)
            _check(status, direction, to)
        else:
            _check(status, direction, to)
            _check_way(status, direction, to)
        steps = _steps(status, direction, to)
        lost = {}
        for table in [each for step in steps if direction == "down" for each in step.dropped()]:
            count = f'SELECT count(*) FROM "{schema}".{table}'  # noqa: S608 - names of our own
            if rows := await connection.fetchval(count):
                lost[table] = int(rows)
        return Plan(status.version, to if steps else status.version, steps, lost)


# --- one connection -------------------------------------------------------------------------------


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


def _steps(status: Status, direction: Direction, to: int) -> list[Migration]:
    there = status.version
    if direction == "up":
        return [each for each in migrations() if there < each.number <= to]
    return [each for each in reversed(migrations()) if to < each.number <= there]


def _check(status: Status, direction: Direction, to: int) -> None:
    """Refuses a number that is no step, and to take back what only newer code knows."""
    if direction == "down" and to < status.version > status.newest:
        raise BadConfig(
            f"the tables have version {status.version}, and this code knows none above"
            f" {status.newest}",
            hint="go down with the version of PepperPy that went up",
        )
    if not 0 <= to <= status.newest:
        raise BadConfig(f"there is no step {to}", hint=f"give a number from 0 to {status.newest}")


def _check_way(status: Status, direction: Direction, to: int) -> None:
    """Refuses a number that lies the other way."""
    if direction == "up" and to < status.version:
        raise BadConfig(f"{to} is below version {status.version}", hint=f"go down: down --to {to}")
    if direction == "down" and to > status.version:
        raise BadConfig(f"{to} is above version {status.version}", hint=f"go up: up --to {to}")


async def _up(connection: Connection, schema: str, to: int | None) -> None:
    status = await _status(connection, schema)
    to = status.newest if to is None else to
    _check(status, "up", to)
    for step in _steps(status, "up", to):
        await _step(connection, schema, step, "up")


async def _step(connection: Connection, schema: str, step: Migration, direction: Direction) -> None:
    """Makes one step with the version's record, whole or not at all."""
    async with connection.transaction():
        await connection.execute(
            f'CREATE SCHEMA IF NOT EXISTS "{schema}";'
            f' CREATE TABLE IF NOT EXISTS "{schema}".migration'
            " (number integer PRIMARY KEY, name text NOT NULL)"
        )
        entries = await _entries(connection, schema)
        await connection.execute(step.sql(direction))
        drops = direction == "down" and "entry" in step.dropped()
        if entries and not drops and await _lost(connection, schema, entries):
            raise WrongSequence(
                f"step {step.number} {direction} would not have kept all entries",
                hint="nothing was changed; this is a fault of the step",
            )
        if direction == "up":
            await connection.execute(
                "INSERT INTO migration VALUES ($1, $2)", step.number, step.name
            )
        else:
            await connection.execute("DELETE FROM migration WHERE number = $1", step.number)


async def _entries(connection: Connection, schema: str) -> int:
    """Returns the table of entries if it has any, else 0."""
    table = await connection.fetchval("SELECT to_regclass($1)::oid", f'"{schema}".entry')
    return int(table) if table and await connection.fetchval(_ANY) else 0


async def _lost(connection: Connection, schema: str, entries: int) -> bool:
    """Says whether this transaction has deleted entries, emptied their table, or replaced it.

    The server counts what a transaction deletes, so that nobody who writes meanwhile has to wait.
    """
    deleted = await connection.fetchval("SELECT pg_stat_get_xact_tuples_deleted($1)", entries)
    return bool(deleted) or await _entries(connection, schema) != entries
