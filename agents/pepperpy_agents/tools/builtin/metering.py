"""A connection that ends when a server says too much before it answers.

A server may send any number of interim answers, such as ``100 Continue``, before its own: each
costs the worker time, and none is anything.
"""

import ssl
from typing import Any, Final

import httpcore2

_MOST: Final = 128 * 1024
"""Bytes before an answer: more than its headers may have."""
_PIECE: Final = 8 * 1024
"""Bytes that are read at once: others have their turn before the next."""


class Meter:
    """Counts what a server says before it answers.

    Attributes:
        answered: Whether it has answered: what follows is counted by others.
    """

    def __init__(self) -> None:
        self.answered = False
        self._said = 0

    def over(self, stream: httpcore2.AsyncNetworkStream) -> httpcore2.AsyncNetworkStream:
        """Returns a stream with what is read of it counted."""
        return _Metered(stream, self)

    def count(self, size: int) -> None:
        """Counts bytes.

        Raises:
            httpcore2.RemoteProtocolError: They are too many.
        """
        self._said += size
        if self._said > _MOST and not self.answered:
            raise httpcore2.RemoteProtocolError(
                f"it says more than {_MOST} bytes before it answers"
            )


class _Metered(httpcore2.AsyncNetworkStream):
    def __init__(self, below: httpcore2.AsyncNetworkStream, meter: Meter) -> None:
        self._below = below
        self._meter = meter

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        size = max_bytes if self._meter.answered else min(max_bytes, _PIECE)
        data = await self._below.read(size, timeout)
        self._meter.count(len(data))
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._below.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._below.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        below = await self._below.start_tls(ssl_context, server_hostname, timeout)
        return _Metered(below, self._meter)

    def get_extra_info(self, info: str) -> Any:
        return self._below.get_extra_info(info)
