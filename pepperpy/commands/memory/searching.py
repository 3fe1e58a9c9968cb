"""`pepperpy memory search` and `similar`: what answers a question, and what is like an entry."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pepperpy.commands.memory._options import Json, Namespace, condition_of

if TYPE_CHECKING:
    from pepperpy_bus.memory import SearchOptions
    from pepperpy_schemas.memory import SearchReply

Limit = Annotated[int, typer.Option("-k", "--limit", min=1, max=1000, help="Most hits.")]
Offset = Annotated[int, typer.Option(min=0, help="Hits to pass over.")]
Explain = Annotated[bool, typer.Option("--explain", help="Say how each score came about.")]


def search(
    ctx: typer.Context,
    text: Annotated[str, typer.Argument(help="The question.")],
    mode: Annotated[
        Literal["hybrid", "semantic", "text"],
        typer.Option(help="By meaning and words, or by one of both."),
    ] = "hybrid",
    feedback: Annotated[
        int, typer.Option(min=0, max=10, help="Best hits whose likes are looked for, too.")
    ] = 0,
    session: Annotated[str, typer.Option(metavar="NAME", help="The conversation.")] = "",
    agent: Annotated[str, typer.Option(metavar="NAME", help="The agent.")] = "",
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
        "feedback": feedback,
        "session": session,
        "agent": agent,
        "neighbours": Neighbours() if neighbours else None,
        "recency": Recency() if recent else None,
        "where": condition_of(where),
        "limit": limit,
        "offset": offset,
        "explain": explain,
    }
    _search(ctx, namespace, text, "", options, as_json=as_json)


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


def _search(
    ctx: typer.Context,
    namespace: str,
    text: str,
    like: str,
    options: "SearchOptions",
    *,
    as_json: bool,
) -> None:
    from pepperpy.commands._session import run
    from pepperpy.commands.memory._service import open_memory, show_hits

    async def ask() -> "SearchReply":
        async with open_memory(ctx, namespace) as memory:
            if like:
                return await memory.similar(like, **options)
            return await memory.search(text, **options)

    show_hits(run(ask()), as_json=as_json, explain=options.get("explain", False))
