"""Asking a web server: each hop is allowed first, and goes to the address that was checked.

The name is resolved here, once a connection, and the connection is made to what came out; a second
answer of the name's owner is never asked for. Proxies of the environment are not used: they would
resolve for themselves.
"""

import asyncio
import functools
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final
from urllib.parse import urljoin

import httpcore2
import msgspec

from pepperpy_agents.tools.builtin.addresses import (
    Address,
    Target,
    bracketed,
    not_public,
    parse,
    read_url,
    resource,
)
from pepperpy_agents.tools.builtin.bodies import Body
from pepperpy_agents.tools.builtin.metering import Meter
from pepperpy_agents.tools.threads import in_thread
from pepperpy_schemas.errors import NotGranted, ToolFailed, ToolTimeout

Resolve = Callable[[str, int], Awaitable[Iterable[str]]]
"""Returns the addresses of a host, which may be one itself."""

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_KEEP_METHOD: Final = frozenset({307, 308})
_CONNECT: Final = 10.0
"""Seconds that one address has for a connection."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much one call may take.

    Attributes:
        page: Bytes of the answer that are kept, unpacked.
        seconds: From the first look-up to the last byte.
        redirects: Most redirects.
        ratio: How many bytes a packed byte may become.
    """

    page: int
    seconds: float
    redirects: int
    ratio: int


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of a server.

    Attributes:
        method: ``get`` or ``post``.
        url: Where.
        headers: What is said besides.
        body: What is sent.
    """

    method: str
    url: str
    headers: dict[str | bytes, str | bytes] = {}
    body: bytes | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came back.

    Attributes:
        url: Where from, after redirects.
        status: The HTTP status.
        content_type: As the server says.
        text: The body.
        cut: Whether there was more.
    """

    url: str
    status: int
    content_type: str
    text: str
    cut: bool


class Guard(msgspec.Struct, frozen=True):
    """Who may be asked.

    Attributes:
        host: Whether a method may be used at a host, as scopes name it.
        exactly: The same, for an address that is not public: whether it was granted by itself.
        resolve: Finds the addresses of a host.
    """

    host: Callable[[str, str], bool]
    exactly: Callable[[str, str], bool]
    resolve: Resolve


async def fetch(request: Request, guard: Guard, limits: Limits) -> Answer:
    """Asks a server, follows its redirects, and returns the answer.

    Raises:
        NotGranted: The host, or that of a redirect, is not allowed, or its address is not public.
        ToolTimeout: It took too long.
        TooLarge: It unpacks to far more than it is.
        ToolFailed: There is no such host, no answer, too many redirects, or no text.
    """
    try:
        async with asyncio.timeout(limits.seconds):
            for _ in range(limits.redirects + 1):
                answer = await _hop(request, guard, limits)
                if isinstance(answer, Answer):
                    return answer
                request = answer
    except TimeoutError:
        raise ToolTimeout(f"{request.url} took longer than {limits.seconds:g} s") from None
    raise ToolFailed(f"more than {limits.redirects} redirects, the last one to {request.url}")


async def _hop(request: Request, guard: Guard, limits: Limits) -> Answer | Request:
    target = read_url(request.url)
    if not guard.host(request.method, target.resource):
        scope = f"http.{request.method}:{target.resource}"
        raise NotGranted(f"{target.url} is not granted: {scope}", context={"scopes": [scope]})
    meter = Meter()
    pool = httpcore2.AsyncConnectionPool(
        ssl_context=trusted() if target.scheme == "https" else None,
        network_backend=_Checked(guard, request.method, meter),
        max_connections=1,
    )
    try:
        async with (
            pool,
            pool.stream(
                request.method.upper(),
                httpcore2.URL(
                    scheme=target.scheme, host=target.host, port=target.port, target=target.path
                ),
                headers={**_SAID, **request.headers},
                content=request.body,
            ) as response,
        ):
            meter.answered = True
            headers = {
                name.decode("latin-1").lower(): value.decode("latin-1")
                for name, value in response.headers
            }
            if response.status in _REDIRECTS and "location" in headers:
                return _redirected(request, target, headers["location"], response.status)
            body = Body(headers.get("content-encoding", ""), most=limits.page, ratio=limits.ratio)
            async for piece in response.aiter_stream():
                if not body.add(piece):
                    break
    except (httpcore2.NetworkError, httpcore2.TimeoutException, httpcore2.ProtocolError) as error:
        why = str(error) or type(error).__name__
        raise ToolFailed(f"{target.url} cannot be read: {why}", retryable=True) from None
    content_type = headers.get("content-type", "")
    return Answer(
        url=target.url,
        status=response.status,
        content_type=content_type,
        text=body.text(content_type),
        cut=body.cut,
    )


def _redirected(request: Request, target: Target, location: str, status: int) -> Request:
    url = urljoin(target.url, location)
    if status in _KEEP_METHOD or request.method == "get":
        return msgspec.structs.replace(request, url=url)
    return Request(method="get", url=url)


@functools.cache
def trusted() -> ssl.SSLContext:
    """Returns the authorities that this machine trusts, read once."""
    return ssl.create_default_context()


async def resolve_by_system(host: str, port: int) -> Iterable[str]:
    """Returns the addresses that the machine's resolver has for a host."""
    # Not in the loop's own few threads: one who answers names slowly would hold up all others.
    found = await in_thread(socket.getaddrinfo, host=host, port=port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


class _Checked(httpcore2.AsyncNetworkBackend):
    """Connects to checked addresses only."""

    def __init__(self, guard: Guard, method: str, meter: Meter) -> None:
        self._guard = guard
        self._meter = meter
        self._method = method
        self._below = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        failure: Exception | None = None
        for address in await self._addresses(host, port):
            try:
                stream = await self._below.connect_tcp(
                    str(address), port, timeout or _CONNECT, local_address, socket_options
                )
                return self._meter.over(stream)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        assert failure is not None, "there is at least one address"
        raise failure

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ARG002 - as the protocol has it
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002
    ) -> httpcore2.AsyncNetworkStream:
        raise httpcore2.ConnectError(f"{path} is no address of the network")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def _addresses(self, host: str, port: int) -> list[Address]:
        try:
            resolved = await self._guard.resolve(host.strip("[]"), port)
        except (OSError, UnicodeError) as error:
            raise ToolFailed(f"the host {host} is not known: {error}") from None
        found = list(dict.fromkeys(parse(text) for text in resolved))
        if not found:
            raise ToolFailed(f"the host {host} has no address")
        refused = {}
        for address in found:
            why = not_public(address)
            if why and not self._guard.exactly(self._method, resource(bracketed(address), port)):
                refused[address] = why
        if len(refused) == len(found):
            address, why = next(iter(refused.items()))
            scope = f"http.{self._method}:{resource(bracketed(address), port)}"
            raise NotGranted(
                f"{host} is at {address}, {why}",
                hint=f"where that is meant, grant the address itself: {scope}",
                context={"scopes": [scope]},
            )
        return [address for address in found if address not in refused]


_SAID: Final[dict[str | bytes, str | bytes]] = {
    "User-Agent": "pepperpy",
    "Accept-Encoding": "gzip, deflate",
}
