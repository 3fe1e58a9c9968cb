"""`pepperpy audit`: who did what, and whether it is what was written."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pepperpy_monitor_svc.audit.log import AuditLog
    from pepperpy_schemas.audit import AuditPage, AuditVerdict, ChainHead

app = typer.Typer(
    help="Find who did what, and check that nobody changed what is written.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Time = typer.Option(metavar="DURATION|TIME")

_WIDEST = 60
"""Characters of a record's values that the table shows on a terminal."""


@app.command()
def search(
    ctx: typer.Context,
    text: Annotated[
        str, typer.Argument(metavar="[TEXT]", help="In who, action, target or values.")
    ] = "",
    by: Annotated[str, typer.Option("--by", help="Who did it; cli/* all that begin so.")] = "",
    action: Annotated[str, typer.Option("--action", help="What was done: cancel, agent-*.")] = "",
    target: Annotated[str, typer.Option("--target", help="To what: a task's id, an agent.")] = "",
    since: Annotated[
        str | None, typer.Option("--since", metavar="DURATION|TIME", help="Not before: 1h.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="DURATION|TIME", help="Before: 10m.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="Most records.")] = 50,
    cursor: Annotated[str, typer.Option("--cursor", help="Goes on where a page ended.")] = "",
    as_json: Json = False,
) -> None:
    """Find records, the newest first."""
    from pepperpy.commands._failure import say
    from pepperpy.commands._lines import start_of
    from pepperpy.commands._output import print_json, print_rows
    from pepperpy.commands._session import run
    from pepperpy_schemas.audit import AuditQuery

    query = AuditQuery(
        by=by,
        action=action,
        target=target,
        text=text,
        since=start_of(since),
        until=start_of(until, "--until"),
        limit=limit,
        cursor=cursor,
    )

    async def read(log: "AuditLog") -> "AuditPage":
        return await log.search(query)

    page = run(_with_log(ctx, read))
    if as_json:
        print_json(page)
        return
    print_rows([_row(one) for one in page.items], as_json=False)
    if page.next is not None:
        say(f"there may be older ones: --cursor {page.next}")


@app.command()
def verify(
    ctx: typer.Context,
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="An export; else the log itself.")
    ] = None,
    heads: Annotated[
        Path | None,
        typer.Option("--heads", metavar="FILE", help="Ends that were kept: monitor.audit_heads."),
    ] = None,
    head: Annotated[
        list[str] | None,
        typer.Option("--head", metavar="SEQ:HASH", help="An end that was kept elsewhere."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check every record: exits with 1 when one was changed, removed, inserted or moved."""
    from pepperpy.commands._output import print_json
    from pepperpy.commands._session import run
    from pepperpy_monitor_svc.audit.heads import parse_head, read_heads

    known = [parse_head(one, "--head") for one in head or []]
    known += [] if heads is None else read_heads(heads)

    async def read(log: "AuditLog") -> "AuditVerdict":
        return await log.verify(known)

    verdict = run(_with_log(ctx, read)) if file is None else _verify_file(ctx, file, known)
    if as_json:
        print_json(verdict)
    else:
        typer.echo("\n".join(_told(verdict)))
    if not verdict.ok:
        raise typer.Exit(1)


@app.command()
def export(
    ctx: typer.Context,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Else to stdout.")
    ] = None,
) -> None:
    """Write the whole log, a line of JSON a record; `verify FILE` checks it."""
    from pepperpy.commands._failure import say
    from pepperpy.commands._session import run
    from pepperpy_bus.files import write_file

    lines = run(_with_log(ctx, _lines))
    if output is None:
        for line in lines:
            typer.echo(line)
        return
    write_file(output, b"\n".join(lines) + b"\n")
    say(f"{len(lines) - 2} records are in {output}")


@app.command()
def head(ctx: typer.Context, as_json: Json = False) -> None:
    """Print the end of the log, to be kept elsewhere: `verify --head` looks whether it is there."""
    from pepperpy.commands._output import print_json
    from pepperpy.commands._session import run

    async def read(log: "AuditLog") -> "ChainHead":
        return await log.head()

    found = run(_with_log(ctx, read))
    if as_json:
        print_json(found)
    else:
        typer.echo(f"{found.seq}:{found.hash}")


async def _with_log(ctx: typer.Context, read: Any) -> Any:
    from pepperpy.commands._session import open_bus
    from pepperpy_monitor_svc.audit.log import AuditLog

    async with open_bus(ctx) as client:
        key = client.settings.monitor.audit_key.get_secret_value().encode()
        return await read(AuditLog(client, key=key))


async def _lines(log: "AuditLog") -> list[bytes]:
    return [line async for line in log.exported()]


def _verify_file(ctx: typer.Context, file: Path, known: "list[ChainHead]") -> "AuditVerdict":
    from pepperpy.commands._session import start
    from pepperpy_monitor_svc.audit.exporting import verify_lines
    from pepperpy_schemas.errors import BadConfig

    key = start(ctx).settings.monitor.audit_key.get_secret_value().encode()
    try:
        with file.open("rb") as lines:
            return verify_lines((line.rstrip(b"\n") for line in lines), key=key, known=known)
    except OSError as error:
        raise BadConfig(f"cannot read {file}: {error}") from error


def _row(one: Any) -> dict[str, Any]:
    from pepperpy.commands._output import is_live

    values = " ".join(f"{name}={value}" for name, value in one.data.items())
    if is_live() and len(values) > _WIDEST:
        values = values[: _WIDEST - 1] + "…"
    return {
        "seq": one.seq,
        "at": one.at.isoformat(timespec="seconds"),
        "by": f"{one.by} (says)" if one.claimed and one.by else one.by,
        "action": one.action,
        "target": one.target,
        "values": values,
    }


def _told(verdict: "AuditVerdict") -> list[str]:
    if verdict.ok:
        sealed = f", {verdict.sealed} blocks sealed" if verdict.sealed else ""
        sealed += f", {verdict.unsealed} before them not" if verdict.unsealed else ""
        end = f"the last is {verdict.head.seq}:{verdict.head.hash}"
        return [f"ok: {verdict.records} records are what was written{sealed}; {end}"]
    (fault, *_) = verdict.faults
    good = f"records 1 to {verdict.head.seq} are good" if verdict.head.seq else "none is good"
    return [f"broken: {fault.message}", f"{good}; what follows cannot be trusted"]
