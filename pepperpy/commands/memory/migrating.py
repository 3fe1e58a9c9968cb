"""`pepperpy memory migrate`: the tables in PostgreSQL, up and down by numbered steps."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pepperpy.commands.memory._options import Json

if TYPE_CHECKING:
    from pepperpy_memory_svc.stores.postgres import Plan, Status
    from pepperpy_memory_svc.stores.postgres.steps import Direction

app = typer.Typer(
    help="Bring the memory's tables in PostgreSQL to another version; show which one they have.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Url = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="postgresql://… or embedded:FOLDER of a stopped one. [default: PEPPERPY_MEMORY_URL]",
    ),
]
To = Annotated[int | None, typer.Option(metavar="N", min=0, help="The last step afterwards.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]


@app.command()
def status(ctx: typer.Context, url: Url = None, as_json: Json = False) -> None:
    """Show which steps are made and which are to come; change nothing."""
    from pepperpy.commands._output import print_json, print_rows
    from pepperpy.commands._session import run

    async def read() -> "Status":
        async with _postgres(ctx, url) as server:
            from pepperpy_memory_svc.stores.postgres import migration_status

            return await migration_status(server)

    found = run(read())
    rows = _all_steps(found)
    if as_json:
        print_json({"version": found.version, "newest": found.newest, "steps": rows})
        return
    print_rows(rows, as_json=False)
    typer.echo(_said(found), err=True)


@app.command()
def up(
    ctx: typer.Context,
    to: To = None,
    url: Url = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Make the steps that are to come, or those up to a number; each whole or not at all.

    A service makes them by itself when it starts; services of the version before go on meanwhile.
    """
    from pepperpy.commands._session import run

    async def work() -> "Plan":
        async with _postgres(ctx, url) as server:
            from pepperpy_memory_svc.stores.postgres import migrate_up, migration_plan

            plan = await migration_plan(server, "up", to=to)
            if not dry_run and plan.steps:
                await migrate_up(server, to=plan.to)
            return plan

    _show(run(work()), "up", dry_run=dry_run, as_json=as_json)


@app.command()
def down(
    ctx: typer.Context,
    to: To = None,
    url: Url = None,
    dry_run: DryRun = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask whether the data may be lost.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Take the last step back, or all above a number; what only they had is lost.

    Stop the services before: one that starts makes the steps again.
    """
    from pepperpy.commands._session import run

    async def work() -> "Plan":
        async with _postgres(ctx, url) as server:
            from pepperpy_memory_svc.stores.postgres import migrate_down, migration_plan

            plan = await migration_plan(server, "down", to=to)
            if not dry_run and plan.steps:
                if plan.lost and not yes:
                    _ask(plan)
                await migrate_down(server, to=plan.to)
            return plan

    _show(run(work()), "down", dry_run=dry_run, as_json=as_json)


@asynccontextmanager
async def _postgres(ctx: typer.Context, url: str | None) -> AsyncIterator[str]:
    """Yields the server's URL; one of our own is started for the time."""
    from pepperpy.commands._failure import WrongUsage
    from pepperpy.commands._session import start
    from pepperpy_memory_svc.stores.opening import needed, postgres_at

    address = url or start(ctx).settings.memory.url.get_secret_value()
    if not address:
        raise WrongUsage("which tables? give --url, or set PEPPERPY_MEMORY_URL", ctx)
    with needed("postgresql"):
        import asyncpg  # type: ignore[import-untyped]  # noqa: F401 - all below stands on it
    async with postgres_at(address, new=False) as server:
        yield server


def _all_steps(found: "Status") -> list[dict[str, Any]]:
    from pepperpy_memory_svc.stores.postgres.steps import migrations

    return [
        {
            "step": one.number,
            "name": one.name,
            "made": one.number <= found.version,
            "about": one.about("up"),
        }
        for one in migrations()
    ]


def _said(found: "Status") -> str:
    if found.pending:
        return f"version {found.version} of {found.newest}: pepperpy memory migrate up"
    if found.version > found.newest:
        return f"version {found.version} is of a newer PepperPy; this one knows {found.newest}"
    return f"version {found.version}, the newest"


def _lost(plan: "Plan") -> str:
    lost = plan.lost.items()
    return ", ".join(f"{rows} row{'s' * (rows != 1)} of {table}" for table, rows in lost)


def _ask(plan: "Plan") -> None:
    """Asks whether data may be lost; where nobody sits at a terminal, they may not.

    Raises:
        Abort: They may not.
        Exit: Nobody is there to be asked (code 1).
    """
    from pepperpy.commands._failure import FAILED, say

    for step in plan.steps:
        typer.echo(f"{step.number} {step.name}: {step.about('down')}", err=True)
    if not sys.stdin.isatty():
        say(f"error: {_lost(plan)} would be lost")
        say("  hint: say with --yes that they may be")
        raise typer.Exit(FAILED)
    typer.confirm(f"Lose {_lost(plan)}?", abort=True, err=True)


def _show(plan: "Plan", direction: "Direction", *, dry_run: bool, as_json: bool) -> None:
    from pepperpy.commands._output import print_json, print_rows

    steps = [
        {"step": one.number, "name": one.name, "about": one.about(direction)} for one in plan.steps
    ]
    if as_json:
        print_json(
            {
                "version": plan.version if dry_run else plan.to,
                "before": plan.version,
                "to": plan.to,
                "dry_run": dry_run,
                "lost": plan.lost,
                "steps": steps,
            }
        )
        return
    print_rows(steps, as_json=False)
    if not steps:
        typer.echo(f"version {plan.version}: nothing to do", err=True)
        return
    verb, lose = ("would become", "lose") if dry_run else ("became", "lost")
    lost = f" and {lose} {_lost(plan)}" if plan.lost else ""
    typer.echo(f"version {plan.version} {verb} {plan.to}{lost}", err=True)
