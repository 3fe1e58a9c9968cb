"""A web server with limits on everything that a client can make it wait for or keep."""

import contextlib
import socket
from collections.abc import AsyncIterator
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


@contextlib.asynccontextmanager
async def serving(
    app: web.Application, host: str, port: int, *, grace: float, setting: str
) -> AsyncIterator[int]:
    """Serves an application while the context is open; yields the port.

    Args:
        app: The application.
        host: Where it listens.
        port: Where it listens; 0 takes a free one.
        grace: Seconds that running requests may take at the end.
        setting: The section of settings that says so, for the error.

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
        listening = _listening(host, port, setting)
        taken = int(listening.getsockname()[1])
        await web.SockSite(runner, listening, backlog=_BACKLOG).start()  # which closes it
        yield taken
    finally:
        await runner.cleanup()


def _listening(host: str, port: int, setting: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host.strip("[]"), port), family=family)
    except OSError as error:
        raise BadConfig(
            f"{setting}.port {port} on {host} cannot be used: {error.strerror or error}",
            hint=f"choose another one, or 0 for a free one: PEPPERPY_{setting.upper()}_PORT",
        ) from error
