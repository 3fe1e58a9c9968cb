"""`pepperpy doctor`: every check of this machine, the broker and the work, with its fix."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pepperpy.diagnosis.finding import Finding
    from pepperpy_bus.config import Loaded


def command(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array.")] = False,
) -> None:
    """Check this machine and the broker; exit 1 when a check fails.

    It changes nothing, and works where no broker runs.
    """
    from pepperpy.commands._output import print_json
    from pepperpy.commands._session import run

    async def look() -> "list[Finding]":
        found = []
        async for finding in diagnose(ctx):
            found.append(finding)
            if not as_json:
                _show(finding)
        return found

    found = run(look())
    if as_json:
        print_json(found)
    failed = sum(one.status == "fail" for one in found)
    warned = sum(one.status == "warn" for one in found)
    typer.echo(f"{len(found)} checks: {failed} failed, {warned} to look at", err=True)
    if failed:
        raise typer.Exit(1)


async def diagnose(ctx: typer.Context) -> "AsyncIterator[Finding]":
    """Yields every finding as it is made."""
    from pepperpy.diagnosis.broker import NEEDS_BROKER, check_broker
    from pepperpy.diagnosis.finding import Finding
    from pepperpy.diagnosis.machine import check_machine
    from pepperpy_schemas.errors import BadConfig

    loaded: Loaded | None = None
    try:
        loaded = _quietly_loaded(ctx)
        settings = _about(loaded)
    except BadConfig as error:
        settings = Finding("settings", "fail", error.message, error.hint)
    for finding in check_machine(_data_folder(loaded)):
        yield finding
    yield settings
    if loaded is None:
        for name in ("broker", *NEEDS_BROKER):
            yield Finding(name, "skip", "needs the settings")
        return
    async for finding in check_broker(loaded.settings):
        yield finding


def _quietly_loaded(ctx: typer.Context) -> "Loaded":
    """The settings; what they warn of is a finding here, not talk."""
    import logging

    from pepperpy.commands._session import load_settings
    from pepperpy_bus.logs import configure

    loaded = load_settings(ctx)
    configure("warning", loaded.settings.log.format)
    logging.getLogger("pepperpy").setLevel(logging.CRITICAL)
    return loaded


def _about(loaded: "Loaded") -> "Finding":
    from pepperpy.diagnosis.finding import Finding

    place = str(loaded.path) if loaded.path else "no file: defaults and environment"
    count = sum(origin != "default" for origin in loaded.origins.values())
    message = f"{place}, {count} of {len(loaded.origins)} set"
    if loaded.context:
        message += f", context {loaded.context}"
    if not loaded.warnings:
        return Finding("settings", "ok", message)
    told = "; ".join(loaded.warnings)
    return Finding("settings", "warn", f"{message}; {told}", "pepperpy config check")


def _data_folder(loaded: "Loaded | None") -> Path:
    return (loaded.settings.stack.persist if loaded else None) or Path()


def _show(finding: "Finding") -> None:
    from pepperpy_bus.redaction import escape, scrub

    typer.echo(escape(scrub(f"{finding.status:<4}  {finding.check:<12}  {finding.message}")))
    if finding.fix and finding.status != "ok":
        typer.echo(escape(scrub(f"{'':<20}fix: {finding.fix}")))
