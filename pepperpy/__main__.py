"""The command line: `pepperpy COMMAND`.

Every command is a module ``pepperpy/commands/<name>.py`` that is imported when it is called, never
for ``--help``. To add one, write the module and its line in `COMMANDS`. The module has either

- ``command``: the function of a command without subcommands, with typer's annotations (and, where
  it must read its arguments in a way of its own, ``command_class``, a subclass of `TyperCommand`);
- ``app``: a `typer.Typer` with the subcommands of a group.

What they share is in ``pepperpy/commands/_session.py`` (settings, connection) and ``_output.py``:
stdout is data, stderr is talk. A command raises `PepperError` for what goes wrong, `TimeoutError`
for what takes too long, `typer.BadParameter` for wrong usage, and `typer.Exit` with a code when it
has said everything itself. Exit codes: 0 ok, 1 failed, 2 usage, 3 unreachable, 124 timed out.
"""

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import typer
from typer._completion_classes import completion_init
from typer.core import TyperCommand, TyperGroup


class Entry(NamedTuple):
    """A command as the overview lists it.

    Attributes:
        group: The heading above it.
        summary: One line; the module itself is not imported for it.
    """

    group: str
    summary: str


COMMANDS: dict[str, Entry] = {
    "up": Entry("Run", "Start a broker and workers here, in one terminal."),
    "worker": Entry("Run", "Run an agent: pepperpy worker module:agent."),
    "edge": Entry("Run", "Take tasks over HTTP, for people and programs without NATS."),
    "init": Entry("Run", "Write a new project with an agent, a test and a compose file."),
    "chat": Entry("Models", "Ask a model: one question, or a conversation at the terminal."),
    "models": Entry("Models", "List the models that you may ask for, and what they cost."),
    "tools": Entry("Models", "List, show and try the tools that models may call."),
    "mcp": Entry("Models", "Serve agents and tools over MCP, and look at servers that agents use."),
    "provider": Entry("Models", "Show targets, limits and spending; run the provider service."),
    "memory": Entry("Memory", "Remember, find and take in texts; run the memory service."),
    "templates": Entry("Models", "List, show and render prompt templates."),
    "publish": Entry("Tasks", "Submit a task, and wait for its result when asked to."),
    "result": Entry("Tasks", "Print what a task returned."),
    "watch": Entry("Tasks", "Follow one task: events, live output, end."),
    "explain": Entry("Tasks", "Tell what happened to a task: attempts, steps, waits, end."),
    "trace": Entry("Tasks", "Show everything that a task set off: calls, children, times."),
    "rerun": Entry("Tasks", "Do a task again, from its beginning or from a step on."),
    "shadow": Entry("Tasks", "Feed live inputs to another version, and compare what it returns."),
    "cancel": Entry("Tasks", "End tasks with all their children."),
    "questions": Entry("Tasks", "List what tasks ask people now."),
    "answer": Entry("Tasks", "Answer what a task asks."),
    "graph": Entry("Tasks", "Check, run and draw graphs of tasks that depend on each other."),
    "dlq": Entry("Tasks", "List, show, replay and drop the tasks that failed for good."),
    "budget": Entry("Tasks", "Show what a task and its descendants may spend, and have spent."),
    "schedules": Entry("Tasks", "List, pause, resume and remove what is submitted later."),
    "reason": Entry("Think", "Answer what follows from facts and rules in a file, with proofs."),
    "decide": Entry("Think", "Rank options by weighted criteria, and say why it is this order."),
    "solve": Entry("Think", "Find values that meet constraints, or which exclude each other."),
    "plan": Entry("Think", "Plan actions, schedules, tasks and goals, from a file."),
    "route": Entry("Think", "Show learned routers and switch them: off, shadow, live."),
    "tail": Entry("Look", "Follow the events of everything, or of a pattern."),
    "top": Entry("Look", "Watch topics, queues and instances, live."),
    "monitor": Entry("Look", "Show what the monitor sees; run it with its dashboard."),
    "alerts": Entry("Look", "Show alerts and their rules; silence, test, check, export them."),
    "audit": Entry("Look", "Find who did what, and check that nobody changed what is written."),
    "agents": Entry("Look", "List the running agents; pause, resume and drain them."),
    "shards": Entry("Look", "List the shards of keyed tasks: owner, load, lag, last move."),
    "resources": Entry("Look", "List, define and remove shared resources: who holds, who waits."),
    "schema": Entry("Look", "Show, export and compare the schemas of messages and topics."),
    "bus": Entry("Operate", "Compare the broker's streams with the declared ones, and mend them."),
    "config": Entry("Operate", "Show, check and migrate the settings."),
    "doctor": Entry("Operate", "Check this machine and the broker, with the fix for each fault."),
    "health": Entry("Operate", "Ask a worker or a broker whether it is well."),
    "completion": Entry("Operate", "Print the completion script for a shell."),
}
"""Every command, in the order of the overview; ``pepperpy.commands.<name>`` is its module."""


