"""`pepperpy shards`: who owns the shards of keyed tasks, how busy and how far behind they are."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from datetime import datetime

    from pepperpy_bus.tasks.shards import ShardView


def command(
    ctx: typer.Context,
    topic: Annotated[
        str, typer.Argument(metavar="[TOPIC]", help="Only of this topic.", show_default=False)
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the shards of keyed tasks: owner, load, lag, held keys, last move."""
    from pepperpy.commands._output import print_rows
    from pepperpy.commands._session import run

    shards, now = run(_look(ctx, topic))
    if as_json:
        print_rows([_document(one) for one in shards], as_json=True)
    elif shards:
        print_rows([_row(one, now) for one in shards], as_json=False)
    else:
        typer.echo(f"no keyed tasks{f' of {topic}' if topic else ''} so far", err=True)


async def _look(ctx: typer.Context, topic: str) -> "tuple[list[ShardView], datetime]":
    from pepperpy.commands._link import open_link
    from pepperpy_bus.streams.clock import ServerClock
    from pepperpy_bus.tasks.shards import look_at_shards
    from pepperpy_schemas.tokens import check_topic

    if topic:
        check_topic(topic)
    async with open_link(ctx) as link:
        clock = ServerClock(link.connection, link.prefix)
        await clock.sync()
        now = clock.now()
        return await look_at_shards(link.connection, link.prefix, topic=topic, now=now), now


def _row(one: "ShardView", now: "datetime") -> dict[str, Any]:
    from pepperpy_bus.units import format_duration

    age = None if one.moved is None else max(0.0, (now - one.moved).total_seconds())
    return {
        "topic": one.topic,
        "shard": one.shard,
        "owner": one.owner,
        "load": f"{one.load:.0%}",
        "lag": one.lag,
        "held": one.held,
        "moved": "" if age is None else f"{format_duration(round(age))} ago",
        "moves": one.moves,
    }


def _document(one: "ShardView") -> dict[str, Any]:
    import msgspec

    document: dict[str, Any] = msgspec.to_builtins(one)
    return document
