"""`pepperpy shadow`: feeds live inputs to another version of an agent, and compares the outputs."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pepperpy_agents.shadowing.comparison import Comparison, Summary
    from pepperpy_bus.config import Settings

WIDEST = 60
"""Characters of a value that a line shows."""

_COLOURS = {
    "equal": typer.colors.GREEN,
    "different": typer.colors.RED,
    "diverged": typer.colors.YELLOW,
    "skipped": typer.colors.BRIGHT_BLACK,
}


def command(
    ctx: typer.Context,
    topic: Annotated[str, typer.Argument(metavar="TOPIC", help="Whose tasks to look at.")],
    agent: Annotated[
        str,
        typer.Option(
            "--agent", metavar="AGENT", help="The other version: module:agent or file.py:agent."
        ),
    ],
    sample: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="The share of the tasks to look at: 0.1.")
    ] = 1.0,
    count: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="End after so many tasks.")
    ] = None,
    timeout: Annotated[
        str | None,
        typer.Option(metavar="DURATION", help="What a task may take; the agent's by default."),
    ] = None,
    run_steps: Annotated[
        bool,
        typer.Option("--run-steps", help="Do the steps that the live task did not: with effects."),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a task, and the summary.")
    ] = False,
) -> None:
    """Run another version of an agent beside the live one, and compare what they return.

    It publishes nothing: its steps, children and questions come to what the live task's came to.
    The exit code is 1 when any task was different.
    """
    from pepperpy.commands._ends import duration
    from pepperpy.commands._failure import say
    from pepperpy.commands._session import run
    from pepperpy_agents.loading import load_agent

    limit = duration(timeout, "--timeout")
    other = load_agent(agent)
    settings = _settings(ctx)
    told: list[Summary] = []

    async def compare() -> None:
        from pepperpy.commands._session import say_when_away, source
        from pepperpy_agents.shadowing.shadow import Shadow
        from pepperpy_bus.opening import connect

        async with (
            connect(settings=settings, source=source()) as client,
            Shadow(
                client, other, topic, sample=sample, timeout=limit, does_steps=run_steps
            ) as shadow,
        ):
            say_when_away(client)
            say(f"listening to the tasks of {topic}; Ctrl-C ends it")
            seen = 0
            try:
                while count is None or seen < count:
                    _show(await shadow.next(), as_json)
                    seen += 1
            finally:
                told.append(shadow.summary())

    try:
        run(compare())
    finally:
        for summary in told:
            _sum_up(summary, as_json)
    if not told[0].ok:
        raise typer.Exit(1)


def _settings(ctx: typer.Context) -> "Settings":
    from pepperpy.commands._failure import say
    from pepperpy.commands._login import login_beside
    from pepperpy.commands._session import options_of, start
    from pepperpy_bus.config import load

    loaded, options = start(ctx), options_of(ctx)
    if login := login_beside(loaded):
        say(f"the local stack's worker login is used: --context {login}")
        loaded = load(flags=options.flags(), config=options.config, context=login)
    return loaded.settings


def _show(one: "Comparison", as_json: bool) -> None:
    from pepperpy.commands._output import is_live, print_line
    from pepperpy_bus.redaction import escape

    if as_json:
        print_line({"task": one, "ratio": one.ratio})
        return
    verdict = typer.style(f"{one.verdict:<9}", fg=_COLOURS[one.verdict])
    times = f"{_ms(one.live_ms)} {_ms(one.shadow_ms)}"
    line = f"{verdict}  {escape(one.task_id) or '-':<22} {times}  {escape(one.reason)}".rstrip()
    typer.echo(line, color=is_live())
    for place in one.differences:
        live, shadow = _value(place.live), _value(place.shadow)
        if place.only:
            what = f"only {place.only} has it: {live if place.only == 'live' else shadow}"
        else:
            what = f"{live} → {shadow}"
        typer.echo(f"           {escape(place.path)}: {what}", color=is_live())


def _sum_up(summary: "Summary", as_json: bool) -> None:
    from pepperpy.commands._output import is_live, print_line

    if as_json:
        print_line({"summary": summary})
        return
    counts = {
        "equal": summary.equal,
        "different": summary.different,
        "diverged": summary.diverged,
        "skipped": summary.skipped,
        "missed": summary.missed,
    }
    parts = [f"{number} {name}" for name, number in counts.items() if number or name == "equal"]
    if summary.live_p50_ms is not None and summary.shadow_p50_ms is not None:
        parts.append(f"median {_ms(summary.live_p50_ms).strip()} live")
        parts.append(f"{_ms(summary.shadow_p50_ms).strip()} shadow")
    typer.echo(typer.style(", ".join(parts), bold=True), color=is_live())


def _ms(value: float | None) -> str:
    return f"{'-':>10}" if value is None else f"{value:>7.1f} ms"


def _value(value: Any) -> str:
    from pepperpy.commands._output import json_text

    text = json_text(value)
    return text if len(text) <= WIDEST else text[: WIDEST - 1] + "…"
