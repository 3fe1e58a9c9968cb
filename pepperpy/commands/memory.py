"""`pepperpy memory`: what is remembered, found and taken in; and running the service."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

if TYPE_CHECKING:
    from pepperpy_bus.memory import SearchOptions
    from pepperpy_schemas.memory import Entry, SearchReply
    from pepperpy_schemas.memory_requests import Stats

app = typer.Typer(
    help="Remember, find and take in texts; show how full the memory is; run its service.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Namespace = Annotated[
    str, typer.Option("-n", "--namespace", metavar="NAME", help="Which of yours; the first.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Limit = Annotated[int, typer.Option("-k", "--limit", min=1, max=1000, help="Most hits.")]
Offset = Annotated[int, typer.Option(min=0, help="Hits to pass over.")]
Explain = Annotated[bool, typer.Option("--explain", help="Say how each score came about.")]
Session = Annotated[str, typer.Option(metavar="NAME", help="The conversation.")]
Agent = Annotated[str, typer.Option(metavar="NAME", help="The agent.")]


@app.command()
def put(
    ctx: typer.Context,
    text: Annotated[str, typer.Argument(help="What to remember; - reads it from stdin.")],
    id_: Annotated[str | None, typer.Option("--id", help="Its id; a new one.")] = None,
    scope: Annotated[
        Literal["session", "agent", "global"], typer.Option(help="For whom it is.")
    ] = "global",
    session: Session = "",
    agent: Agent = "",
    term: Annotated[
        Literal["short", "medium", "long"], typer.Option(help="How long it is meant to last.")
    ] = "long",
    ttl: Annotated[str | None, typer.Option(help="Until it is forgotten, as in 10m.")] = None,
    importance: Annotated[float, typer.Option(min=0, max=1, help="How important it is.")] = 0.5,
    metadata: Annotated[
        list[str] | None, typer.Option("-m", "--meta", metavar="NAME=VALUE", help="For filters.")
    ] = None,
    source: Annotated[str, typer.Option(help="Where it is from.")] = "",
    namespace: Namespace = "",
    as_json: Json = False,
) -> None:
    """Remember a text, and print its id."""
    import sys

    from pepperpy.commands._memory import full, open_memory
    from pepperpy.commands._output import print_json
    from pepperpy.commands._session import run
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
                metadata=_metadata(metadata or []),
                source=source,
            )

    entry = run(remember())
    if as_json:
        print_json(full(entry))
    else:
        typer.echo(entry.id)


@app.command()
def get(
    ctx: typer.Context,
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="The ids.")],
    namespace: Namespace = "",
    as_json: Json = False,
) -> None:
    """Show entries by their ids; it is an error when one is not there."""
    from pepperpy.commands._memory import full, open_memory
    from pepperpy.commands._output import print_json
    from pepperpy.commands._session import run

    async def read() -> "list[Entry]":
        async with open_memory(ctx, namespace) as memory:
            return [await memory.get(one, touch=False) for one in ids]

    entries = run(read())
    if as_json:
        print_json(full(entries))
        return
    for entry in entries:
        _print_entry(entry)


@app.command()
def search(
    ctx: typer.Context,
    text: Annotated[str, typer.Argument(help="The question.")],
    mode: Annotated[
        Literal["hybrid", "semantic", "text"],
        typer.Option(help="By meaning and words, or by one of both."),
    ] = "hybrid",
    session: Session = "",
    agent: Agent = "",
    neighbours: Annotated[
        bool, typer.Option("--neighbours", help="Let neighbours in a conversation count.")
    ] = False,
    recent: Annotated[
        bool, typer.Option("--recent", help="Let what happened lately count more.")
    ] = False,
    where: Annotated[
        str, typer.Option(metavar="JSON", help="A condition that every hit fulfils.")
    ] = "",
    limit: Limit = 10,
    offset: Offset = 0,
    explain: Explain = False,
    namespace: Namespace = "",
    as_json: Json = False,
) -> None:
    """Find what answers a question, the best first, with the words that were found."""
    from pepperpy_schemas.memory import Neighbours, Recency

    options: SearchOptions = {
        "mode": mode,
        "session": session,
        "agent": agent,
        "neighbours": Neighbours() if neighbours else None,
        "recency": Recency() if recent else None,
        "where": _condition(where),
        "limit": limit,
        "offset": offset,
        "explain": explain,
    }
    _search(ctx, namespace, text, "", options, as_json=as_json)


@app.command()
def similar(
    ctx: typer.Context,
    id_: Annotated[str, typer.Argument(metavar="ID", help="The entry.")],
    limit: Limit = 10,
    offset: Offset = 0,
    explain: Explain = False,
    namespace: Namespace = "",
    as_json: Json = False,
) -> None:
    """Find what is like an entry."""
    options: SearchOptions = {"limit": limit, "offset": offset, "explain": explain}
    _search(ctx, namespace, "", id_, options, as_json=as_json)


@app.command()
def stats(ctx: typer.Context, namespace: Namespace = "", as_json: Json = False) -> None:
    """Show how full your namespaces are, and what the memory works with."""
    from pepperpy.commands._memory import full, open_memory
    from pepperpy.commands._output import print_json, print_rows
    from pepperpy.commands._session import run

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


@app.command()
def ingest(
    ctx: typer.Context,
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", exists=True, help="Files and folders.")
    ],
    namespace: Namespace = "",
    as_json: Json = False,
) -> None:
    """Take in text files, in passages that know their file and lines.

    The same again changes nothing; what is gone from a file is forgotten.
    """
    from pepperpy.commands._ingesting import Ingested
    from pepperpy.commands._ingesting import ingest as take_in
    from pepperpy.commands._memory import full, open_memory
    from pepperpy.commands._output import print_json
    from pepperpy.commands._session import run

    async def work() -> Ingested:
        async with open_memory(ctx, namespace) as memory:
            return await take_in(memory, paths)

    done = run(work())
    if as_json:
        print_json(full(done))
        return
    typer.echo(
        f"{done.files} files, {done.passages} passages: {done.new} new, {done.removed} removed"
    )


@app.command()
def export(
    ctx: typer.Context,
    where: Annotated[
        str, typer.Option(metavar="JSON", help="A condition that all of them fulfil.")
    ] = "",
    namespace: Namespace = "",
) -> None:
    """Print all entries, one JSON document a line."""
    from pepperpy.commands._memory import open_memory
    from pepperpy.commands._output import print_line
    from pepperpy.commands._session import run

    async def write() -> None:
        async with open_memory(ctx, namespace) as memory:
            async for entry in memory.export(where=_condition(where)):
                print_line(entry)

    run(write())


@app.command("import")
def import_(
    ctx: typer.Context,
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="What export has printed.")
    ],
    namespace: Namespace = "",
) -> None:
    """Take over what was exported; entries that are there are replaced."""
    from pepperpy.commands._ingesting import entries_of
    from pepperpy.commands._memory import open_memory
    from pepperpy.commands._session import run

    async def read() -> str:
        async with open_memory(ctx, namespace) as memory:
            done = await memory.import_(entries_of(file))
            return f"imported {done.imported}, {done.expired} were expired"

    typer.echo(run(read()))


@app.command()
def reindex(
    ctx: typer.Context,
    embedder: Annotated[
        str, typer.Argument(help="e5, hashing, sentence-transformers:FOLDER, provider:MODEL.")
    ],
) -> None:
    """Make all vectors anew by another embedder; searches go on with the old ones meanwhile.

    It is the operator's to do where there are several namespaces. Stopped in the middle, it goes on
    where it was; an embedder that was in use before is gone back to.
    """
    from pepperpy.commands._memory import open_memory
    from pepperpy.commands._output import Progress
    from pepperpy.commands._session import run

    async def work() -> str:
        name = ""
        progress: Progress | None = None
        async with open_memory(ctx, "") as memory:
            async for item in memory.reindex(embedder):
                name = item.embedder
                progress = progress or Progress(item.entries, "embedded")
                while progress.done < item.done:
                    progress.step()
        if progress is not None:
            progress.end()
        return f"vectors of {name} are searched now"

    typer.echo(run(work()))


@app.command("run")
def run_(
    ctx: typer.Context,
    url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="memory://, embedded:FOLDER or postgresql://…"),
    ] = None,
    embedder: Annotated[
        str | None, typer.Option(metavar="NAME", help="What makes vectors. [default: e5]")
    ] = None,
    declaration: Annotated[
        Path | None, typer.Option(metavar="FILE", help="TOML file of namespaces.")
    ] = None,
    health_port: Annotated[
        int | None,
        typer.Option("--health-port", min=0, max=65_535, help="Serve /livez and /readyz there."),
    ] = None,
) -> None:
    """Serve the memory to everybody on the bus; replicas share the requests.

    SIGTERM or Ctrl-C finishes the running requests and exits 0; a second one ends at once. SIGHUP
    reads the settings and the declaration again.
    """
    from functools import partial

    from pepperpy.commands._failure import say
    from pepperpy.commands._session import options_of
    from pepperpy_bus.config import load
    from pepperpy_bus.config.reload import Reloader
    from pepperpy_bus.logs import configure
    from pepperpy_memory_svc.serve import run

    options = options_of(ctx)
    flags = options.flags() | {
        "memory.url": url,
        "memory.embedder": embedder,
        "memory.declaration": None if declaration is None else str(declaration),
        "worker.health_port": health_port,
    }
    again = partial(load, flags=flags, config=options.config, context=options.context)
    loaded = again()
    for warning in loaded.warnings:
        say(f"warning: {warning}")
    configure(loaded.settings.log.level, loaded.settings.log.format)
    run(Reloader(loaded, again))


def _search(
    ctx: typer.Context,
    namespace: str,
    text: str,
    like: str,
    options: "SearchOptions",
    *,
    as_json: bool,
) -> None:
    from pepperpy.commands._memory import open_memory, show_hits
    from pepperpy.commands._session import run

    async def ask() -> "SearchReply":
        async with open_memory(ctx, namespace) as memory:
            if like:
                return await memory.similar(like, **options)
            return await memory.search(text, **options)

    show_hits(run(ask()), as_json=as_json, explain=options.get("explain", False))


def _metadata(pairs: list[str]) -> dict[str, Any]:
    """Named values; what is JSON is taken as that, anything else as text."""
    import msgspec

    values: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not name or not equals:
            raise typer.BadParameter(f"{pair!r}: write NAME=VALUE")
        try:
            values[name] = msgspec.json.decode(text)
        except msgspec.DecodeError:
            values[name] = text
    return values


def _condition(text: str) -> dict[str, Any] | None:
    import msgspec

    if not text:
        return None
    try:
        return cast("dict[str, Any]", msgspec.json.decode(text, type=dict))
    except msgspec.DecodeError:
        raise typer.BadParameter(
            f'{text!r}: write a condition such as {{"op": "eq", "field": "source", "value": "a"}}'
        ) from None


def _print_entry(entry: "Entry") -> None:
    from pepperpy_bus.redaction import escape

    expires = f", until {entry.expires:%Y-%m-%d %H:%M:%S}" if entry.expires else ""
    source = f", from {entry.source}" if entry.source else ""
    typer.echo(escape(f"{entry.id}  version {entry.version}, by {entry.by}{source}{expires}"))
    for line in entry.text.splitlines():
        typer.echo(f"  {escape(line)}")
