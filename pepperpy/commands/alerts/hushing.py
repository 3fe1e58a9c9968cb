"""`pepperpy alerts silence`, `unsilence` and `test`: what an operator does about alerts."""

from typing import TYPE_CHECKING, Annotated

import typer

from pepperpy.commands.alerts.showing import Json

if TYPE_CHECKING:
    from pepperpy_schemas.alerts import AlertTestReply, Silence

Matchers = Annotated[
    list[str],
    typer.Argument(
        metavar="LABEL=VALUE...",
        help="Their labels: alertname=WorkerLost, agent=a|b, topic=orders-*, severity!=info.",
    ),
]


def silence(
    ctx: typer.Context,
    matchers: Matchers,
    duration: Annotated[
        str, typer.Option("--for", metavar="DURATION", help="For how long: 30m, 2h, 3d.")
    ] = "1h",
    starts: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="From then on; now by default.")
    ] = None,
    why: Annotated[str, typer.Option("--why", help="The reason, for the others.")] = "",
    as_json: Json = False,
) -> None:
    """Tell nobody of some alerts for a while; they are still evaluated and shown."""
    from pepperpy.commands._output import print_json
    from pepperpy.commands._session import run
    from pepperpy.commands.monitor.showing import open_monitor
    from pepperpy_bus.units import parse_time
    from pepperpy_schemas.alerts import SilenceRequest

    request = SilenceRequest(
        matchers=matchers,
        duration=duration,
        starts=parse_time(starts) if starts else None,
        comment=why,
    )

    async def ask() -> "Silence":
        async with open_monitor(ctx) as monitor:
            return await monitor.silence(request)

    made = run(ask())
    if as_json:
        print_json(made)
    else:
        _print_silence(made)


def unsilence(
    ctx: typer.Context,
    silence_id: Annotated[str, typer.Argument(metavar="ID", help="As silences shows it.")],
    as_json: Json = False,
) -> None:
    """End a silence now: what fires still is told."""
    from pepperpy.commands._output import print_json
    from pepperpy.commands._session import run
    from pepperpy.commands.monitor.showing import open_monitor

    async def ask() -> "Silence":
        async with open_monitor(ctx) as monitor:
            return await monitor.unsilence(silence_id)

    ended = run(ask())
    if as_json:
        print_json(ended)
    else:
        typer.echo(f"silence {ended.id} has ended")


def fire(
    ctx: typer.Context,
    rule: Annotated[str, typer.Argument(metavar="RULE", help="As rules lists them.")],
    label: Annotated[
        list[str] | None,
        typer.Option("--label", metavar="NAME=VALUE", help="A label it would have: topic=orders."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Fire a rule through to everybody who would be told, marked as a test, and end it again.

    Exits with 1 when somebody could not be told.
    """
    from pepperpy.commands._output import print_json, print_rows
    from pepperpy.commands._session import run
    from pepperpy.commands.monitor.showing import open_monitor

    labels = dict(_pair(one) for one in label or [])

    async def ask() -> "AlertTestReply":
        async with open_monitor(ctx) as monitor:
            return await monitor.test_alert(rule, labels)

    reply = run(ask())
    failed = [one for one in reply.delivered if one.error]
    if as_json:
        print_json(reply)
    else:
        rows = [
            {"receiver": one.receiver, "told": not one.error, "error": one.error}
            for one in reply.delivered
        ]
        print_rows(rows, as_json=False)
        if reply.silence:
            typer.echo(f"silence {reply.silence} would have hidden it", err=True)
    if failed:
        raise typer.Exit(1)


def _pair(text: str) -> tuple[str, str]:
    name, mark, value = text.partition("=")
    if not mark or not name:
        raise typer.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--label")
    return name, value


def _print_silence(made: "Silence") -> None:
    from pepperpy.commands._output import cell
    from pepperpy.commands.alerts.showing import silence_row

    row = silence_row(made)
    typer.echo(f"silence {made.id}: {cell(row['matches'])}, until {row['until']}")
