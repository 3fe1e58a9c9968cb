"""`pepperpy alerts check` and `export`: files of rules, without a bus."""

from collections.abc import Callable, Sized
from pathlib import Path
from typing import Annotated

import typer

from pepperpy.commands.alerts.showing import Json

RulesArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="[FILE|DIR]", help="Rules; those of the setting monitor.rules by default."
    ),
]


def check(
    ctx: typer.Context,
    path: RulesArgument = None,
    notify: Annotated[
        Path | None,
        typer.Option("--notify", metavar="FILE", help="Notifications; monitor.notify by default."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check files of rules and of notifications; each slip is told with its line and cure."""
    from pepperpy.commands._failure import say
    from pepperpy.commands._output import print_json
    from pepperpy_monitor_svc.alerts.reading import read_rules
    from pepperpy_monitor_svc.alerts.receivers import read_notifying
    from pepperpy_schemas.errors import BadConfig

    rules, given = _paths(ctx, path, notify)
    readers: dict[str, Callable[[], Sized]] = {
        "rules": lambda: read_rules(rules).rules,
        "receivers": lambda: read_notifying(given).receivers,
    }
    found: dict[str, int] = {}
    slips: list[BadConfig] = []
    for what, read in readers.items():
        try:
            found[what] = len(read())
        except BadConfig as error:
            slips.append(error)
    lines = [line for one in slips for line in str(one).splitlines()]
    shipped = len(read_rules(None).rules)
    if as_json:
        print_json({**found, "shipped": shipped, "errors": lines})
    elif not slips:
        of_rules = f"{found['rules']} rules, {shipped} of them shipped"
        typer.echo(f"{of_rules}, {found['receivers']} receivers: all well")
    else:
        for line in lines:
            say(f"error: {line}")
        say(f"  hint: {slips[0].hint}")
    if slips:
        raise typer.Exit(1)


def export(
    ctx: typer.Context,
    path: RulesArgument = None,
    interval: Annotated[
        str, typer.Option("--interval", metavar="DURATION", help="How often Prometheus evaluates.")
    ] = "15s",
    as_json: Json = False,
) -> None:
    """Print the rules as a file for Prometheus, those that are shipped among them."""
    from pepperpy.commands._output import print_json
    from pepperpy_bus.units import format_duration, parse_duration
    from pepperpy_monitor_svc.alerts.prometheus import document, groups
    from pepperpy_monitor_svc.alerts.reading import read_rules

    rules, _ = _paths(ctx, path, None)
    ready = list(read_rules(rules).rules.values())
    every = format_duration(parse_duration(interval))
    if as_json:
        print_json(groups(ready, interval=every))
    else:
        typer.echo(document(ready, interval=every), nl=False)


def _paths(
    ctx: typer.Context, rules: Path | None, notify: Path | None
) -> tuple[Path | None, Path | None]:
    """The files that were named, else those of the settings."""
    from pepperpy.commands._session import load_settings

    settings = load_settings(ctx).settings.monitor
    return rules or settings.rules, notify or settings.notify
