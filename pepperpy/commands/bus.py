"""`pepperpy bus`: the streams as they are and as declared, how full they are, who may what."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pepperpy_bus.streams.provision import Drift

app = typer.Typer(
    help="Compare the broker's streams with the declared ones, and mend them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def check(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """Compare every stream with its declaration; exit 1 when one differs."""
    from pepperpy.commands._session import run
    from pepperpy_bus.upgrading import compare

    async def read() -> tuple[int, list[dict[str, Any]]]:
        from pepperpy.commands._link import open_link

        async with open_link(ctx) as link:
            declared = link.declared()
            return len(declared), _rows(await compare(link.connection, declared))

    count, rows = run(read())
    _print(rows, as_json=as_json)
    if rows:
        typer.echo(f"{len(rows)} differences; mend them with: pepperpy bus apply", err=True)
        raise typer.Exit(1)
    typer.echo(f"ok: {count} streams are as declared", err=True)


@app.command()
def apply(
    ctx: typer.Context,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask, as where nobody sits at a terminal.")
    ] = False,
    topics: Annotated[
        list[str] | None,
        typer.Option("--topic", metavar="NAME", help="Make this topic's consumers too."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what differs, then create and change streams as declared.

    A Python worker makes the consumers of its topics itself; for a topic that only workers in
    other languages serve, name it with --topic.
    """
    from pepperpy.commands._session import run
    from pepperpy_bus.streams.provision import ensure_topic
    from pepperpy_bus.upgrading import apply as make
    from pepperpy_bus.upgrading import compare

    async def mend() -> list[dict[str, Any]]:
        from pepperpy.commands._link import open_link

        async with open_link(ctx) as link:
            declared = link.declared()
            drifts = await compare(link.connection, declared)
            _print(_rows(drifts), as_json=as_json)
            if any(one.setting != "stream" and not one.fixed for one in drifts):
                _ask(yes)
            changes = _rows(await make(link.connection, declared)) if drifts else []
            if changes:
                # Not before: the log itself may be what was missing.
                await link.audit.say("bus-apply", link.prefix, changes=len(changes))
            for topic in topics or ():
                await ensure_topic(link.connection, link.prefix, topic)
                typer.echo(f"ok: workers in any language can serve {topic}", err=True)
            return changes

    done = run(mend())
    typer.echo(f"applied {len(done)} changes" if done else "ok: nothing to do", err=True)


@app.command()
def info(
    ctx: typer.Context,
    consumers: Annotated[bool, typer.Option("--consumers", help="One row a consumer.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show how full each stream is and how far its consumers are behind."""
    from pepperpy.commands._session import run

    async def read() -> list[Any]:
        from pepperpy.commands._link import open_link
        from pepperpy_bus.streams.figures import stream_figures

        async with open_link(ctx) as link:
            names = [config["name"] for config in link.declared()]
            found = [await stream_figures(link.connection, name) for name in names]
        return [one for one in found if one is not None]

    streams = run(read())
    shown = _consumer_rows(streams) if consumers else _stream_rows(streams, as_json=as_json)
    _print(shown, as_json=as_json)
    if not streams and not as_json:
        typer.echo("the broker has no stream of ours yet: pepperpy bus apply", err=True)


@app.command()
def roles(
    ctx: typer.Context,
    role: Annotated[str, typer.Option(metavar="NAME", help="Only this role.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Print what each role may publish and subscribe; the broker enforces it."""
    from pepperpy.commands._output import print_json
    from pepperpy.commands._session import load_settings
    from pepperpy_bus.trust.principals import ROLES
    from pepperpy_bus.trust.roles import permissions

    if role and role not in ROLES:
        raise typer.BadParameter(f"{role!r} is no role: {', '.join(ROLES)}", param_hint="--role")
    prefix = load_settings(ctx).settings.bus.prefix
    granted = {one: permissions(one, prefix=prefix) for one in ROLES if role in ("", one)}
    if as_json:
        print_json(granted)
        return
    rows = [
        {"role": name, "may": verb, "subject": subject}
        for name, one in granted.items()
        for verb, subjects in (
            ("publish", one.publish),
            ("not publish", one.withheld),
            ("subscribe", one.subscribe),
        )
        for subject in subjects
    ]
    _print(rows, as_json=False)


def _rows(drifts: "list[Drift]") -> list[dict[str, Any]]:
    return [
        {
            "stream": one.stream,
            "setting": one.setting,
            "declared": one.declared,
            "actual": one.actual,
            "in_place": not one.fixed,
        }
        for one in drifts
    ]


def _stream_rows(streams: list[Any], *, as_json: bool) -> list[dict[str, Any]]:
    from pepperpy.diagnosis.machine import rounded

    return [
        {
            "stream": one.name,
            "messages": one.messages,
            "bytes": one.bytes if as_json else rounded(one.bytes),
            "consumers": None if one.consumers is None else len(one.consumers),
            "lag": one.lag,
        }
        for one in streams
    ]


def _consumer_rows(streams: list[Any]) -> list[dict[str, Any]]:
    return [
        {
            "stream": stream.name,
            "consumer": one.name,
            "pending": one.pending,
            "in_flight": one.ack_pending,
            "redelivered": one.redelivered,
            "pulls": one.pulls,
        }
        for stream in streams
        for one in stream.consumers or ()
    ]


def _ask(yes: bool) -> None:
    import sys

    if not yes and sys.stdin.isatty():
        typer.confirm("Change these settings?", abort=True, err=True)


def _print(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    from pepperpy.commands._output import print_rows

    print_rows(rows, as_json=as_json)
