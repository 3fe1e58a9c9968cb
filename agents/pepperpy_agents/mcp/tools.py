"""Tools of MCP servers as an agent's author writes them: ``mcp:github``, ``mcp:github.search``."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from pepperpy_agents.mcp.declared import NAME, declared_server
from pepperpy_agents.mcp.described import Described, name_of
from pepperpy_agents.tools.tool import Tool, ToolUse
from pepperpy_bus.installing import install
from pepperpy_schemas.errors import BadConfig, NotFound, ToolFailed, Unavailable

if TYPE_CHECKING:
    from pepperpy_agents.mcp.connection import Connection
    from pepperpy_bus.client import Client
    from pepperpy_bus.config import Settings

AREA: Final = "mcp"
"""A call of the tool ``search`` of the server ``github`` needs ``mcp:github.search``."""


def mcp_tool(written: str) -> Tool:
    """Returns the tool that stands for all tools of a server, or for one of them.

    The server is started when an agent first looks what its tools take, and ended with its worker.

    Args:
        written: The server's name, or that and a tool's: ``github.search``.

    Raises:
        BadConfig: No server can have that name.
    """
    name, dot, wanted = written.partition(".")
    if NAME.fullmatch(name) is None or (dot and not wanted):
        raise BadConfig(
            f"{AREA}:{written:.80} names no MCP server", hint="write mcp:SERVER or mcp:SERVER.TOOL"
        )
    holder = object()
    held: list[Connection] = []

    async def find(client: "Client") -> Sequence[Tool]:
        connection = connected(client.settings, name)
        connection.hold(holder)
        held[:] = [connection]
        try:
            offered = await connection.tools()
        except (Unavailable, ToolFailed) as error:
            raise NotFound(str(error)) from error
        called = name_of(name, wanted)
        fitting = [one for one in offered if not wanted or one.called == called]
        if wanted and not fitting:
            raise NotFound(
                f"the MCP server {name} has no tool {wanted!r:.80}",
                hint=f"it has {', '.join(one.called for one in offered)}",
            )
        return [_tool(connection, one) for one in fitting]

    async def call(arguments: dict[str, Any], use: ToolUse) -> Any:
        if not wanted or use.ctx is None:
            raise NotFound(f"the MCP server {name} has not said what it offers")
        (one,) = await find(use.ctx.client)
        return await one.call(arguments, use)

    async def close() -> None:
        for connection in held:
            await connection.leave(holder)

    return Tool(
        name=f"{AREA}.{name}.{name_of(name, wanted)}" if wanted else f"{AREA}.{name}",
        description="",
        parameters={"type": "object"},
        call=call,
        needs=lambda _: (scope_of(name, name_of(name, wanted) if wanted else ""),),
        find=find,
        close=close,
    )


def connected(settings: "Settings", name: str) -> "Connection":
    """Returns the connection to a declared server; nothing is started yet.

    Raises:
        NotFound: There is no such server.
        BadConfig: The package is missing, or the declaration is none.
    """
    try:
        import mcp  # noqa: F401 - to say what is missing
    except ModuleNotFoundError:
        raise BadConfig("tools of MCP servers need the package mcp", hint=install("mcp")) from None
    from pepperpy_agents.mcp.connection import connection_to

    return connection_to(name, declared_server(settings.tools.mcp, name))


def scope_of(server: str, called: str = "") -> str:
    """Returns the scope of a server's tool, or of all of them."""
    return f"{AREA}:{server}.{called}" if called else f"{AREA}:{server}"


def _tool(connection: "Connection", one: Described) -> Tool:
    async def call(arguments: dict[str, Any], use: ToolUse) -> Any:
        return await connection.call(one.name, arguments, use.tell)

    return Tool(
        name=f"{AREA}.{connection.name}.{one.called}",
        description=one.description,
        parameters=one.parameters,
        call=call,
        needs=lambda _: (scope_of(connection.name, one.called),),
        timeout=connection.timeout,
    )
