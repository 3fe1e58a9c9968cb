"""Our MCP server at work: over this process's stdin and stdout, or over HTTP."""

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from pepperpy_agents.mcp.guarding import Guarded, accepted, refuse_open
from pepperpy_agents.mcp.pipes import LONGEST, lines
from pepperpy_bus.logs import get_log

if TYPE_CHECKING:
    from mcp.server.lowlevel import Server

log = get_log("pepperpy.mcp")

PATH: Final = "/mcp"
_GRACE: Final = 5
"""Seconds that running calls have at the end; then they are canceled, with their tasks."""
_LARGEST: Final = 4 * 1024 * 1024
"""Bytes of a request."""


async def serve_stdio(server: "Server[Any]", stop: asyncio.Event) -> None:
    """Serves whoever started this process, until it closes our stdin.

    What anything here prints goes to stderr meanwhile: stdout has nothing but the protocol.
    """
    over = asyncio.Event()
    async with _standard_streams() as (reader, writer), lines(reader, writer, over) as streams:
        options = server.create_initialization_options()
        serving = asyncio.create_task(server.run(*streams, options), name="mcp-serve")
        stopped = asyncio.create_task(stop.wait(), name="mcp-stop")
        try:
            await asyncio.wait({serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in (serving, stopped):
                one.cancel()
            ended, _ = await asyncio.gather(serving, stopped, return_exceptions=True)
    if isinstance(ended, Exception):
        raise ended


@contextlib.asynccontextmanager
async def _standard_streams() -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    loop = asyncio.get_running_loop()
    sys.stdout.flush()
    with os.fdopen(os.dup(0), "rb", 0) as heard, os.fdopen(os.dup(1), "wb", 0) as said:
        os.dup2(2, 1)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        reader = asyncio.StreamReader(LONGEST, loop)
        incoming, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader, loop=loop), heard
        )
        outgoing, protocol = await loop.connect_write_pipe(
            lambda: asyncio.streams.FlowControlMixin(loop), said
        )
        try:
            yield reader, asyncio.StreamWriter(outgoing, protocol, None, loop)
        finally:
            incoming.close()
            outgoing.close()


async def serve_http(
    server: "Server[Any]",
    host: str,
    port: int,
    stop: asyncio.Event,
    *,
    token: str = "",
    allowed: Iterable[str] = (),
    ready: "asyncio.Future[str] | None" = None,
) -> None:
    """Serves over streamable HTTP until the event is set.

    Args:
        server: The server.
        host: Where it listens.
        port: Where it listens; 0 takes a free one.
        stop: Ends it.
        token: What callers must have, as ``Authorization: Bearer …``.
        allowed: Names besides the host's by which callers may call it.
        ready: Gets the address.

    Raises:
        BadConfig: Others than this machine could call, and nothing would keep them out.
    """
    names = tuple(allowed)
    refuse_open(host, token, names)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host.strip("[]"), port), family=family) as listening:
        port = listening.getsockname()[1]
        app = server.streamable_http_app(
            streamable_http_path=PATH,
            host=host,
            transport_security=accepted(host, port, names),
            max_request_body_size=_LARGEST,
        )
        web = _web(Guarded(app, token))
        address = f"http://{host}:{port}{PATH}"
        serving = asyncio.create_task(web.serve(sockets=[listening]), name="mcp-http")
        log.info("mcp.serving", address=address)
        if ready is not None:
            ready.set_result(address)
        stopped = asyncio.create_task(stop.wait(), name="mcp-stop")
        try:
            await asyncio.wait({serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            web.should_exit = True
            stopped.cancel()
            await serving


def _web(app: Any) -> Any:
    """The web server, which leaves the process's signals alone."""
    import uvicorn

    class Web(uvicorn.Server):
        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    return Web(
        uvicorn.Config(
            app,
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_GRACE,
        )
    )
