"""`pepperpy monitor snapshots`: what the deployment was like, and how two moments differ."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from pepperpy_monitor_svc.snapshots.store import SnapshotStore
    from pepperpy_schemas.monitor import SnapshotRow
    from pepperpy_schemas.snapshots import Comparison, Difference, Snapshot

T = TypeVar("T")

app = typer.Typer(
    help="List, take, show, compare, export and remove snapshots of the deployment.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="Its id, or `last`.")]

_WIDEST = 70


@app.command("ls")
def list_(
    ctx: typer.Context,
    check: Annotated[bool, typer.Option("--check", help="Read each, and say what is damaged.")] = (
        False
    ),
    as_json: Json = False,
) -> None:
    """List them, the newest first."""
    from pepperpy.commands._output import print_rows

    async def read(store: "SnapshotStore") -> list[dict[str, Any]]:
        rows = [_row(one) for one in await store.list()]
        if check:
            for row in rows:
                row["damage"] = await store.damage(row["id"])
        return rows

    rows = _with_store(ctx, read)
    print_rows(rows, as_json=as_json)
    if any(row.get("damage") for row in rows):
        raise typer.Exit(1)


@app.command()
def take(
    ctx: typer.Context,
    reason: Annotated[str, typer.Option("--reason", help="Why, for people.")] = "",
    as_json: Json = False,
) -> None:
    """Have the monitor take one now."""
    from pepperpy.commands._output import print_json
    from pepperpy.commands._session import run, source
    from pepperpy.commands.monitor.showing import open_monitor

    async def ask() -> "SnapshotRow":
        async with open_monitor(ctx) as monitor:
            return await monitor.snapshot(reason=reason, by=source())

    row = run(ask())
    if as_json:
        print_json(row)
    else:
        typer.echo(row.id)


@app.command()
def show(ctx: typer.Context, snapshot_id: Id, as_json: Json = False) -> None:
    """Show one: tasks, topics, agents, errors, alerts."""
    from pepperpy.commands._output import print_json

    found = _with_store(ctx, lambda store: _get(store, snapshot_id))
    if as_json:
        print_json(found)
    else:
        typer.echo("\n".join(_shown(found)))


@app.command()
def compare(
    ctx: typer.Context,
    a: Annotated[str, typer.Argument(metavar="A", help="One.")],
    b: Annotated[str, typer.Argument(metavar="[B]", help="Another one.")] = "last",
    section: Annotated[
        list[str] | None,
        typer.Option("--section", metavar="NAME", help="Only topics, agents, metrics, …"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what is different in two, with by how much."""
    from typing import get_args

    from pepperpy.commands._output import print_json
    from pepperpy_monitor_svc.snapshots.comparing import compared
    from pepperpy_schemas.snapshots import SectionName

    sections: tuple[str, ...] = get_args(SectionName)
    for one in section or []:
        if one not in sections:
            known = ", ".join(sections)
            raise typer.BadParameter(f"{one!r} is none of {known}", param_hint="--section")

    async def read(store: "SnapshotStore") -> "Comparison":
        return compared(await _get(store, a), await _get(store, b))

    found = _with_store(ctx, read)
    changes = [one for one in found.changes if not section or one.section in section]
    if as_json:
        import msgspec

        print_json(msgspec.structs.replace(found, changes=changes))
    else:
        typer.echo("\n".join(_compared(found, changes)))


@app.command()
def export(
    ctx: typer.Context,
    snapshot_id: Id,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Else to stdout.")
    ] = None,
) -> None:
    """Write one as JSON."""
    from pepperpy.commands._failure import say
    from pepperpy_bus.files import write_file

    async def read(store: "SnapshotStore") -> bytes:
        return await store.read(await _id(store, snapshot_id))

    body = _with_store(ctx, read)
    if output is None:
        typer.echo(body)
    else:
        write_file(output, body + b"\n")
        say(f"{len(body)} bytes are in {output}")


