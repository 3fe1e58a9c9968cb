"""`pepperpy resources`: what is shared out in shares, who holds them, and who waits."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from datetime import datetime

    from pepperpy.commands._link import Link
    from pepperpy_bus.state.resources import Resources
    from pepperpy_schemas.shared import Resource

app = typer.Typer(
    help="List, define and remove resources: who holds them, and who waits.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The resource's name.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("ls")
def list_(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """List every resource: capacity, what is held and by whom, who waits."""
    from pepperpy.commands._link import open_link
    from pepperpy.commands._output import print_json, print_rows
    from pepperpy.commands._session import run

    async def read() -> "tuple[dict[str, Resource], datetime]":
        async with open_link(ctx) as link:
            resources = _resources(link)
            return await resources.ls(), resources.clock.now()

    found, now = run(read())
    if as_json:
        print_json([_document(name, one) for name, one in found.items()])
    elif found:
        print_rows([_row(name, one, now) for name, one in found.items()], as_json=False)
    else:
        typer.echo("no resource is defined", err=True)


@app.command()
def define(
    ctx: typer.Context,
    name: NameArgument,
    capacity: Annotated[int, typer.Option(metavar="N", min=1, help="How much there is.")],
    as_json: JsonOption = False,
) -> None:
    """Say how much there is of a resource, or that it is more or less from now on."""
    from pepperpy.commands._link import open_link
    from pepperpy.commands._output import print_json
    from pepperpy.commands._session import run

    async def write() -> "Resource":
        async with open_link(ctx) as link:
            resources = _resources(link)
            async with link.audit.act("resource-define", name, capacity=capacity):
                await resources.define(name, capacity=capacity)
            return await resources.get(name)

    one = run(write())
    if as_json:
        print_json(_document(name, one))
    else:
        typer.echo(f"{name}: {one.used} of {one.capacity} held")


@app.command()
def rm(
    ctx: typer.Context,
    name: NameArgument,
    force: Annotated[
        bool, typer.Option("--force", help="Even when it is held: its holders lose it.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove a resource that nobody holds."""
    from pepperpy.commands._failure import say
    from pepperpy.commands._link import open_link
    from pepperpy.commands._output import print_json
    from pepperpy.commands._session import run

    async def remove() -> "Resource":
        async with open_link(ctx) as link:
            resources = _resources(link)
            one = await resources.get(name)
            if force or not one.held:
                async with link.audit.act("resource-remove", name):
                    await resources.remove(name)
            return one

    one = run(remove())
    if one.held and not force:
        holders = ", ".join(grant.holder or grant.id for grant in one.held)
        say(f"error: {name} is held by {holders}")
        say("  hint: wait until it is free, or add --force")
        raise typer.Exit(1)
    if as_json:
        print_json(_document(name, one))
    else:
        typer.echo(f"{name} removed")


def _resources(link: "Link") -> "Resources":
    from pepperpy_bus.state.cells import Cells
    from pepperpy_bus.state.resources import Resources
    from pepperpy_bus.streams.clock import ServerClock

    clock = ServerClock(link.connection, link.prefix)
    return Resources(Cells(link.connection, link.prefix), clock)


def _row(name: str, one: "Resource", now: "datetime") -> dict[str, Any]:
    from pepperpy_bus.units import format_duration

    held = [f"{grant.holder or grant.id}:{grant.n}" for grant in one.held]
    longest = max(((now - each.since).total_seconds() for each in one.waiting), default=None)
    return {
        "resource": name,
        "capacity": one.capacity,
        "held": one.used,
        "waiting": len(one.waiting),
        "longest": "" if longest is None else format_duration(float(max(0, round(longest)))),
        "holders": held,
    }


def _document(name: str, one: "Resource") -> dict[str, Any]:
    import msgspec

    document: dict[str, Any] = msgspec.to_builtins(one)
    shares = {"held": [], "waiting": [], **document}
    return {"name": name, "used": one.used, **shares}
