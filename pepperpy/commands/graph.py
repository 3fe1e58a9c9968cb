"""`pepperpy graph`: check, run and draw graphs of tasks."""

import asyncio
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from pepperpy.commands._ends import WAIT, WAIT_FOR, WaitCommand

if TYPE_CHECKING:
    from pepperpy_bus.graphs.picture import Picture
    from pepperpy_schemas.graphs import GraphSpec

_FRAME = 0.25  # seconds between two drawings, at most four a second


class ShowByDefault(TyperGroup):
    """A group whose first argument may be a graph's id: ``pepperpy graph 7dk2``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Puts ``show`` in front of what is no subcommand."""
        named = args and not args[0].startswith("-") and args[0] not in self.commands
        if named and not ctx.resilient_parsing:  # a shell that completes names the command later
            args = ["show", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=ShowByDefault,
    help="Check, run and draw graphs of tasks (with an ID alone: show).",
    rich_markup_mode=None,
)

FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="A YAML or JSON file; - is stdin.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
MermaidOption = Annotated[bool, typer.Option("--mermaid", help="Print a Mermaid diagram.")]


@app.command("check")
def check(file: FileArgument, as_json: JsonOption = False, mermaid: MermaidOption = False) -> None:
    """Say whether a graph can run, and what stands in its way, with the line.

    Nothing is sent: cycles, unknown nodes, references and fields are found in the file.
    """
    from pepperpy.commands._output import print_json

    spec = _read(file)
    if as_json:
        print_json(spec)
        return
    from pepperpy_bus.graphs.picture import planned
    from pepperpy_bus.graphs.plan import make_plan

    plan = make_plan(spec)
    if mermaid:
        _print_mermaid(planned(plan))
        return
    layers = plan.layers()
    typer.echo(f"{spec.name}: {len(layers)} nodes in {max(layers.values()) + 1} layers")


@app.command("run", cls=WaitCommand)
def run_(
    ctx: typer.Context,
    file: FileArgument,
    data: Annotated[
        str | None, typer.Option("--input", metavar="JSON|@FILE", help="What ${input} stands for.")
    ] = None,
    wait: Annotated[bool, WAIT] = False,
    wait_for: Annotated[str | None, WAIT_FOR] = None,
    timeout: Annotated[
        str | None, typer.Option(metavar="DURATION", help="The whole graph's deadline from now.")
    ] = None,
    task_id: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="An id of your own: twice runs once.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Submit a graph and print its id, or with --wait what it returned."""
    import msgspec

    from pepperpy.commands._body import body_of
    from pepperpy.commands._ends import duration, ended, show_end
    from pepperpy.commands._failure import say
    from pepperpy.commands._output import print_json
    from pepperpy.commands._session import open_bus, run
    from pepperpy_bus.graphs.graph import TOPIC

    spec = _read(file)
    if data is not None:
        given = msgspec.json.decode(body_of([], data))
        spec = msgspec.structs.replace(spec, input=given)
    options: dict[str, Any] = {"id": task_id} if task_id else {}
    if (deadline := duration(timeout, "--timeout")) is not None:
        options["timeout"] = deadline
    limit = duration(wait_for, "--wait")

    async def submit() -> None:
        async with open_bus(ctx) as client:
            if await client.schemas.latest(TOPIC) is None:
                say("no orchestrator has ever been up; the graph waits for one")
                say("  hint: pepperpy worker pepperpy_agents.graphs.orchestrator:agent")
            submitted = await client.submit(TOPIC, spec, **options)
            if wait:
                show_end(await ended(client, submitted, limit), as_json=as_json)
            elif as_json:
                print_json({"id": submitted, "graph": spec.name})
            else:
                typer.echo(submitted)

    run(submit())


@app.command("show")
def show(
    ctx: typer.Context,
    task_id: Annotated[str, typer.Argument(metavar="ID", help="The graph.", show_default=False)],
    once: Annotated[bool, typer.Option("--once", help="Look once; do not wait.")] = False,
    as_json: JsonOption = False,
    mermaid: MermaidOption = False,
) -> None:
    """Draw a graph while it runs; in a pipe, print it when it has ended.

    Exit code 1 when a graph that was waited for has failed.
    """
    from pepperpy.commands._failure import FAILED
    from pepperpy.commands._output import is_live, print_json
    from pepperpy.commands._session import run
    from pepperpy_bus.units import now
    from pepperpy_schemas.tokens import check_token

    check_token(task_id, what="task id")
    live = is_live() and not (once or as_json or mermaid)
    picture = run(_follow(ctx, task_id, once=once or mermaid, live=live))
    if as_json:
        print_json(picture)
    elif mermaid:
        _print_mermaid(picture)
    elif not live:
        from pepperpy.commands._graph_lines import picture_lines

        typer.echo("\n".join(picture_lines(picture, now(), colour=is_live())))
    looked = once or mermaid
    if picture.over and picture.state != "completed" and not looked:
        raise typer.Exit(FAILED)


async def _follow(ctx: typer.Context, task_id: str, *, once: bool, live: bool) -> "Picture":
    """Returns the last picture of a graph."""
    from pepperpy.commands._session import open_bus, say_when_away
    from pepperpy_bus.graphs.picture import Picture, follow_graph
    from pepperpy_schemas.errors import NotFound

    picture = Picture(task_id)
    async with open_bus(ctx) as client:
        if not live:
            if not once:
                say_when_away(client)
            async for known in follow_graph(client, task_id, once=once):
                picture = known
        else:
            screen = _Screen()
            drawing = asyncio.create_task(screen.draw_forever(), name="drawing")
            try:
                async for screen.picture in follow_graph(client, task_id):
                    picture = screen.picture
            finally:
                drawing.cancel()
                await asyncio.gather(drawing, return_exceptions=True)
                screen.draw(whole=True)
    if not picture.name and once:
        raise NotFound(
            f"graph {task_id} has not begun, or never was",
            hint="who runs graphs: pepperpy agents --topic orchestrate",
        )
    return picture


class _Screen:
    """Draws a picture over the one before it."""

    def __init__(self) -> None:
        self.picture: Picture | None = None
        self._height = 0

    async def draw_forever(self) -> None:
        while True:
            self.draw()
            await asyncio.sleep(_FRAME)

    def draw(self, *, whole: bool = False) -> None:
        """Draws as much as the terminal has room for, or all of it."""
        if self.picture is None:
            return
        from pepperpy.commands._graph_lines import picture_lines
        from pepperpy_bus.units import now

        lines = picture_lines(self.picture, now(), colour=True)
        room = shutil.get_terminal_size().lines - 2
        if len(lines) > room and not whole:
            lines = [*lines[: room - 1], f"… {len(lines) - room + 1} more"]
        up = f"\x1b[{self._height}F\x1b[J" if self._height else ""
        sys.stdout.write(up + "\n".join(lines) + "\n")
        sys.stdout.flush()
        self._height = len(lines)


def _read(file: Path) -> "GraphSpec":
    """The graph of a file, or the one that the team in it is."""
    from pepperpy_bus.graphs.files import declares_team, read_graph

    piped = str(file) == "-"
    text = sys.stdin.buffer.read() if piped else file.read_bytes()
    origin = "stdin" if piped else str(file)
    if declares_team(text):
        from pepperpy_agents.teams.files import read_team

        return read_team(text, origin=origin).graph.declared
    return read_graph(text, origin)


def _print_mermaid(picture: "Picture") -> None:
    from pepperpy_bus.graphs.mermaid import mermaid

    typer.echo(mermaid(picture), nl=False)
