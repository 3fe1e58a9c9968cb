"""`pepperpy agents`: who is up and how busy; pausing, resuming, draining; versions by weight."""

from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from pepperpy.commands._versions import made, split

if TYPE_CHECKING:
    from pepperpy_bus.control import Command
    from pepperpy_schemas.messages import AgentInstance


WIDE = 20
"""Characters that topics or capabilities take in the table, if they can."""


class ListByDefault(TyperGroup):
    """A group that lists when no subcommand is named: ``pepperpy agents --json``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Puts ``ls`` in front of options and of nothing."""
        bare = not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names)
        if bare and not ctx.resilient_parsing:  # a shell that completes names the command later
            args = ["ls", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=ListByDefault,
    help="List the running agents (without a command: ls); pause, resume and drain them; "
    "split a topic among their versions.",
    rich_markup_mode=None,
)

NameArgument = Annotated[
    str, typer.Argument(metavar="AGENT", help="The agent's name.", show_default=False)
]
InstanceOption = Annotated[str, typer.Option(metavar="ID", help="Only this instance of it.")]
TimeoutOption = Annotated[
    str, typer.Option(metavar="DURATION", help="How long to wait until it is done.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("ls")
def list_(
    ctx: typer.Context,
    agent: Annotated[str, typer.Option(metavar="NAME", help="Only this agent.")] = "",
    capability: Annotated[str, typer.Option(metavar="WORD", help="Only who can do this.")] = "",
    version: Annotated[str, typer.Option(metavar="RANGE", help="Only these: '>=1,<2'.")] = "",
    topic: Annotated[str, typer.Option(help="Only who works on this topic.")] = "",
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Go on, and show every change.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """List who is up: state, topics, tasks in flight of slots, load, last heartbeat."""
    from pepperpy.commands._output import print_rows
    from pepperpy.commands._session import run

    wanted = {"agent": agent, "capability": capability, "version": version, "topic": topic}
    if watch:
        run(_watch(ctx, wanted, as_json=as_json))
        return
    up = run(_instances(ctx, wanted))
    print_rows([(_document if as_json else row)(one) for one in up], as_json=as_json)
    if not up and not as_json:
        typer.echo("no agent is up" + (" that fits" if any(wanted.values()) else ""), err=True)


def row(one: "AgentInstance") -> dict[str, Any]:
    """Returns an instance as the table shows it."""
    from pepperpy.diagnosis.machine import rounded
    from pepperpy_bus.units import now

    age = max(0.0, (now() - one.beat).total_seconds())
    return {
        "agent": one.agent,
        "version": one.version,
        "instance": one.instance,
        "state": one.state,
        "topics": _folded(one.topics),
        "capabilities": _folded(one.capabilities),
        "busy": f"{one.load.in_flight}/{one.load.slots}",
        "cpu": f"{one.load.cpu_percent:.0f}%",
        "memory": rounded(one.load.rss_bytes),
        "beat": f"{age:.0f}s ago",
    }


def _folded(names: list[str]) -> list[str]:
    """The first of many names and how many more there are; --json has them all."""
    shown = len(names)
    while shown > 1 and len(",".join(names[:shown])) > WIDE:
        shown -= 1
    rest = len(names) - shown
    return [*names[:shown], f"+{rest}"] if rest else names


def _document(one: "AgentInstance") -> dict[str, Any]:
    import msgspec

    document: dict[str, Any] = msgspec.to_builtins(one)
    return document


async def _instances(ctx: typer.Context, wanted: dict[str, str]) -> "list[AgentInstance]":
    from pepperpy.commands._link import open_link
    from pepperpy_bus.registry import Registry
    from pepperpy_schemas.tokens import check_token

    if wanted["agent"]:
        check_token(wanted["agent"], what="agent")
    async with open_link(ctx) as link:
        return await Registry(link.connection, link.prefix).instances(**wanted)


async def _watch(ctx: typer.Context, wanted: dict[str, str], *, as_json: bool) -> None:
    from pepperpy.commands._output import is_live, print_line

    live = is_live() and not as_json
    async for key, one, up in _changes(ctx, wanted):
        if live:
            _redraw([up[name] for name in sorted(up)])
        elif as_json:
            print_line({"key": key, "instance": None if one is None else _document(one)})
        else:
            _say_change(key, one)


async def _changes(
    ctx: typer.Context, wanted: dict[str, str]
) -> "AsyncIterator[tuple[str, AgentInstance | None, dict[str, AgentInstance]]]":
    """Yields what has changed, with everybody who is up then.

    A mere heartbeat is a change on a terminal only.
    """
    from pepperpy.commands._link import open_link
    from pepperpy.commands._output import is_live
    from pepperpy_bus.registry import Registry, selector

    chosen = selector(**wanted)
    up: dict[str, AgentInstance] = {}
    async with open_link(ctx) as link:
        async for key, one in Registry(link.connection, link.prefix).watch():
            before = up.get(key)
            if one is None:
                up.pop(key, None)
            elif chosen(one):
                up[key] = one
            after = up.get(key)
            same = before is not None and after is not None and before.state == after.state
            if (before or after) and (is_live() or not same):
                yield key, after, up


def _redraw(up: "list[AgentInstance]") -> None:
    from pepperpy.commands._output import table

    typer.echo("\x1b[2J\x1b[H" + "\n".join(table([row(one) for one in up]) or ["no agent is up"]))


def _say_change(key: str, one: "AgentInstance | None") -> None:
    from pepperpy_bus.redaction import escape

    agent, _, instance = key.partition(".")
    about = "gone" if one is None else f"{one.state} {one.version}"
    typer.echo(escape(f"{agent} {instance} {about}"))


def _steering(command: "Command") -> Callable[..., None]:
    def steer(
        ctx: typer.Context,
        agent: NameArgument,
        instance: InstanceOption = "",
        timeout: TimeoutOption = "15s",
        as_json: JsonOption = False,
    ) -> None:
        from pepperpy.commands._ends import duration
        from pepperpy.commands._output import print_rows
        from pepperpy.commands._session import run
        from pepperpy_schemas.errors import Unavailable

        seconds = duration(timeout, "--timeout") or 0.0
        try:
            done = run(_tell(ctx, command, agent, instance, seconds))
        except Unavailable as error:
            if "waiting" not in error.context:
                raise
            late = TimeoutError(error.message)
            late.add_note(f"hint: {error.hint}")
            raise late from None
        print_rows(done, as_json=as_json)

    return steer


async def _tell(
    ctx: typer.Context, command: "Command", agent: str, instance: str, timeout: float
) -> list[dict[str, str]]:
    from pepperpy.commands._link import open_link
    from pepperpy.commands._session import source
    from pepperpy_bus.control import steer

    async with open_link(ctx) as link:
        done = await steer(
            link.connection,
            link.prefix,
            agent,
            command,
            instance=instance,
            by=source(),
            timeout=timeout,
        )
    return [{"agent": d.agent, "instance": d.instance, "state": d.state} for d in done]


app.command("pause", help="Take no new tasks; running ones go on, waiting ones wait.")(
    _steering("pause")
)
app.command("resume", help="Take tasks again after a pause.")(_steering("resume"))
app.command("drain", help="Take no new tasks, finish the running ones and end.")(_steering("drain"))
app.command("split")(split)
app.command("made")(made)
