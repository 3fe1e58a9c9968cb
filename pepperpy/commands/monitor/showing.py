"""`pepperpy monitor status` and `tasks`: what the monitor sees."""

import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pepperpy_bus.monitor import Monitor
    from pepperpy_schemas.monitor import Overview, TaskPage, TaskRow
    from pepperpy_schemas.monitor_requests import MonitorStatus


@contextlib.asynccontextmanager
async def open_monitor(ctx: typer.Context) -> "AsyncIterator[Monitor]":
    """Connects to the broker with the settings in force, and gives the monitor there."""
    from pepperpy.commands._link import open_link

    async with open_link(ctx) as link:
        from pepperpy_bus.monitor import Monitor
        from pepperpy_bus.trust.principals import principal_of

        yield Monitor(
            link.connection, link.prefix, principal_of(link.connection.options.inbox_prefix)
        )


def status(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show how the monitor is, what it has seen, and how each part of the deployment is."""
    from pepperpy.commands._output import print_json
    from pepperpy.commands._session import run

    async def read() -> "tuple[MonitorStatus, Overview]":
        async with open_monitor(ctx) as monitor:
            return await monitor.status(), await monitor.overview()

    found, overview = run(read())
    if as_json:
        print_json({"status": found, "overview": overview})
    else:
        _print_status(found, overview)


def tasks(
    ctx: typer.Context,
    text: Annotated[str, typer.Argument(help="In id, topic, agent, code or message.")] = "",
    state: Annotated[
        list[str] | None, typer.Option(metavar="STATE", help="Only these; may be given again.")
    ] = None,
    topic: Annotated[str, typer.Option(metavar="TOPIC", help="Only of this topic.")] = "",
    agent: Annotated[str, typer.Option(metavar="AGENT", help="Only of this agent.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Most tasks.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Find tasks among those that the monitor keeps, the last ones first."""
    from pepperpy.commands._output import print_json, print_rows
    from pepperpy.commands._session import run

    async def read() -> "TaskPage":
        async with open_monitor(ctx) as monitor:
            return await monitor.tasks(
                text=text, state=state or [], topic=topic, agent=agent, limit=limit
            )

    page = run(read())
    if as_json:
        print_json(page)
        return
    print_rows([_task(row) for row in page.items], as_json=False)
    if page.total > len(page.items):
        typer.echo(f"{page.total - len(page.items)} more: --limit", err=True)


def _print_status(found: "MonitorStatus", overview: "Overview") -> None:
    from pepperpy.commands._output import print_rows

    counts, missed = found.counts, found.counts.missed
    said = ["leads" if found.leads else "follows", f"{counts.events:,} events"]
    said += [] if found.complete else ["reads what was stored before its start"]
    said += [f"{missed:,} messages that nobody saw"] if missed else []
    typer.echo(f"monitor {found.replica}: {', '.join(said)}")
    if found.url:
        typer.echo(f"dashboard: {found.url}")
    states = ", ".join(f"{n:,} {state}" for state, n in overview.states.items() if n)
    typer.echo(f"tasks: {states or 'none yet'}")
    rows = [
        {"part": one.name, "status": one.status, "reason": one.reason or None}
        for one in found.health
    ]
    if rows:
        typer.echo()
        print_rows(rows, as_json=False)


def _task(row: "TaskRow") -> dict[str, Any]:
    from pepperpy_bus.units import format_time

    return {
        "id": row.id,
        "topic": row.topic,
        "state": row.state,
        "agent": row.agent or None,
        "attempt": row.attempt or None,
        "submitted": row.submitted and format_time(row.submitted, timespec="seconds"),
        "attempt_ms": row.ms,
        "whole_ms": row.whole_ms,
        "code": row.code or None,
    }
