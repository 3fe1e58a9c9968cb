"""Tools on the bus: offered by programs of any language, and called by agents anywhere.

All are operations of the service ``tool``. What one takes, its program tells whoever asks for it:
in the metadata of its endpoint there are ``tool`` (its name), ``schema`` (JSON Schema of its
arguments) and ``timeout`` (seconds). What comes from there is somebody else's word: a schema is
checked before it is used, and a name that is not the endpoint's own does not count.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, Final

from pepperpy_agents.tools.running import CONCURRENCY, Toolbox, ToolLimits
from pepperpy_agents.tools.scopes import Grants
from pepperpy_agents.tools.tool import DEFAULT_TIMEOUT, Tool, ToolUse
from pepperpy_bus.client import Client
from pepperpy_bus.logs import get_log
from pepperpy_bus.services.calls import call
from pepperpy_bus.services.finding import FoundEndpoint, find_services
from pepperpy_bus.services.service import Call, Endpoint, Service
from pepperpy_bus.trust.principals import principal_of
from pepperpy_bus.units import BadUnit, parse_duration
from pepperpy_schemas.catalog.tools import TOOL_SERVICE
from pepperpy_schemas.chat import ToolCall
from pepperpy_schemas.codec import decode, encode
from pepperpy_schemas.errors import BadConfig, BadPayload, NotFound, PepperError
from pepperpy_schemas.schema_check import schema_check
from pepperpy_schemas.tokens import TOKEN
from pepperpy_schemas.tools import ToolReply, ToolRequest

log = get_log("pepperpy.tools")

SCOPE: Final = "service"
"""A call of the tool ``weather`` on the bus needs ``service:weather``."""
LARGEST_SCHEMA: Final = 65_536
"""Bytes of a schema that a program tells."""
LONGEST_DESCRIPTION: Final = 2000
"""Characters of a description that a program tells."""
_PATIENCE: Final = 2.0
"""Seconds more to wait for a service's own word that it was too slow."""


@contextlib.asynccontextmanager
async def serve_tools(
    client: Client,
    tools: Iterable[Tool],
    *,
    grants: Grants | Iterable[str] = (),
    version: str = "0.1.0",
    concurrency: int = CONCURRENCY,
    limits: ToolLimits | None = None,
) -> AsyncIterator[Service]:
    """Offers tools on the bus while the block runs; calls are told of as events.

    Args:
        client: The client; its user must have the role worker where the broker knows roles.
        tools: The tools.
        grants: What calls may do here, whoever calls.
        version: Semantic version of what is offered.
        concurrency: Calls that run at once.
        limits: What a call may be.

    Raises:
        BadConfig: A tool works within a task only, or two have the same name.
    """
    async with client.emitter() as emitter:
        toolbox = Toolbox(
            tools,
            grants=grants,
            concurrency=concurrency,
            limits=limits or ToolLimits(),
            emitter=emitter,
        )
        service = Service(
            client.connection,
            client.prefix,
            TOOL_SERVICE,
            version=version,
            description="Tools that models may call.",
            endpoints=[_endpoint(toolbox, one) for one in toolbox],
            concurrency=concurrency,
            threshold=client.settings.bus.blob_threshold,
        )
        async with service:
            yield service


async def discover(client: Client) -> list[Tool]:
    """Returns the tools that programs offer on the bus now, by name.

    Where programs of several versions offer the same one, the newest says what it takes. A tool
    that tells nonsense of itself is left out, with a line in the log.

    Args:
        client: The client, which also calls them.
    """
    found: dict[str, Tool] = {}
    for service in await find_services(client.connection, TOOL_SERVICE):
        for endpoint in service.endpoints:
            if endpoint.name in found or TOKEN.fullmatch(endpoint.name) is None:
                continue
            try:
                found[endpoint.name] = _read(endpoint, client)
            except (PepperError, ValueError) as error:
                log.warning("tools.not_offered", tool=endpoint.name, error=str(error))
    return [found[name] for name in sorted(found)]


