"""SQL in a PostgreSQL: reading alone, as a user who can do no more, for a time.

The scope of a call is the database's name, ``postgres.query:crm``. Which address it stands for,
with user and password, is the operator's: a model never sees it.
"""

import asyncio
import contextlib
import tomllib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from pepperpy_agents.tools.builtin.rows import LONGEST_VALUE, MOST_ROWS, shown
from pepperpy_agents.tools.builtin.schema import parameters, string
from pepperpy_agents.tools.builtin.sqlite import LONGEST, VALUES
from pepperpy_agents.tools.tool import Tool, ToolUse
from pepperpy_bus.files import read_secret
from pepperpy_bus.installing import install
from pepperpy_bus.units import Duration, parse_duration
from pepperpy_schemas.errors import (
    BadArguments,
    BadConfig,
    NotFound,
    NotGranted,
    ToolFailed,
    ToolTimeout,
)

if TYPE_CHECKING:
    from types import ModuleType

_CONNECT: Final = 5.0
"""Seconds that a connection may take."""

# The statement stands in a query of ours, where only a SELECT can stand. The server cuts each row,
# so that no value comes here that is larger than is shown.
_WRAPPED: Final = (
    "SELECT left(row_to_json(q)::text, {most}) FROM (\n{statement}\n) AS q LIMIT {rows}"
)
# Of every role that the user may become: a statement can do so by set_config('role', …).
_MIGHT: Final = """
SELECT bool_or(rolsuper OR rolname = ANY (ARRAY[
    'pg_write_server_files', 'pg_read_server_files', 'pg_execute_server_program']))
FROM pg_roles WHERE pg_has_role(session_user, oid, 'member')
"""


def postgres_tool(
    databases: Mapping[str, str] | None = None, *, time_limit: Duration = "10s"
) -> Tool:
    """Returns ``postgres.query``.

    Args:
        databases: The addresses by name; by default those of the file that the setting
            ``tools.databases`` names.
        time_limit: How long a statement may run.
    """
    seconds = parse_duration(time_limit)

    async def call(arguments: dict[str, Any], use: ToolUse) -> dict[str, Any]:  # noqa: ARG001 - as every tool
        known = _declared() if databases is None else databases
        name = arguments["database"]
        if name not in known:
            raise NotFound(f"there is no database {name!r:.80}", hint=f"known: {', '.join(known)}")
        try:
            async with asyncio.timeout(seconds + _CONNECT), _connected(known[name], seconds) as db:
                return await _query(db, arguments["statement"], arguments.get("values", []))
        except TimeoutError:
            raise ToolTimeout(f"{name} did not answer in time") from None

    return Tool(
        name="postgres.query",
        description=(
            "Asks a PostgreSQL database with one SELECT. Tables are in information_schema.columns. "
            "Put values into `values`, with $1, $2 in the statement."
        ),
        parameters=parameters(
            database=string("Name of the database", longest=64),
            statement=string("One SELECT statement", longest=LONGEST),
            values=VALUES,
            required=("database", "statement"),
        ),
        call=call,
        needs=_needs,
        timeout=seconds + 2 * _CONNECT,
    )


async def _query(db: Any, statement: str, values: list[Any]) -> dict[str, Any]:
    asyncpg = _driver()
    wrapped = _WRAPPED.format(
        statement=statement.rstrip().rstrip(";"), most=LONGEST_VALUE + 1, rows=MOST_ROWS + 1
    )
    reading = db.transaction(readonly=True)
    try:
        await reading.start()
        # By itself it must be a statement, or it would end our query and go on with its own.
        await db.prepare(statement)
        found = await db.fetch(wrapped, *values)
        # What it has done besides, such as a notification, is not to happen.
        await reading.rollback()
    except asyncpg.QueryCanceledError:
        raise ToolTimeout("the statement ran out of its time", retryable=False) from None
    except (asyncpg.InsufficientPrivilegeError, asyncpg.ReadOnlySQLTransactionError) as error:
        raise NotGranted(f"PostgreSQL: {error}; only reading is allowed", hint=_HINT) from None
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise BadArguments(f"PostgreSQL: {error}", hint=_HINT) from None
    rows = [_row(record[0]) for record in found]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return shown(columns, ([row.get(name) for name in columns] for row in rows))


def _row(text: str) -> dict[str, Any]:
    if len(text) > LONGEST_VALUE:
        return {"row": f"{text[:LONGEST_VALUE]} […]"}
    row: dict[str, Any] = msgspec.json.decode(text)
    return row


@contextlib.asynccontextmanager
async def _connected(address: str, seconds: float) -> AsyncIterator[Any]:
    asyncpg = _driver()
    try:
        db = await asyncpg.connect(
            address,
            timeout=_CONNECT,
            server_settings={
                "application_name": "pepperpy postgres.query",
                "default_transaction_read_only": "on",
                "statement_timeout": str(int(seconds * 1000)),
                "idle_in_transaction_session_timeout": str(int(seconds * 1000)),
            },
        )
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        # Neither the address nor the server's words about it are for a model.
        raise ToolFailed(
            f"the database cannot be reached: {type(error).__name__}", retryable=True
        ) from None
    try:
        if await db.fetchval(_MIGHT):
            raise BadConfig(
                "the database's user may do more than read it: files and programs of the server",
                hint="give the tool a user of its own, with SELECT on what it shall see",
            )
        yield db
    finally:
        db.terminate()


def _declared() -> Mapping[str, str]:
    from pepperpy_bus.config import load

    path = load().settings.tools.databases
    if path is None:
        raise BadConfig(
            "no databases are declared",
            hint='name a file in tools.databases, with lines such as crm = "postgresql://…"',
        )
    return read_databases(path)


def read_databases(path: Path) -> Mapping[str, str]:
    """Returns the addresses of a file, by name.

    Raises:
        BadConfig: It is no such file, or every user of the machine may read it.
    """
    try:
        table = tomllib.loads(read_secret(path))
    except tomllib.TOMLDecodeError as error:
        raise BadConfig(f"{path} is not TOML: {error}") from None
    wrong = [name for name, address in table.items() if not isinstance(address, str)]
    if wrong:
        raise BadConfig(
            f"{path}: {wrong[0]} is no address", hint='write it like crm = "postgresql://…"'
        )
    return table


def _driver() -> "ModuleType":
    try:
        import asyncpg  # type: ignore[import-untyped]  # it has none
    except ModuleNotFoundError:
        raise BadConfig(
            "the tool postgres.query needs the package asyncpg", hint=install("postgres")
        ) from None
    module: ModuleType = asyncpg
    return module


def _needs(arguments: Mapping[str, Any]) -> tuple[str, ...]:
    return (f"postgres.query:{arguments['database']}",)


_HINT: Final = "write one SELECT"

QUERY: Final = postgres_tool()
