"""HTTP with an end: the library bounds events of a server, and not its plain answers."""

from collections.abc import AsyncIterator
from typing import Final

import httpx2

LARGEST: Final = 16 * 1024 * 1024
"""Bytes of one event, and of an answer that is none."""
_EVENTS: Final = "text/event-stream"


class Bounded(httpx2.AsyncHTTPTransport):
    """Ends answers that are too long, and takes none that would grow when they are unpacked."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Sends one request."""
        request.headers["accept-encoding"] = "identity"
        answer = await super().handle_async_request(request)
        if answer.headers.get("content-encoding", "identity") != "identity":
            await answer.aclose()
            raise httpx2.ReadError("the answer is packed, and nobody asked for that")
        if not answer.headers.get("content-type", "").startswith(_EVENTS):
            assert isinstance(answer.stream, httpx2.AsyncByteStream), "it was asked for in a loop"
            answer.stream = _Counted(answer.stream)
        return answer


class _Counted(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for part in self._stream:
            size += len(part)
            if size > LARGEST:
                raise httpx2.ReadError(f"the answer has more than {LARGEST} bytes")
            yield part

    async def aclose(self) -> None:
        await self._stream.aclose()