def service_tool(name: str) -> Tool:
    """Returns a tool on the bus by its name; what it takes is looked up before it is called.

    Raises:
        BadConfig: The name is none.
    """

    async def find(client: Client) -> Sequence[Tool]:
        there = await discover(client)
        fitting = [one for one in there if one.alias == name.replace(".", "_")]
        if not fitting:
            raise NotFound(
                f"nobody offers the tool {name} on the bus",
                hint="list those that there are with: pepperpy tools ls",
            )
        return fitting

    return _tool(name, "", {"type": "object"}, DEFAULT_TIMEOUT, None, find=find)


def _endpoint(toolbox: Toolbox, tool: Tool) -> Endpoint:
    if tool.journaled or tool.find is not None:
        raise BadConfig(
            f"{tool.name} cannot be offered: it is another agent's, or works for a task only",
            hint="offer functions; agents are asked by their topics",
        )

    async def answer(request: ToolRequest, call: Call) -> ToolReply:
        asked = ToolCall(request.call or call.id, tool.alias, encode(request.arguments).decode())
        use = ToolUse(caller=call.principal, deadline=call.deadline or None)
        return ToolReply(await toolbox.do(asked, use))

    return Endpoint(
        op=tool.alias,
        request=ToolRequest,
        reply=ToolReply,
        handler=answer,
        doc=tool.description,
        metadata={
            "tool": tool.name,
            "schema": encode(tool.parameters).decode(),
            "timeout": f"{tool.timeout:g}",
        },
    )


def _read(endpoint: FoundEndpoint, client: Client) -> Tool:
    """A tool as its program tells of it.

    Raises:
        PepperError: It tells nonsense.
    """
    told: Mapping[str, str] = endpoint.metadata or {}
    name = told.get("tool", endpoint.name)
    if name.replace(".", "_") != endpoint.name:
        name = endpoint.name
    written = told.get("schema", "")
    if len(written) > LARGEST_SCHEMA:
        raise BadPayload(f"its schema has {len(written)} characters")
    schema = decode(written.encode(), dict[str, Any]) if written else {"type": "object"}
    schema_check(encode(schema), f"the parameters of {name}")
    try:
        timeout = parse_duration(told.get("timeout", "") or DEFAULT_TIMEOUT)
    except BadUnit:
        timeout = DEFAULT_TIMEOUT
    description = told.get("description", "")[:LONGEST_DESCRIPTION]
    return _tool(name, description, schema, timeout or DEFAULT_TIMEOUT, client)


def _tool(
    name: str,
    description: str,
    schema: dict[str, Any],
    timeout: float,
    client: Client | None,
    *,
    find: Any = None,
) -> Tool:
    op = name.replace(".", "_")

    async def ask(arguments: dict[str, Any], use: ToolUse) -> Any:
        asking = client if use.ctx is None else use.ctx.client
        if asking is None:
            raise NotFound(f"the tool {name} was not looked up")
        request = ToolRequest(
            arguments=arguments, agent=use.caller[:200], task=use.ctx.task_id if use.ctx else ""
        )
        reply = await call(
            asking.connection,
            asking.prefix,
            TOOL_SERVICE,
            op,
            request,
            principal=principal_of(asking.connection.options.inbox_prefix),
            type=ToolReply,
            timeout=_left(timeout, use),
            patience=_PATIENCE,
            threshold=asking.settings.bus.blob_threshold,
        )
        return reply.result

    return Tool(
        name=name,
        description=description,
        parameters=schema,
        call=ask,
        needs=lambda _: (f"{SCOPE}:{op}",),
        timeout=timeout,
        find=find,
    )


def _left(timeout: float, use: ToolUse) -> float:
    """The seconds that the service gets, a little before the wait for it ends."""
    left = timeout
    if use.deadline is not None:
        left = min(left, use.deadline - asyncio.get_running_loop().time())
    return max(left, 0.001)
