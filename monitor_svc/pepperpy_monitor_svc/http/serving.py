"""A web server with limits on everything that a client can make it wait for or keep."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from aiohttp import web

from pepperpy_bus.logs import get_log
from pepperpy_schemas.errors import BadConfig

log = get_log("pepperpy.http")

_IDLE: Final = 20.0
"""Seconds that a connection may take to send the head of a request, its first or its next."""
_HEAD: Final = 8190
"""Bytes of a line of a request's head."""
_BACKLOG: Final = 128
MOST: Final = 2048
"""Connections at once: each keeps some memory, whoever has opened it."""


def url_of(host: str, port: int) -> str:
    """Returns where a person on this machine finds what listens there."""
    bare = host.strip("[]")
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(bare, bare)  # noqa: S104 - is shown
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


@contextlib.asynccontextmanager
async def serving(
    app: web.Application,
    host: str,
    port: int,
    *,
    grace: float,
    setting: str,
    drain: Callable[[], Awaitable[None]] | None = None,
) -> AsyncIterator[int]:
    """Serves an application while the context is open; yields the port.

    Args:
        app: The application.
        host: Where it listens.
        port: Where it listens; 0 takes a free one.
        grace: Seconds that running requests may take at the end.
        setting: The section of settings that says so, for the error.
        drain: Is waited for at the end, while who asks still gets an answer.

    Raises:
        BadConfig: It cannot listen there.
    """
    runner = web.AppRunner(
        app,
        handle_signals=False,
        access_log=None,
        keepalive_timeout=_IDLE,
        max_line_size=_HEAD,
        max_field_size=_HEAD,
        lingering_time=2.0,
        shutdown_timeout=grace,
        handler_cancellation=True,
        auto_decompress=False,
    )
    await runner.setup()
    try:
        async with _accepting(runner, _listening(host, port, setting)) as taken:
            yield taken
            if drain is not None:
                await drain()
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def _accepting(runner: web.AppRunner, listening: socket.socket) -> AsyncIterator[int]:
    """Takes connections, but no more than there may be at once; yields the port."""
    server, port = runner.server, int(listening.getsockname()[1])
    assert server is not None

    def accept() -> asyncio.BaseProtocol:
        return server() if len(server.connections) < MOST else _Full()

    loop = asyncio.get_running_loop()
    accepting = await loop.create_server(accept, sock=listening, backlog=_BACKLOG)
    try:
        yield port
    finally:
        accepting.close()


class _Full(asyncio.Protocol):
    """A connection that is one too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.abort()


def _listening(host: str, port: int, setting: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host.strip("[]"), port), family=family)
    except OSError as error:
        raise BadConfig(
            f"{setting}.port {port} on {host} cannot be used: {error.strerror or error}",
            hint="choose another one, or 0 for a free one: --port, or "
            f"PEPPERPY_{setting.upper()}_PORT",
        ) from error
