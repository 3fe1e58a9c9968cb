"""`pepperpy memory put`, `get`, `export` and `import`: entries one by one, and all of them."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pepperpy.commands.memory._options import Json, Metadata, Namespace, condition_of, metadata_of

if TYPE_CHECKING:
    from pepperpy_schemas.memory import Entry


def put(
    ctx: typer.Context,
    text: Annotated[str, typer.Argument(help="What to remember; - reads it from stdin.")],
    id_: Annotated[str | None, typer.Option("--id", help="Its id; a new one.")] = None,
    scope: Annotated[
        Literal["session", "agent", "global"], typer.Option(help="For whom it is.")
    ] = "global",
    session: Annotated[str, typer.Option(metavar="NAME", help="The conversation.")] = "",
    agent: Annotated[str, typer.Option(metavar="NAME", help="The agent.")] = "",
    term: Annotated[
        Literal["short", "medium", "long"], typer.Option(help="How long it is meant to last.")
    ] = "long",
    ttl: Annotated[str | None, typer.Option(help="Until it is forgotten, as in 10m.")] = None,
    importance: Annotated[float, typer.Option(min=0, max=1, help="How important it is.")] = 0.5,
    metadata: Metadata = None,
    source: Annotated[str, typer.Option(help="Where it is from.")] = "",
    namespace: Namespace = "",
    as_json: Json = False,
) -> None:
    """Remember a text, and print its id."""
    from pepperpy.commands._output import print_json
    from pepperpy.commands._session import run
    from pepperpy.commands.memory._service import full, open_memory
    from pepperpy_bus.units import parse_duration

    said = sys.stdin.read() if text == "-" else text
    seconds = None if ttl is None else parse_duration(ttl)

    async def remember() -> "Entry":
        async with open_memory(ctx, namespace) as memory:
            return await memory.put(
                said,
                id=id_,
                scope=scope,
                session=session,
                agent=agent,
                term=term,
                ttl=seconds,
                importance=importance,
                metadata=metadata_of(metadata or []),
                source=source,
            )

    entry = run(remember())
    if as_json:
        print_json(full(entry))
    else:
        typer.echo(entry.id)


def get(
    ctx: typer.Context,
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="The ids.")],
    namespace: Namespace = "",
    as_json: Json = False,
) -> None:
    """Show entries by their ids; it is an error when one is not there."""
    from pepperpy.commands._output import print_json
    from pepperpy.commands._session import run
    from pepperpy.commands.memory._service import full, open_memory

    async def read() -> "list[Entry]":
        async with open_memory(ctx, namespace) as memory:
            return [await memory.get(one, touch=False) for one in ids]

    entries = run(read())
    if as_json:
        print_json(full(entries))
        return
    for entry in entries:
        _print_entry(entry)


def export(
    ctx: typer.Context,
    where: Annotated[
        str, typer.Option(metavar="JSON", help="A condition that all of them fulfil.")
    ] = "",
    namespace: Namespace = "",
) -> None:
    """Print all entries, one JSON document a line."""
    from pepperpy.commands._output import print_line
    from pepperpy.commands._session import run
    from pepperpy.commands.memory._service import open_memory

    async def write() -> None:
        async with open_memory(ctx, namespace) as memory:
            async for entry in memory.export(where=condition_of(where)):
                print_line(entry)

    run(write())


def import_(
    ctx: typer.Context,
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="What export has printed.")
    ],
    namespace: Namespace = "",
) -> None:
    """Take over what was exported; entries that are there are replaced."""
    from pepperpy.commands._session import run
    from pepperpy.commands.memory._service import open_memory

    async def read() -> str:
        async with open_memory(ctx, namespace) as memory:
            done = await memory.import_(_entries_of(file))
            return f"imported {done.imported}, {done.expired} were expired"

    typer.echo(run(read()))


async def _entries_of(file: Path) -> "AsyncIterator[Entry]":
    """Yields the entries of an export.

    Raises:
        typer.BadParameter: A line is none.
    """
    from pepperpy_schemas.codec import decode
    from pepperpy_schemas.errors import BadPayload
    from pepperpy_schemas.memory import Entry

    with file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                yield decode(line, Entry)
            except BadPayload as error:
                raise typer.BadParameter(f"{file}:{number}: {error.message}") from None


def _print_entry(entry: "Entry") -> None:
    from pepperpy_bus.redaction import escape

    expires = f", until {entry.expires:%Y-%m-%d %H:%M:%S}" if entry.expires else ""
    source = f", from {entry.source}" if entry.source else ""
    typer.echo(escape(f"{entry.id}  version {entry.version}, by {entry.by}{source}{expires}"))
    for line in entry.text.splitlines():
        typer.echo(f"  {escape(line)}")
