"""`pepperpy trace`: a task with everything that it set off, as a tree of spans."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pepperpy_bus.client import Client
    from pepperpy_bus.tracing.spans import Trace


def command(
    ctx: typer.Context,
    task_id: Annotated[str, typer.Argument(metavar="ID", help="The task.", show_default=False)],
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Show it while it runs, until all has ended.")
    ] = False,
    otlp: Annotated[
        str,
        typer.Option(
            "--otlp", metavar="URL", help="Send it to a receiver of OTLP: http://127.0.0.1:4318."
        ),
    ] = "",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON; with --follow a line per change.")
    ] = False,
) -> None:
    """Show a task's trace: attempts, steps, calls of models, memory and tools, children.

    It is put together of what the broker still has, from the first task of the family down. A
    trace whose sender asked that it be not recorded is shown, and not sent.
    """
    from pepperpy.commands._session import run

    run(_show(ctx, task_id, follow=follow, otlp=otlp, as_json=as_json))


async def _show(
    ctx: typer.Context, task_id: str, *, follow: bool, otlp: str, as_json: bool
) -> None:
    from pepperpy.commands._output import print_json
    from pepperpy.commands._session import open_bus
    from pepperpy_bus.tracing.reading import read_trace

    async with open_bus(ctx) as client:
        if follow:
            trace = await _follow(client, task_id, as_json=as_json)
        else:
            trace = await read_trace(client, task_id)
            if as_json:
                print_json(trace)
    if not as_json:
        _print(trace)
    if otlp:
        await _send(trace, otlp)


async def _follow(client: "Client", task_id: str, *, as_json: bool) -> "Trace":
    """Shows a trace as it grows; returns it whole."""
    import contextlib

    from pepperpy.commands._output import is_live, print_line
    from pepperpy.commands._screen import screen
    from pepperpy.commands._trace_lines import lines
    from pepperpy_bus.tracing.reading import follow_trace

    trace: Trace | None = None
    live = is_live() and not as_json
    with screen() if live else contextlib.nullcontext() as draw:
        async for trace in follow_trace(client, task_id):
            if as_json:
                print_line(trace)
            elif draw is not None:
                draw(lines(trace))
    assert trace is not None
    return trace


def _print(trace: "Trace") -> None:
    from pepperpy.commands._output import is_live
    from pepperpy.commands._trace_lines import lines

    typer.echo("\n".join(lines(trace)), color=is_live())


async def _send(trace: "Trace", url: str) -> None:
    import logging

    from pepperpy.commands._failure import say
    from pepperpy_bus.tracing.otlp import send

    # Each of its tries would be told; what became of all of them is told below.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    sent = await send(url, trace.spans)
    say(f"sent {sent} of {len(trace.spans)} spans to {url}")
