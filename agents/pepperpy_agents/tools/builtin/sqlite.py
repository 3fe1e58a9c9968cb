"""SQL in an SQLite file: reading alone, of one file, for a time.

The scope of a call is the file, ``sql.query:/data/shop.db``. It is opened read-only, and SQLite
asks before each thing that a statement does whether it may.
"""

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from pepperpy_agents.tools.builtin.beneath import Place, absolute, open_beneath, regular
from pepperpy_agents.tools.builtin.rows import MOST_ROWS, shown
from pepperpy_agents.tools.builtin.schema import parameters, string
from pepperpy_agents.tools.threads import in_thread
from pepperpy_agents.tools.tool import Tool, ToolUse
from pepperpy_bus.units import Duration, parse_duration
from pepperpy_schemas.errors import (
    BadArguments,
    NotGranted,
    PepperError,
    TooLarge,
    ToolFailed,
    ToolTimeout,
)

LONGEST: Final = 10_000
"""Characters of a statement."""
_LARGEST_VALUE: Final = 256 * 1024
"""Bytes: functions on texts take a time that grows with the square, and have no breaks in it."""
_STEPS: Final = 5_000
"""Of SQLite's machine between two looks at the clock; where functions take long, it is
interrupted."""
_MEMORY: Final = 256 * 1024 * 1024
"""Bytes that SQLite may have in this process, whatever for: twenty tables that are joined of two
such each are a million, and are in memory before the first step."""
_MOST_SIGNS: Final = 100
"""Characters that `trim` looks for: it compares each of a text with each of them, in one step."""

_ALLOWED: Final = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE})
_PRAGMAS: Final = frozenset(
    {"table_info", "table_xinfo", "table_list", "index_list", "index_info", "foreign_key_list"}
)
"""What describes the tables; all others are refused."""
_FORBIDDEN: Final = frozenset(
    {"load_extension", "fts3_tokenizer", "readfile", "writefile", "edit", "printf", "format"}
)
"""Those that reach out; and those that count to any number in one step, which nothing ends."""


def sqlite_tool(*, time_limit: Duration = "10s") -> Tool:
    """Returns ``sql.query``.

    Args:
        time_limit: How long a statement may run.
    """
    seconds = parse_duration(time_limit)

    def query(arguments: dict[str, Any], use: ToolUse) -> dict[str, Any]:
        place = Place(use.grants, "sql.query", arguments["path"])
        with _opened(place, seconds) as connection:
            return _query(connection, arguments["statement"], arguments.get("values", []))

    async def call(arguments: dict[str, Any], use: ToolUse) -> dict[str, Any]:
        found: dict[str, Any] = await in_thread(query, arguments=arguments, use=use)
        return found

    return Tool(
        name="sql.query",
        description=(
            "Asks an SQLite database with one SELECT. Begin with: SELECT name, sql FROM "
            "sqlite_schema. Put values into `values`, with ? in the statement."
        ),
        parameters=parameters(
            path=string("Path of the database file", longest=4000),
            statement=string("One SELECT statement", longest=LONGEST),
            values=VALUES,
            required=("path", "statement"),
        ),
        call=call,
        needs=_needs,
        timeout=seconds + 5,
    )


VALUES: Final = {
    "type": "array",
    "items": {"type": ["string", "number", "boolean", "null"]},
    "maxItems": 100,
    "description": "The values that the statement's marks stand for, in their order",
}


def _query(connection: sqlite3.Connection, statement: str, values: list[Any]) -> dict[str, Any]:
    try:
        cursor = connection.execute(statement, values)
        columns = [str(column[0]) for column in cursor.description or ()]
        return shown(columns, map(list, cursor.fetchmany(MOST_ROWS + 1)))
    except (sqlite3.Error, sqlite3.Warning, OverflowError) as error:
        raise _explained(error) from None
    except MemoryError:
        raise TooLarge("the statement needs too much memory", hint="join and sort less") from None


def _explained(error: Exception) -> PepperError:
    said = str(error)
    if said == "interrupted":
        return ToolTimeout("the statement ran out of its time", retryable=False)
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith(("SQLITE_AUTH", "SQLITE_READONLY")) or said.startswith("not authorized"):
        return NotGranted(f"SQLite: {said}; only reading is allowed", hint=_HINT)
    return BadArguments(f"SQLite: {said}")


@contextlib.contextmanager
def _opened(place: Place, seconds: float) -> Iterator[sqlite3.Connection]:
    with place.folder() as (folder, name):
        file = open_beneath(folder, name, os.O_RDONLY)
        try:
            facts = regular(file, place.path)
        finally:
            os.close(file)
    try:
        connection = sqlite3.connect(
            f"{Path(place.path).as_uri()}?mode=ro", uri=True, timeout=min(seconds, 5.0)
        )
    except sqlite3.Error as error:
        raise ToolFailed(f"{place.path}: {error}") from None
    with contextlib.closing(connection), _interrupted(connection, after=seconds):
        _confine(connection, time.monotonic() + seconds)
        # SQLite opens files by their name alone: it must be the file that was looked at.
        now = Path(place.path).stat()
        if (now.st_dev, now.st_ino) != (facts.st_dev, facts.st_ino):
            raise NotGranted(f"{place.path} was exchanged while it was opened", hint=_HINT)
        yield connection


@contextlib.contextmanager
def _interrupted(connection: sqlite3.Connection, *, after: float) -> Iterator[None]:
    """Interrupts what runs after a time: a few steps with costly functions may last for hours."""
    timer = threading.Timer(after, connection.interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def _confine(connection: sqlite3.Connection, end: float) -> None:
    connection.execute("PRAGMA query_only = ON")
    connection.execute("PRAGMA trusted_schema = OFF")
    # What is sorted and set aside counts, too, and fills no disk.
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute(f"PRAGMA hard_heap_limit = {_MEMORY}")
    for name, trim in (("trim", str.strip), ("ltrim", str.lstrip), ("rtrim", str.rstrip)):
        connection.create_function(name, 2, partial(_trimmed, trim), deterministic=True)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LARGEST_VALUE)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 200)
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    connection.set_authorizer(_authorize)
    connection.set_progress_handler(lambda: time.monotonic() > end, _STEPS)


def _trimmed(trim: Callable[[str, str], str], value: Any, signs: Any) -> str | None:
    if value is None or signs is None:
        return None
    if len(str(signs)) > _MOST_SIGNS:
        raise ValueError("too many")
    return trim(str(value), str(signs))


def _authorize(
    action: int,
    first: str | None,
    second: str | None,
    database: str | None,  # noqa: ARG001 - as SQLite calls it
    within: str | None,  # noqa: ARG001
) -> int:
    allowed = action in _ALLOWED
    if action == sqlite3.SQLITE_FUNCTION:
        allowed = (second or "").lower() not in _FORBIDDEN
    elif action == sqlite3.SQLITE_PRAGMA:
        allowed = (first or "").lower() in _PRAGMAS
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


def _needs(arguments: Mapping[str, Any]) -> tuple[str, ...]:
    return (f"sql.query:{absolute(arguments['path'])}",)


_HINT: Final = "write one SELECT"

QUERY: Final = sqlite_tool()
