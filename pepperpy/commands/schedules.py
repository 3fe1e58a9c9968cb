"""`pepperpy schedules`: the tasks that the broker submits later: look, pause, remove."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pepperpy_bus.tasks.scheduled import Schedule
    from pepperpy_bus.tasks.schedules import Schedules

app = typer.Typer(
    help="List, show, pause, resume and remove the tasks that are submitted later.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Id = Annotated[str, typer.Argument(metavar="ID", help="Its id, as publish printed it.")]
Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Ids as ls shows them.")]
Topic = Annotated[str, typer.Option("--topic", help="Those of this topic.")]
All = Annotated[bool, typer.Option("--all", help="All there are.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("ls")
def list_(ctx: typer.Context, topic: Topic = "", as_json: Json = False) -> None:
    """List the schedules, the oldest first, with the time at which each fires next."""
    from pepperpy.commands._output import print_rows
    from pepperpy.commands._session import open_bus, run

    async def read() -> "list[Schedule]":
        async with open_bus(ctx) as client:
            return await client.schedules.all(topic=topic)

    print_rows([_row(one) for one in run(read())], as_json=as_json)


@app.command()
def show(ctx: typer.Context, schedule_id: Id, as_json: Json = False) -> None:
    """Show one schedule: times, headers, body."""
    from pepperpy.commands._output import cell, print_json
    from pepperpy.commands._session import open_bus, run

    async def read() -> "Schedule":
        async with open_bus(ctx) as client:
            return await client.schedules.get(schedule_id)

    found = run(read())
    about = {
        **_row(found),
        "recurring": found.recurring,
        "priority": found.priority,
        "source": found.source,
        "since": found.stored.isoformat(timespec="seconds"),
    }
    body = found.body.decode("utf-8", "replace")
    if as_json:
        print_json({**about, "headers": dict(found.headers), "body": body})
        return
    lines = [f"{name:<9} {cell(value)}" for name, value in about.items()]
    headers = [f"  {cell(name)}: {cell(value)}" for name, value in found.headers.items()]
    lines += ["", "headers", *headers] if headers else []
    typer.echo("\n".join([*lines, "", "body", f"  {cell(body)}"]))


@app.command()
def pause(
    ctx: typer.Context,
    ids: Ids = None,
    topic: Topic = "",
    every: All = False,
    as_json: Json = False,
) -> None:
    """Keep them from firing until they are resumed."""

    async def act(schedules: "Schedules", schedule_id: str) -> dict[str, Any]:
        return _row(await schedules.pause(schedule_id))

    _each(ctx, act, "paused", ids, topic, every, as_json)


@app.command()
def resume(
    ctx: typer.Context,
    ids: Ids = None,
    topic: Topic = "",
    every: All = False,
    as_json: Json = False,
) -> None:
    """Let them fire again; a single time that has passed meanwhile is now."""

    async def act(schedules: "Schedules", schedule_id: str) -> dict[str, Any]:
        return _row(await schedules.resume(schedule_id))

    _each(ctx, act, "resumed", ids, topic, every, as_json)


@app.command("rm")
def remove(
    ctx: typer.Context,
    ids: Ids = None,
    topic: Topic = "",
    every: All = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Remove them; the tasks that they have submitted already stay."""

    async def act(schedules: "Schedules", schedule_id: str) -> dict[str, Any]:
        await schedules.remove(schedule_id)
        return {"id": schedule_id}

    ask = None if yes or ids else "Remove {} schedules?"
    _each(ctx, act, "removed", ids, topic, every, as_json, ask)


def _each(
    ctx: typer.Context,
    act: "Callable[[Schedules, str], Awaitable[dict[str, Any]]]",
    done: str,
    ids: list[str] | None,
    topic: str,
    every: bool,
    as_json: bool,
    ask: str | None = None,
) -> None:
    """Does one thing to each schedule that the arguments name, and prints a line for each."""
    from pepperpy.commands._asking import agreed
    from pepperpy.commands._failure import WrongUsage
    from pepperpy.commands._output import Progress, print_line
    from pepperpy.commands._session import open_bus, run

    if bool(ids) + bool(topic) + every != 1:
        raise WrongUsage("give either ids, or --topic, or --all", ctx)

    async def work() -> None:
        async with open_bus(ctx) as client:
            wanted = ids or [one.id for one in await client.schedules.all(topic=topic)]
            if ask is not None and wanted and not agreed(ctx, ask.format(len(wanted))):
                raise typer.Abort
            progress = Progress(len(wanted), done)
            try:
                for schedule_id in wanted:
                    told = await act(client.schedules, schedule_id)
                    if as_json:
                        print_line(told)
                    else:
                        typer.echo(schedule_id)
                    progress.step()
            finally:
                progress.end()

    run(work())


def _row(one: "Schedule") -> dict[str, Any]:
    following = one.next()
    return {
        "id": one.id,
        "topic": one.topic,
        "when": one.timing.spec,
        "tz": one.timing.tz,
        "next": following and following.isoformat(timespec="seconds"),
        "paused": one.paused,
    }
