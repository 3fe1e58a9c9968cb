"""``/livez`` and ``/readyz`` for containers and orchestrators.

Two paths of plain HTTP/1.1 need no web framework in every worker: idle memory is counted in
megabytes, and aiohttp alone takes ten.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from pepperpy_bus.logs import get_log
from pepperpy_schemas.errors import BadConfig

log = get_log("pepperpy.health")

_MAX_REQUEST = 8192
_PATIENCE = 5.0
Check = Callable[[], bool | Awaitable[bool]]


@contextlib.asynccontextmanager
async def serve_health(host: str, port: int, *, live: Check, ready: Check) -> AsyncIterator[int]:
    """Answers health checks while its context is open; yields the port.

    Args:
        host: Address to listen on.
        port: Port to listen on; 0 for a free one.
        live: Whether the process works at all.
        ready: Whether it takes tasks.

    Raises:
        BadConfig: The port is taken.
    """
    checks = {"/livez": live, "/readyz": ready}
    connected: set[asyncio.StreamWriter] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.add(writer)
        try:
            async with asyncio.timeout(_PATIENCE):
                request = await reader.readuntil(b"\r\n\r\n")
            writer.write(await _response(request, checks))
            await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            log.debug("health.bad_request")
        finally:
            connected.discard(writer)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    try:
        server = await asyncio.start_server(answer, host, port, limit=_MAX_REQUEST)
    except OSError as error:
        raise BadConfig(
            f"worker.health_port {port} on {host} cannot be used: {error.strerror}",
            hint="choose another one, or 0 for a free one: PEPPERPY_WORKER_HEALTH_PORT",
        ) from error
    async with server:
        try:
            yield int(server.sockets[0].getsockname()[1])
        finally:
            # From Python 3.12 on the server waits for its clients, and one may never say a word.
            server.close()
            for writer in connected:
                writer.transport.abort()


async def _response(request: bytes, checks: dict[str, Check]) -> bytes:
    method, _, rest = request.partition(b" ")
    path = rest.partition(b" ")[0].partition(b"?")[0].decode("latin-1")
    check = checks.get(path)
    if method not in (b"GET", b"HEAD") or check is None:
        status, body = "404 Not Found", b"not found\n"
    elif await _passes(check):
        status, body = "200 OK", b"ok\n"
    else:
        status, body = "503 Service Unavailable", b"not ready\n"
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + (b"" if method == b"HEAD" else body)


async def _passes(check: Check) -> bool:
    passed = check()
    return passed if isinstance(passed, bool) else await passed
