"""`pepperpy tools`: what models may call: list, show, try."""

import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pepperpy_agents.tools import Grants, Tool
    from pepperpy_bus.client import Client

app = typer.Typer(
    help="List, show and try tools: those built in, and those that programs offer on the bus.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Spec = Annotated[
    str,
    typer.Argument(
        metavar="TOOL",
        help="calculator, files.read:./papers, service:NAME, mcp:SERVER.TOOL, tools.py:name.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("ls")
def list_(
    ctx: typer.Context,
    built_in: Annotated[
        bool, typer.Option("--built-in", help="Only those built in; asks no broker.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List the tools by the names that agents write, with what they do."""
    from pepperpy.commands._output import print_rows
    from pepperpy.commands._session import run
    from pepperpy_agents.tools import resolving

    rows = [
        {"tool": one.name, "where": "built in", "does": _first_sentence(one)}
        for one in map(resolving.built_in, resolving.built_in_names())
    ]

    async def offered() -> "list[Tool]":
        from pepperpy_agents.tools.services import discover

        async with _client(ctx) as client:
            return await discover(client)

    if not built_in:
        rows += [
            {"tool": f"service:{one.name}", "where": "bus", "does": _first_sentence(one)}
            for one in run(offered())
        ]
    print_rows(rows, as_json=as_json)


@app.command()
def show(ctx: typer.Context, spec: Spec, as_json: Json = False) -> None:
    """Show what a tool does and takes, as models are told."""
    import msgspec

    from pepperpy.commands._output import cell, print_json
    from pepperpy.commands._session import run

    async def read() -> "Tool":
        async with _found(ctx, spec) as (one, _):
            return one

    one = run(read())
    if as_json:
        about = {"name": one.name, "description": one.description, "timeout": one.timeout}
        print_json({**about, "parameters": one.parameters})
        return
    schema = msgspec.json.format(msgspec.json.encode(one.parameters), indent=2).decode()
    told = "\n".join(cell(line) if line else "" for line in one.description.splitlines())
    typer.echo(f"{cell(one.name)}\n\n{told}\n\n{schema}")


@app.command()
def call(
    ctx: typer.Context,
    spec: Spec,
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[ARGUMENT]...",
            help="key=text, key:=JSON; or the whole as JSON, @file or - for stdin.",
        ),
    ] = None,
    grants: Annotated[
        list[str] | None,
        typer.Option("--grant", metavar="SCOPE", help="A scope that the call may need."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Call a tool as a model would, under the grants that you give, and print its result."""
    from pepperpy.commands._body import body_of
    from pepperpy.commands._output import print_json
    from pepperpy.commands._session import run, source
    from pepperpy_agents.tools import Grants, Toolbox, ToolUse
    from pepperpy_schemas.chat import ToolCall

    body = body_of(arguments or [], None) if arguments else b"{}"

    async def ask() -> str:
        async with _found(ctx, spec) as (one, granted):
            box = Toolbox([one], grants=granted + Grants.of(grants or []))
            return await box.do(ToolCall("cli", one.alias, body.decode()), ToolUse(caller=source()))

    result = run(ask())
    if as_json:
        print_json({"tool": spec, "result": _value(result)})
    else:
        typer.echo(result)


@contextlib.asynccontextmanager
async def _found(ctx: typer.Context, spec: str) -> "AsyncIterator[tuple[Tool, Grants]]":
    """The one tool that a spec names, looked up on the bus where it is there."""
    from pepperpy_agents.tools.resolving import resolve

    tools, granted = resolve(spec)
    if len(tools) > 1:
        names = ", ".join(one.name for one in tools)
        raise typer.BadParameter(f"name one of them: {names}", param_hint=spec)
    (one,) = tools
    if one.journaled:
        way = f"ask it by its topic: pepperpy publish {spec.partition(':')[2]} … --wait"
        raise typer.BadParameter(f"an agent works for tasks; {way}", param_hint=spec)
    if one.find is None:
        yield one, granted
        return
    async with _client(ctx) as client:
        found = await one.find(client)
        try:
            if len(found) != 1:
                names = ", ".join(there.name for there in found)
                raise typer.BadParameter(f"name one of them: {names}", param_hint=spec)
            yield found[0], granted
        finally:
            if one.close is not None:
                await one.close()


@contextlib.asynccontextmanager
async def _client(ctx: typer.Context) -> "AsyncIterator[Client]":
    """A client that makes nothing on the broker."""
    from pepperpy.commands._link import open_link
    from pepperpy.commands._session import source
    from pepperpy_bus.client import Client

    async with open_link(ctx) as link:
        yield Client(link.connection, link.settings, source=source())


def _first_sentence(one: "Tool") -> str:
    sentence, dot, _ = one.description.partition("\n")[0].partition(". ")
    return sentence + dot.strip()


def _value(result: str) -> Any:
    """What a tool returned: JSON as such, else a text."""
    import msgspec

    try:
        return msgspec.json.decode(result)
    except msgspec.DecodeError:
        return result
