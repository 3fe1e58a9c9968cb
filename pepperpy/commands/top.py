"""`pepperpy top`: topics, queues and instances, live."""

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pepperpy_bus.figures import Figures


def command(
    ctx: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="Look once and end.")] = False,
    interval: Annotated[
        str, typer.Option(metavar="DURATION", help="Between two looks; rates are over it.")
    ] = "2s",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per look, as in a pipe.")
    ] = False,
) -> None:
    """Watch topics, queues and instances; Ctrl-C ends.

    Done per second counts what workers settled, whatever their language. Failed are the dead
    letters that are there.
    """
    from pepperpy.commands._ends import duration
    from pepperpy.commands._output import is_live
    from pepperpy.commands._session import run

    seconds = duration(interval, "--interval") or 0.1
    if once:
        run(_look_once(ctx, min(seconds, 1.0), as_json=as_json))
    elif as_json or not is_live():
        run(_stream(ctx, seconds))
    else:
        run(_screen(ctx, seconds))


async def _look_once(ctx: typer.Context, seconds: float, *, as_json: bool) -> None:
    from pepperpy.commands._output import print_json
    from pepperpy.commands._session import open_bus
    from pepperpy_bus.figures import Looker

    async with open_bus(ctx) as client:
        looker = Looker(client)
        await looker.look()
        await asyncio.sleep(seconds)  # a rate needs two looks
        figures = await looker.look()
    if as_json:
        print_json(as_document(figures))
    else:
        typer.echo("\n".join(page(figures, colour=False)))


async def _stream(ctx: typer.Context, seconds: float) -> None:
    from pepperpy.commands._output import print_line
    from pepperpy.commands._session import open_bus, say_when_away
    from pepperpy_bus.figures import Looker

    async with open_bus(ctx) as client:
        say_when_away(client)
        looker = Looker(client)
        while True:
            figures = await _patiently(looker.look)
            if figures is not None:
                print_line(as_document(figures))
            await asyncio.sleep(seconds)


async def _screen(ctx: typer.Context, seconds: float) -> None:
    from pepperpy.commands._screen import screen
    from pepperpy.commands._session import open_bus
    from pepperpy_bus.figures import Looker

    async with open_bus(ctx) as client:
        looker = Looker(client)
        lines: list[str] = []
        with screen() as draw:
            while True:
                figures = await _patiently(looker.look)
                if figures is not None:
                    lines = page(figures, colour=True)
                away = [] if figures else ["", "the broker is away: waiting for it"]
                draw([*lines, *away])
                await asyncio.sleep(seconds)


async def _patiently(look: Any) -> "Figures | None":
    """The figures, or None while the broker is away: this command outlives a restart."""
    from pepperpy_schemas.errors import Unavailable, Unreachable

    try:
        figures: Figures = await look()
    except (Unavailable, Unreachable):
        return None
    return figures


def as_document(figures: "Figures") -> dict[str, Any]:
    """Returns the figures as one JSON object."""
    import msgspec

    from pepperpy.commands._lines import as_document as event_document

    document: dict[str, Any] = msgspec.structs.asdict(figures)
    return {**document, "events": [event_document(one) for one in figures.events]}


def page(figures: "Figures", *, colour: bool) -> list[str]:
    """Returns the figures as lines for people."""
    import msgspec

    from pepperpy.commands._lines import as_line
    from pepperpy.commands._output import table

    clock = figures.at.astimezone().strftime("%H:%M:%S")
    topics = table([_topic_row(msgspec.structs.asdict(one)) for one in figures.topics])
    instances = table([_instance_row(one) for one in figures.instances])
    events = [as_line(one, colour=colour) for one in figures.events]
    lines = [
        f"pepperpy top  {figures.server}  {clock}",
        "",
        *(topics or ["no topics yet"]),
        "",
        *(instances or ["no instances are up"]),
        *(["", *events] if events else []),
    ]
    if figures.denied:
        lines += ["", f"this user may not read: {', '.join(figures.denied)}"]
    return [
        typer.style(line, bold=True) if colour and n == 0 else line for n, line in enumerate(lines)
    ]


def _topic_row(figures: dict[str, Any]) -> dict[str, Any]:
    from pepperpy_bus.units import format_duration

    oldest = figures.pop("oldest_s")
    figures["done/s"] = figures.pop("done_per_s")
    return {**figures, "oldest": "" if oldest is None else format_duration(round(oldest, 1))}


def _instance_row(one: Any) -> dict[str, Any]:
    load = one.load
    return {
        "agent": one.agent,
        "version": one.version,
        "instance": one.instance,
        "state": one.state,
        "tasks": f"{load.in_flight}/{load.slots}",
        "done": load.done,
        "failed": load.failed,
        "cpu_%": load.cpu_percent,
        "rss_MB": round(load.rss_bytes / 1e6, 1),
        "lag_ms": load.loop_lag_ms,
        "host": one.host,
        "pid": one.pid,
    }