@app.command("rm")
def remove(
    ctx: typer.Context,
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Their ids.")],
    as_json: Json = False,
) -> None:
    """Remove them, damaged ones too."""
    from pepperpy.commands._output import print_json
    from pepperpy.commands._session import open_bus, run

    async def work() -> None:
        from pepperpy_monitor_svc.snapshots.store import SnapshotStore

        async with open_bus(ctx) as client:
            store = SnapshotStore(client)
            for one in ids:
                async with client.audit.act("snapshot-remove", one):
                    await store.remove(one)
                if not as_json:
                    typer.echo(one)

    run(work())
    if as_json:
        print_json({"removed": ids})


def _with_store(ctx: typer.Context, act: "Callable[[SnapshotStore], Awaitable[T]]") -> T:
    from pepperpy.commands._session import open_bus, run

    async def work() -> T:
        from pepperpy_monitor_svc.snapshots.store import SnapshotStore

        async with open_bus(ctx) as client:
            return await act(SnapshotStore(client))

    return run(work())


async def _get(store: "SnapshotStore", snapshot_id: str) -> "Snapshot":
    return await store.get(await _id(store, snapshot_id))


async def _id(store: "SnapshotStore", snapshot_id: str) -> str:
    from pepperpy_schemas.errors import NotFound

    if snapshot_id != "last":
        return snapshot_id
    rows = await store.list()
    if not rows:
        raise NotFound("there is no snapshot yet", hint="take one: pepperpy monitor snapshots take")
    return rows[0].id


def _row(one: "SnapshotRow") -> dict[str, Any]:
    return {
        "id": one.id,
        "at": one.at.isoformat(timespec="seconds"),
        "reason": one.reason,
        "by": one.by,
        "tasks": one.tasks,
        "firing": one.firing,
        "bytes": one.bytes,
    }


def _shown(found: "Snapshot") -> list[str]:
    from pepperpy.commands._output import cell, table

    overview = found.overview
    about = {
        "at": found.at.isoformat(timespec="seconds"),
        "reason": found.reason,
        "by": found.by,
        "health": overview.health,
        "waiting": overview.waiting,
        "letters": overview.letters,
        "usd": overview.usd,
        "config": found.config[:12],
        "versions": " ".join(f"{name}={value}" for name, value in found.versions.items()),
        "metrics": len(found.metrics),
    }
    lines = [f"{name:<9} {cell(value)}" for name, value in about.items()]
    for title, rows in (
        ("topics", [_some(one, "topic waiting in_hand workers letters") for one in found.topics]),
        (
            "agents",
            [_some(one, "agent instance state version done failed") for one in found.agents],
        ),
        ("errors", [_some(one, "code message count") for one in found.errors]),
        ("alerts", [_some(one, "rule state severity summary") for one in found.alerts]),
    ):
        lines += ["", title, *table(rows)] if rows else []
    return lines


def _some(one: object, names: str) -> dict[str, Any]:
    return {name: getattr(one, name) for name in names.split()}


def _compared(found: "Comparison", changes: "list[Difference]") -> list[str]:
    from pepperpy.commands._output import table
    from pepperpy_bus.units import format_duration

    between = format_duration(round(found.seconds))
    head = f"{found.a.id} → {found.b.id}, {between} later: {len(changes)} changes"
    rows = [
        {
            "section": one.section,
            "what": one.name if len(one.name) <= _WIDEST else one.name[: _WIDEST - 1] + "…",
            "before": _value(one.before),
            "after": _value(one.after),
            "change": _change(one),
        }
        for one in changes
    ]
    return [head, *table(rows)]


def _value(value: Any) -> str:
    from pepperpy.commands._output import cell

    return f"{value:.4g}" if isinstance(value, float) else cell(value)


def _change(one: "Difference") -> str:
    if one.delta is None:
        return "new" if one.before is None else "gone" if one.after is None else ""
    percent = f" ({one.percent:+.1f} %)" if one.percent is not None else ""
    return f"{one.delta:+.6g}{percent}"
