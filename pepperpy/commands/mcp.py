"""`pepperpy mcp`: our agents and tools for clients of MCP, and theirs that are declared here."""

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pepperpy_bus.client import Client
    from pepperpy_bus.config import Loaded

app = typer.Typer(
    help="Serve agents and tools over MCP, and look at the MCP servers that agents may use.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

AT_ONCE = 64
"""Calls that run at once: an agent may take minutes."""

AGENTS = typer.Option("--agent", "-a", metavar="TOPIC", help="Offer whoever takes this topic.")
TOOLS = typer.Option("--tool", "-t", metavar="TOOL", help="Offer a tool, as agents name it.")
GRANTS = typer.Option("--grant", metavar="SCOPE", help="A scope that calls may need.")
HTTP = typer.Option(metavar="HOST:PORT", help="Serve over HTTP there; port 0 takes a free one.")
NAMES = typer.Option(
    "--allow-host", metavar="NAME[:PORT]", help="A name more by which callers may call it."
)


@app.command()
def serve(
    ctx: typer.Context,
    agents: Annotated[list[str] | None, AGENTS] = None,
    tools: Annotated[list[str] | None, TOOLS] = None,
    grants: Annotated[list[str] | None, GRANTS] = None,
    http: Annotated[str | None, HTTP] = None,
    allow_host: Annotated[list[str] | None, NAMES] = None,
    timeout: Annotated[
        str, typer.Option(metavar="DURATION", help="How long an agent's task may take.")
    ] = "10m",
) -> None:
    """Serve agents and tools to clients of MCP: over stdin and stdout, or over HTTP.

    A call of an agent is a task: it is watched, and canceled with the call.
    """
    from pepperpy_agents.mcp.asking import settled, topic_tool
    from pepperpy_agents.tools.resolving import resolve_all
    from pepperpy_agents.tools.scopes import Grants
    from pepperpy_bus.units import parse_duration

    if not agents and not tools:
        raise typer.BadParameter("name what is offered: --agent TOPIC or --tool TOOL")
    host, port = _address(http) if http else ("", 0)
    loaded = _settings(ctx)
    offered, granted = resolve_all(tools or [])
    granted += Grants.of([*(grants or []), *(f"agent:{topic}" for topic in agents or [])])
    seconds = parse_duration(timeout)
    asked = [topic_tool(topic, timeout=seconds) for topic in agents or []]

    async def work() -> None:
        from pepperpy_agents.tools.running import Toolbox
        from pepperpy_bus.opening import connect
        from pepperpy_bus.process.running import stop_on_signals

        stop = asyncio.Event()
        async with (
            connect(settings=loaded.settings, source="mcp") as client,
            client.emitter() as emitter,
        ):
            toolbox = Toolbox(
                [*asked, *offered], grants=granted, concurrency=AT_ONCE, emitter=emitter
            )
            try:
                await _library("offering").looked_up(toolbox, client)
                stop_on_signals(stop)
                await _serve(toolbox, client, stop, host, port, allow_host or [])
            finally:
                # Who has left has canceled what was asked, and nobody else would say so.
                await settled()
                await toolbox.close()

    asyncio.run(work())


@app.command("ls")
def list_(
    ctx: typer.Context,
    server: Annotated[
        str | None, typer.Argument(metavar="[SERVER]", help="Start it, and list its tools.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the declared MCP servers, or the tools of one as models are told of them."""
    from pepperpy.commands._output import print_rows
    from pepperpy.commands._session import start
    from pepperpy_agents.mcp.declared import read_servers

    settings = start(ctx).settings
    if server is None:
        path = settings.tools.mcp
        servers = read_servers(path) if path is not None else {}
        rows = [
            {"server": name, "where": one.url or " ".join((one.command, *one.args))}
            for name, one in servers.items()
        ]
        print_rows(rows, as_json=as_json)
        return
    from pepperpy_agents.mcp.tools import connected

    async def look() -> list[dict[str, str]]:
        connection = connected(settings, server)
        try:
            found = await connection.tools()
        finally:
            await connection.close()
        return [{"tool": f"mcp:{server}.{one.called}", "says": one.description} for one in found]

    print_rows(asyncio.run(look()), as_json=as_json)


async def _serve(
    toolbox: Any, client: "Client", stop: asyncio.Event, host: str, port: int, names: list[str]
) -> None:
    from pepperpy.commands._failure import say

    serving = _library("serving")
    server = _library("offering").offered(toolbox, client)
    if not host:
        await serving.serve_stdio(server, stop)
        return
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    ready.add_done_callback(lambda done: say(f"serving at {done.result()}"))
    token = client.settings.tools.mcp_token.get_secret_value()
    await serving.serve_http(server, host, port, stop, token=token, allowed=names, ready=ready)


def _settings(ctx: typer.Context) -> "Loaded":
    """The settings, with the login of a stack that runs here: what is offered works as a worker."""
    from pepperpy.commands._login import login_beside
    from pepperpy.commands._session import options_of, start
    from pepperpy_bus.config import load

    loaded = start(ctx)
    login = login_beside(loaded)
    if not login:
        return loaded
    options = options_of(ctx)
    return load(flags=options.flags(), config=options.config, context=login)


def _library(module: str) -> Any:
    """A module of ours that needs the package mcp."""
    import importlib

    from pepperpy_bus.installing import install
    from pepperpy_schemas.errors import BadConfig

    try:
        importlib.import_module("mcp")
    except ModuleNotFoundError:
        raise BadConfig("serving needs the package mcp", hint=install("mcp")) from None
    return importlib.import_module(f"pepperpy_agents.mcp.{module}")


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65_535:
        raise typer.BadParameter(f"{text!r} is no HOST:PORT", param_hint="--http")
    return host.strip("[]"), int(port)
