"""The memory of the deployment, for commands that use it, and how hits are shown."""

import contextlib
import os
import re
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Final

import typer

from pepperpy.commands._link import open_link

if TYPE_CHECKING:
    from pepperpy_bus.memory import Memory
    from pepperpy_schemas.memory import Entry, Hit, SearchReply

_FOUND: Final = re.compile(r"\*\*(.+?)\*\*", re.DOTALL)
_BOLD: Final = "\x1b[1;33m"
_PLAIN: Final = "\x1b[0m"


@contextlib.asynccontextmanager
async def open_memory(ctx: typer.Context, namespace: str) -> "AsyncIterator[Memory]":
    """Connects to the broker with the settings in force, and gives the memory there."""
    async with open_link(ctx) as link:
        from pepperpy_bus.memory import Memory
        from pepperpy_bus.trust.principals import principal_of

        yield Memory(
            link.connection,
            link.prefix,
            principal_of(link.connection.options.inbox_prefix),
            threshold=link.settings.bus.blob_threshold,
            namespace=namespace,
        )


def show_hits(reply: "SearchReply", *, as_json: bool, explain: bool) -> None:
    """Prints what was found: a document, or a paragraph for each hit."""
    from pepperpy.commands._output import is_live, print_json

    if as_json:
        print_json(full(reply))
        return
    colour = is_live() and "NO_COLOR" not in os.environ
    for place, hit in enumerate(reply.hits, start=1):
        for line in _lines(place, hit, explain=explain, colour=colour):
            typer.echo(line, color=colour or None)
    if reply.more:
        typer.echo("there are more: --offset, --limit", err=True)
    elif not reply.hits:
        typer.echo("nothing was found", err=True)


def full(value: Any) -> Any:
    """Returns a value with every field, those with their default too: scripts look them up."""
    import msgspec

    if isinstance(value, msgspec.Struct):
        return {name: full(each) for name, each in msgspec.structs.asdict(value).items()}
    return [full(one) for one in value] if isinstance(value, list) else value


def _lines(place: int, hit: "Hit", *, explain: bool, colour: bool) -> list[str]:
    lines = [f"{place:>3}  {hit.score:.3f}  {_where(hit.entry)}"]
    lines += [f"     {line}" for line in _marked(hit.snippet, colour=colour).splitlines()]
    if explain:
        lines.append(f"     {_explained(hit.parts)}")
    return lines


def _where(entry: "Entry") -> str:
    from pepperpy_bus.redaction import escape

    return escape(f"{entry.source}  {entry.id}" if entry.source else entry.id)


def _marked(snippet: str, *, colour: bool) -> str:
    """A snippet for the eye; only the lines in it are its own."""
    from pepperpy_bus.redaction import escape

    text = "\n".join(escape(line) for line in snippet.splitlines())
    return _FOUND.sub(rf"{_BOLD}\1{_PLAIN}", text) if colour else text


def _explained(parts: dict[str, float]) -> str:
    added = [
        f"{name} {value:.3f}" + (f" ({parts[raw]:.3f})" if (raw := f"{name}_raw") in parts else "")
        for name, value in parts.items()
        if not name.endswith("_raw")
    ]
    return " + ".join(added)
