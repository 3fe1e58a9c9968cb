"""Agents and tools as an MCP server: what is listed, and what a call of it does."""

from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

import mcp_types as types
from mcp.server.lowlevel import Server

from pepperpy_agents.mcp.described import clean
from pepperpy_agents.tools.running import Toolbox
from pepperpy_agents.tools.tool import Tool, ToolUse
from pepperpy_schemas.chat import ToolCall
from pepperpy_schemas.codec import decode, encode
from pepperpy_schemas.errors import BadConfig, BadPayload, NotFound
from pepperpy_schemas.tokens import new_id

if TYPE_CHECKING:
    from pepperpy_bus.client import Client

_LEAST: Final = 1e-6
"""What progress rises by where nothing is known of it: the protocol wants it to rise."""
_CALLER: Final = 64


async def looked_up(toolbox: Toolbox, client: "Client") -> None:
    """Finds what the tools take, and refuses those that cannot be offered.

    Raises:
        NotFound: A topic was never announced, or a tool is nowhere.
        BadConfig: A tool works within a task only.
    """
    await toolbox.look_up(client)
    for one in toolbox:
        if one.journaled:
            raise BadConfig(
                f"{one.name} works within a task only", hint="offer the agent: --agent TOPIC"
            )
        if one.find is not None:
            await one.find(client)  # it says why
            raise NotFound(f"{one.name} was not found")


def offered(toolbox: Toolbox, client: "Client") -> "Server[Any]":
    """Returns the MCP server of a toolbox; every call is checked, granted and told of as others.

    Args:
        toolbox: The tools, agents among them.
        client: Looks up once a minute what they take.
    """

    async def list_tools(
        ctx: Any,  # noqa: ARG001 - as the library calls it
        params: types.PaginatedRequestParams | None,  # noqa: ARG001 - they stand on one page
    ) -> types.ListToolsResult:
        await toolbox.look_up(client)
        return types.ListToolsResult(tools=[_listed(one) for one in toolbox])

    async def call_tool(ctx: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        await toolbox.look_up(client)
        call = ToolCall(new_id(), params.name, encode(params.arguments or {}).decode())
        use = ToolUse(caller=_caller(ctx), grants=toolbox.grants, tell=_Progress(ctx).tell)
        result = await toolbox.run(call, use)
        return types.CallToolResult(
            content=[types.TextContent(type="text", text=result.content)],
            structured_content=None if result.error else _object(result.content),
            is_error=result.error,
        )

    return Server(
        "pepperpy",
        version=version("pepperpy"),
        instructions="Agents and tools on a PepperPy bus. Agents may take minutes.",
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


def _listed(one: Tool) -> types.Tool:
    return types.Tool(name=one.alias, description=one.description, input_schema=one.parameters)


def _caller(ctx: Any) -> str:
    """Who calls, as the client says of itself."""
    told = ctx.session.client_params
    name = clean(told.client_info.name, _CALLER) if told is not None else ""
    return f"mcp/{name}" if name else "mcp"


def _object(content: str) -> dict[str, Any] | None:
    """The result as JSON, where it is an object."""
    if not content.startswith("{"):
        return None
    try:
        return decode(content.encode(), dict[str, Any])
    except BadPayload:
        return None


class _Progress:
    """Tells the caller of one call how far it is."""

    def __init__(self, ctx: Any) -> None:
        self._session = ctx.session
        self._last = 0.0

    async def tell(self, fraction: float, line: str) -> None:
        self._last = max(fraction, self._last + _LEAST)
        await self._session.report_progress(self._last, 1.0, line)
