"""`pepperpy memory stats`: how full the memory is, and what it works with."""

from typing import TYPE_CHECKING, Any

import typer

from pepperpy.commands.memory._options import Json, Namespace

if TYPE_CHECKING:
    from pepperpy_schemas.memory_requests import Stats


def stats(ctx: typer.Context, namespace: Namespace = "", as_json: Json = False) -> None:
    """Show how full your namespaces are, and what the memory works with."""
    from pepperpy.commands._output import print_json, print_rows
    from pepperpy.commands._session import run
    from pepperpy.commands.memory._service import full, open_memory

    async def read() -> "Stats":
        async with open_memory(ctx, namespace) as memory:
            return await memory.stats()

    found = run(read())
    if as_json:
        print_json(full(found))
        return
    typer.echo(
        f"{found.store}, vectors of {found.embedder} ({found.dims}), "
        f"{found.cached} of them at hand; replica {found.replica}"
    )
    rows: list[dict[str, Any]] = [
        {
            "namespace": one.namespace,
            "entries": one.entries,
            "characters": one.characters,
            "sessions": one.sessions,
            "expired": one.expired,
            "languages": [f"{lang}:{number}" for lang, number in sorted(one.langs.items())],
        }
        for one in found.namespaces
    ]
    print_rows(rows, as_json=False)
