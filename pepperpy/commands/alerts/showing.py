"""`pepperpy alerts ls`, `rules` and `silences`: what the monitor says."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pepperpy_schemas.alerts import RuleRow, Silence
    from pepperpy_schemas.monitor import AlertRow

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def ls(
    ctx: typer.Context,
    rule: Annotated[str, typer.Option("--rule", metavar="RULE", help="Those of this rule.")] = "",
    severity: Annotated[
        str, typer.Option("--severity", metavar="SEVERITY", help="info, warning or critical.")
    ] = "",
    as_json: Json = False,
) -> None:
    """List the alerts: those that fire first, the worst first."""
    from pepperpy.commands._output import print_rows
    from pepperpy.commands._session import run
    from pepperpy.commands.monitor.showing import open_monitor

    async def read() -> "list[AlertRow]":
        async with open_monitor(ctx) as monitor:
            return (await monitor.alerts()).items

    found = [
        one
        for one in run(read())
        if (not rule or one.rule == rule) and (not severity or one.severity == severity)
    ]
    print_rows([(_document if as_json else _alert)(one) for one in found], as_json=as_json)
    if not found and not as_json:
        typer.echo("nothing is wrong that a rule knows of", err=True)


def rules(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="[RULE]", help="Show all of this one.")] = "",
    as_json: Json = False,
) -> None:
    """List the rules in force, and what is wrong with them."""
    from pepperpy.commands._failure import say
    from pepperpy.commands._output import print_json, print_rows
    from pepperpy.commands._session import run
    from pepperpy.commands.monitor.showing import open_monitor

    async def read() -> "list[RuleRow]":
        async with open_monitor(ctx) as monitor:
            return await monitor.rules()

    found = [one for one in run(read()) if name in ("", one.name)]
    if name and not found:
        say(f"error: there is no rule {name}")
        say("  hint: pepperpy alerts rules lists them")
        raise typer.Exit(1)
    if as_json:
        print_json([_document(one) for one in found])
    elif name:
        typer.echo("\n".join(_explained(found[0])))
    else:
        print_rows([_rule(one) for one in found], as_json=False)


def silences(ctx: typer.Context, as_json: Json = False) -> None:
    """List the silences: whom they hide, until when, who made them and why."""
    from pepperpy.commands._output import print_rows
    from pepperpy.commands._session import run
    from pepperpy.commands.monitor.showing import open_monitor

    async def read() -> "list[Silence]":
        async with open_monitor(ctx) as monitor:
            return await monitor.silences()

    found = run(read())
    print_rows([(_document if as_json else silence_row)(one) for one in found], as_json=as_json)
    if not found and not as_json:
        typer.echo("there are no silences", err=True)


def silence_row(one: "Silence") -> dict[str, Any]:
    """Returns a silence as tables show it."""
    from pepperpy_bus.units import now

    at = now()
    state = "over" if one.ends <= at else "later" if one.starts > at else "active"
    return {
        "id": one.id,
        "state": state,
        "matches": " ".join(one.matchers),
        "from": _time(one.starts),
        "until": _time(one.ends),
        "by": one.by,
        "why": one.comment,
    }


def _alert(one: "AlertRow") -> dict[str, Any]:
    own = ("alertname", "severity")
    hidden = f"silence {one.silence}" if one.silence else one.inhibited and "another alert"
    return {
        "rule": one.rule,
        "state": one.state,
        "severity": one.severity,
        "labels": [f"{k}={v}" for k, v in one.labels.items() if k not in own],
        "since": _time(one.since),
        "hidden_by": hidden or None,
        "summary": one.summary,
    }


def _rule(one: "RuleRow") -> dict[str, Any]:
    from pepperpy_bus.units import format_duration

    return {
        "rule": one.name,
        "kind": one.kind,
        "severity": one.severity,
        "for": format_duration(one.for_s),
        "series": one.series,
        "firing": one.firing,
        "pending": one.pending,
        "trouble": one.trouble or None,
        "file": one.origin.rpartition("/")[2],
    }


def _explained(one: "RuleRow") -> list[str]:
    from pepperpy.commands._output import cell

    rows = _rule(one) | {
        "file": one.origin,
        "summary": one.summary,
        "description": one.description,
        "condition": one.condition,
    }
    return [f"{name:<12} {cell(value)}" for name, value in rows.items()]


def _time(moment: datetime | None) -> str | None:
    from pepperpy_bus.units import format_time

    return None if moment is None else format_time(moment, timespec="seconds")


def _document(one: Any) -> Any:
    import msgspec

    return msgspec.structs.asdict(one)
