"""The way to a server, and what it is told of us: nothing that it could ask back for."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from importlib.metadata import version
from typing import Any, Final

import mcp_types as types
from mcp import Client

from pepperpy_agents.mcp.declared import MCPServer
from pepperpy_bus.units import parse_duration

_CONNECT: Final = 10.0
"""Seconds for a connection to an address."""


@contextlib.asynccontextmanager
async def dialed(name: str, server: MCPServer, over: asyncio.Event) -> AsyncIterator[Client]:
    """Opens a session with a server.

    It may not ask for models, for files or for people: we offer none of that. Nothing of it is
    cached: what it says is compared each time.

    Args:
        name: The server, for logs.
        server: Where it is.
        over: Is set when its process has ended.
    """
    client = Client(
        _transport(name, server, over),
        client_info=types.Implementation(name="pepperpy", version=version("pepperpy")),
        cache=None,
    )
    async with client:
        yield client


def _transport(name: str, server: MCPServer, over: asyncio.Event) -> Any:
    if server.command:
        from pepperpy_agents.mcp.process import started

        return started(name, server, over)
    return _over_http(server)


@contextlib.asynccontextmanager
async def _over_http(server: MCPServer) -> AsyncIterator[tuple[Any, Any]]:
    """Redirects are followed within the server's origin alone, as the library has it."""
    import httpx2
    from mcp.client.streamable_http import streamable_http_client

    from pepperpy_agents.mcp.bounded import LARGEST, Bounded

    # A call may say nothing for as long as it has time.
    seconds = httpx2.Timeout(parse_duration(server.timeout), connect=_CONNECT)
    async with (
        httpx2.AsyncClient(
            headers=server.headers, timeout=seconds, transport=Bounded(), trust_env=False
        ) as http,
        streamable_http_client(server.url, http_client=http, max_sse_event_size=LARGEST) as streams,
    ):
        yield streams