class Overview(TyperGroup):
    """The commands by name; the module of one is imported when it is called."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        # Stand-ins: enough for the overview, for suggestions and for completion.
        self.commands = {
            name: TyperCommand(name, help=entry.summary) for name, entry in COMMANDS.items()
        }

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Puts the real command in the place of its stand-in."""
        name, stand_in, rest = super().resolve_command(ctx, args)
        return name, stand_in and load_command(str(stand_in.name)), rest

    def invoke(self, ctx: Any) -> Any:
        """Runs the command; a reader who has gone away is no error to talk about."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            from pepperpy.commands._failure import explain

            raise typer.Exit(explain(error)) from None

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - the library's
        """Writes the commands under their headings."""
        for group in dict.fromkeys(entry.group for entry in COMMANDS.values()):
            rows = [(name, e.summary) for name, e in COMMANDS.items() if e.group == group]
            with formatter.section(group):
                formatter.write_dl(rows, col_max=12)


def load_command(name: str) -> Any:
    """Imports the module of a command and returns it for the parser."""
    module = importlib.import_module(f"pepperpy.commands.{name}")
    if hasattr(module, "app"):
        module.app.rich_markup_mode = None
        return typer.main.get_group(module.app)
    single = typer.Typer(add_completion=False, rich_markup_mode=None)
    single.command(name, cls=getattr(module, "command_class", None))(module.command)
    return typer.main.get_command(single)


def overview() -> TyperGroup:
    """Returns the whole command line for the parser."""
    # Without typer's own options --install-completion and --show-completion nobody else does it.
    completion_init()
    return typer.main.get_group(app)


app = typer.Typer(
    name="pepperpy",
    cls=Overview,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"pepperpy {version('pepperpy')}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def options(
    ctx: typer.Context,
    nats: Annotated[
        str | None, typer.Option(metavar="URL", help="Address of the broker.", show_default=False)
    ] = None,
    context: Annotated[
        str | None, typer.Option(metavar="NAME", help="The context: a named set of settings.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The settings file to read.")
    ] = None,
    prefix: Annotated[
        str | None, typer.Option(metavar="WORD", help="First token of the deployment's subjects.")
    ] = None,
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"] | None,
        typer.Option(help="The least level that is logged; debug shows tracebacks."),
    ] = None,
    log_format: Annotated[
        Literal["human", "json", "auto"] | None, typer.Option(help="The form of the logs.")
    ] = None,
    version: Annotated[  # noqa: ARG001 - its callback does the work
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Tasks, events and agents over a NATS bus.

    Settings come from pepperpy.toml, PEPPERPY_… and the options here: pepperpy config show.
    """
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())
        raise typer.Exit
    from pepperpy.commands._session import Options

    ctx.obj = Options(
        nats=nats,
        context=context,
        config=config,
        prefix=prefix,
        log_level=log_level,
        log_format=log_format,
    )


def _health(arguments: list[str]) -> int | None:
    """The exit code of a plain `pepperpy health`, which containers ask every few seconds."""
    if arguments[:1] != ["health"]:
        return None
    from pepperpy.commands.health import quick

    return quick(arguments[1:])


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns the exit code.

    Args:
        arguments: What follows the program's name; by default this process's.
    """
    try:
        code = _health(sys.argv[1:] if arguments is None else list(arguments))
        if code is None:
            code = overview().main(arguments, prog_name="pepperpy", standalone_mode=False)
        sys.stdout.flush()
    except Exception as error:
        from pepperpy.commands._failure import explain

        return explain(error)
    return code if isinstance(code, int) else 0


if __name__ == "__main__":
    sys.exit(main())
