"""`pepperpy agents split` and `made`: what each version gets, and how its making went."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pepperpy_bus.creations import Creations
    from pepperpy_bus.versions.look import VersionView


def split(
    ctx: typer.Context,
    topic: Annotated[str, typer.Argument(metavar="TOPIC", help="The topic.", show_default=False)],
    weights: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[VERSION=WEIGHT]...",
            help="What each version gets; one that is not named gets nothing more.",
            show_default=False,
        ),
    ] = None,
    off: Annotated[
        bool, typer.Option("--off", help="End the split: whichever worker is free.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the versions of a topic, or give each a part of its tasks: 1.0.0=90 1.1.0=10."""
    from pepperpy.commands._output import print_rows
    from pepperpy.commands._session import run

    if off and weights:
        raise typer.BadParameter("give weights or --off")
    wanted = {} if off else _weights(weights or [])
    views = run(_split(ctx, topic, wanted if off or weights else None))
    if as_json or views:
        print_rows([(_document if as_json else _row)(one) for one in views], as_json=as_json)
    else:
        typer.echo(f"no version of {topic} is up, and it is not split", err=True)


def _weights(told: list[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for one in told:
        version, equals, weight = one.partition("=")
        if not equals or not weight.isascii() or not weight.isdigit():
            raise typer.BadParameter(f"{one!r} is no weight; write for example 1.1.0=10")
        if version in found:
            raise typer.BadParameter(f"{version} has two weights")
        found[version] = int(weight)
    return found


async def _split(
    ctx: typer.Context, topic: str, weights: dict[str, int] | None
) -> "list[VersionView]":
    from pepperpy.commands._link import open_link
    from pepperpy.commands._session import source
    from pepperpy_bus.versions.look import look_at_versions
    from pepperpy_bus.versions.splits import Splits
    from pepperpy_schemas.tokens import check_topic

    check_topic(topic)
    async with open_link(ctx) as link:
        if weights is not None:
            splits = Splits(link.connection, link.prefix)
            await splits.put(topic, weights, by=source())
        return await look_at_versions(link.connection, link.prefix, topic)


def _row(one: "VersionView") -> dict[str, Any]:
    return {
        "version": one.version,
        "weight": one.weight,
        "share": "any" if one.share is None else f"{one.share:.1%}",
        "up": one.up,
        "waiting": "" if one.waiting is None else one.waiting,
        "running": "" if one.running is None else one.running,
    }


def _document(one: "VersionView | Creations") -> dict[str, Any]:
    import msgspec

    document: dict[str, Any] = msgspec.to_builtins(one)
    return document


def made(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show how often agents were made, by version, how often not, and how long it took."""
    from pepperpy.commands._output import print_rows
    from pepperpy.commands._session import run

    found = run(_creations(ctx))
    print_rows([_document(one) for one in found], as_json=as_json)
    if not found and not as_json:
        typer.echo("no agent was made so far", err=True)


async def _creations(ctx: typer.Context) -> "list[Creations]":
    from pepperpy.commands._link import open_link
    from pepperpy_bus.creations import creations

    async with open_link(ctx) as link:
        return await creations(link.connection, link.prefix)
