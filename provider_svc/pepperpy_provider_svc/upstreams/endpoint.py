"""A provider's address: its connections, and one SDK client for each key."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any, Final, Protocol, TypeVar

import httpx2
import msgspec

from pepperpy_bus.config.values import Secret
from pepperpy_provider_svc.upstreams.errors import Told, error_in, translated
from pepperpy_provider_svc.upstreams.sse import EventParser
from pepperpy_provider_svc.upstreams.upstream import ALIVE, Chunk
from pepperpy_schemas.errors import KeyRefused, PepperError, UpstreamFailed

T = TypeVar("T")

CONNECT_TIMEOUT: Final = 5.0
"""Seconds until a connection must be there."""
READ_TIMEOUT: Final = 600.0
"""Seconds of silence that end a call even if nobody else does."""

_LIMITS: Final = httpx2.Limits(
    max_connections=1000,
    max_keepalive_connections=200,
    # Some servers hang up after 5 s: a request on its way then would be lost.
    keepalive_expiry=4.0,
)
_MOST_CLIENTS: Final = 32
_NO_KEY: Final = "none"
_REST_TIMEOUT: Final = 0.1

_JSON: Final = {"headers": {"Content-Type": "application/json"}}
# The SDKs' own way to say that the body shall not be read yet.
_STREAMED: Final = {
    "headers": {"Content-Type": "application/json", "X-Stainless-Raw-Response": "stream"}
}
_NO_STREAM: Final = ("application/json", "text/html")


class Client(Protocol):
    """What both SDKs have: any request, signed with the key, errors by status."""

    async def post(
        self,
        path: str,
        *,
        cast_to: type[httpx2.Response],
        content: bytes,
        options: Any,
    ) -> httpx2.Response:
        """Sends a body."""
        ...

    async def get(self, path: str, *, cast_to: type[httpx2.Response]) -> httpx2.Response:
        """Asks for something."""
        ...


class Reading(Protocol):
    """A streamed answer as far as it was read."""

    done: bool
    """Whether its last event was read."""

    @property
    def whole(self) -> bool:
        """Whether the model has said why it stopped: nothing that counts can be missing then."""
        ...

    def take(self, data: bytes) -> Chunk | None:
        """Reads an event; returns its piece of the answer, if it has one."""
        ...

    def end(self) -> Chunk:
        """Returns the last piece, or raises `StreamBroken`."""
        ...


class Endpoint:
    """Calls a provider, once for each call, and closes the socket when a call is cancelled.

    The SDK signs and sends; answers are decoded here, into the few fields that count. Its own
    models of a streamed answer would take seven times the CPU.

    Args:
        provider: Whom errors name.
        client: Makes an SDK client for a key, on these connections.
        connect_timeout: Seconds until a connection must be there.
        read_timeout: Seconds of silence that end a call even if nobody else does.
    """

    def __init__(
        self,
        provider: str,
        client: Callable[[httpx2.AsyncClient, str], Client],
        *,
        connect_timeout: float = CONNECT_TIMEOUT,
        read_timeout: float = READ_TIMEOUT,
    ) -> None:
        self.provider = provider
        self._make_client = client
        self._clients: dict[Secret, Client] = {}
        timeout = httpx2.Timeout(read_timeout, connect=connect_timeout, pool=None)
        # A redirect is not followed: it would take the key elsewhere.
        self._connections = httpx2.AsyncClient(timeout=timeout, limits=_LIMITS)

    async def post(self, path: str, body: object, key: Secret, read: Callable[[bytes], T]) -> T:
        """Returns what the answer to a body is read as."""
        return self._read(await self._send(path, body, key, _JSON), key, read)

    async def get(self, path: str, key: Secret, read: Callable[[bytes], T]) -> T:
        """Returns what the answer to a question is read as."""
        client = self._client(key)
        try:
            response = await client.get(path, cast_to=httpx2.Response)
        except Exception as error:
            raise self._translated(error, key) from None
        return self._read(response, key, read)

    async def stream(
        self, path: str, body: object, key: Secret, reading: Reading
    ) -> AsyncGenerator[Chunk, None]:
        """Yields the pieces of a streamed answer, the last one when the connection is free again.

        An empty piece says that the provider is alive: the first when it begins to answer, another
        for every event that has nothing for the caller. What breaks after the model has said why
        it stopped does no harm.
        """
        async with self._events(path, body, key) as events:
            yield ALIVE
            try:
                async for data in events:
                    yield reading.take(data) or ALIVE
                    if reading.done:
                        break
            except Told as error:
                raise self._translated(error, key) from None
            except (httpx2.HTTPError, ValueError) as error:
                if not reading.whole:
                    raise self._translated(error, key, streaming=True) from None
            else:
                await events.rest()
        try:
            last = reading.end()
        except Told as error:
            raise self._translated(error, key) from None
        yield last

    async def close(self) -> None:
        """Closes the connections."""
        self._clients.clear()
        await self._connections.aclose()

    @contextlib.asynccontextmanager
    async def _events(self, path: str, body: object, key: Secret) -> AsyncIterator["Events"]:
        response = await self._send(path, body, key, _STREAMED)
        try:
            if response.headers.get("content-type", "").startswith(_NO_STREAM):
                raise await self._no_stream(response, key)
            async with contextlib.aclosing(response.aiter_bytes()) as blocks:
                yield Events(blocks)
        finally:
            await response.aclose()

    async def _send(self, path: str, body: object, key: Secret, options: Any) -> httpx2.Response:
        client = self._client(key)
        content = msgspec.json.encode(body)
        try:
            return await client.post(
                path, cast_to=httpx2.Response, content=content, options=options
            )
        # Whatever an SDK raises: it is not ours, and its text may hold the key.
        except Exception as error:
            raise self._translated(error, key) from None

    def _read(self, response: httpx2.Response, key: Secret, read: Callable[[bytes], T]) -> T:
        try:
            return read(response.content)
        except Told as error:
            raise self._translated(error, key) from None
        except ValueError as error:
            told = error_in(response.content)
            raise self._translated(error if told is None else Told(told), key) from None

    async def _no_stream(self, response: httpx2.Response, key: Secret) -> PepperError:
        try:
            told = error_in(await response.aread())
        except httpx2.HTTPError as error:
            return self._translated(error, key)
        if told is not None:
            return self._translated(Told(told), key)
        return UpstreamFailed(
            f"{self.provider} answered a streamed request with "
            f"{response.headers['content-type']}, not with a stream",
            context={"status": response.status_code},
        )

    def _translated(self, error: Exception, key: Secret, *, streaming: bool = False) -> PepperError:
        text = key.get_secret_value()
        return translated(error, provider=self.provider, key=text, streaming=streaming)

    def _client(self, key: Secret) -> Client:
        client = self._clients.get(key)
        if client is None:
            if len(self._clients) >= _MOST_CLIENTS:
                del self._clients[next(iter(self._clients))]
            client = self._make_client(self._connections, self._text(key))
            self._clients[key] = client
        return client

    def _text(self, key: Secret) -> str:
        text = key.get_secret_value()
        if not text.isascii() or not text.isprintable() or text != text.strip():
            raise KeyRefused(
                f"the key of {self.provider} has characters that a header cannot carry",
                hint="is there a line break or a space in its file or variable?",
            )
        return text or _NO_KEY


class Events:
    """The data of a stream's events."""

    def __init__(self, blocks: AsyncIterator[bytes]) -> None:
        self._blocks = blocks
        self._parser = EventParser()
        self._ready: deque[bytes] = deque()

    def __aiter__(self) -> "Events":
        return self

    async def __anext__(self) -> bytes:
        while not self._ready:
            self._ready.extend(self._parser.feed(await anext(self._blocks)))
        return self._ready.popleft()

    async def rest(self) -> None:
        """Reads what follows the last event: only then can the connection be used again."""
        with contextlib.suppress(TimeoutError, httpx2.HTTPError):
            async with asyncio.timeout(_REST_TIMEOUT):
                async for _ in self._blocks:
                    pass
