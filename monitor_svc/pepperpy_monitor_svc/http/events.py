"""Server-sent events: a bounded number of listeners, each of whom may be slow.

What a listener has not taken yet lies in the socket's buffer and nowhere else here: `send` waits
for it, and whoever writes decides meanwhile what is left out.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

from aiohttp import hdrs, web

from pepperpy_monitor_svc.http.places import Places
from pepperpy_schemas.codec import encode
from pepperpy_schemas.error import PepperError

_PATIENCE: Final = 30.0
"""Seconds after which a listener that takes nothing is left."""
SIGN_OF_LIFE: Final = 15.0
"""Seconds of silence after which a comment is sent: proxies close what says nothing."""
_RETRY_MS: Final = 2000


class Listener:
    """One open stream of events.

    Attributes:
        response: What the handler of the request returns at its end.
    """

    def __init__(self, response: web.StreamResponse) -> None:
        self.response = response

    async def send(self, value: object, *, id: str = "", event: str = "") -> None:  # noqa: A002 - the field's name
        """Sends one frame; JSON has no line breaks of its own.

        Raises:
            ConnectionError: The listener is gone, or has taken nothing for too long.
        """
        head = (f"id: {id}\n" if id else "") + (f"event: {event}\n" if event else "")
        body = value if isinstance(value, bytes) else encode(value)
        await self._write(head.encode() + b"data: " + body + b"\n\n")

    async def live(self) -> None:
        """Shows that the stream is open still."""
        await self._write(b": \n\n")

    async def _write(self, frame: bytes) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                await self.response.write(frame)
        except TimeoutError:
            raise ConnectionResetError("the listener takes nothing") from None


class Seats:
    """How many listeners there may be at once.

    Args:
        number: That many.
        each: How many of them one caller may be; all by default.
    """

    def __init__(self, number: int, *, each: int = 0) -> None:
        self._places = Places(number, each=each, doing="listen")
        self._listening: set[asyncio.Task[object]] = set()

    @contextlib.asynccontextmanager
    async def listener(self, request: web.Request, who: str = "") -> AsyncIterator[Listener]:
        """Opens a stream of events; what goes wrong later is its last one, named ``error``.

        Args:
            request: The request.
            who: The caller.

        Raises:
            Refused: Too many listen.
            ConnectionError: The listener has gone already.
        """
        task = asyncio.current_task()
        assert task is not None
        with self._places.taken(who):
            self._listening.add(task)
            try:
                listener = await self._open(request)
                with contextlib.suppress(ConnectionError):
                    try:
                        yield listener
                    except PepperError as error:
                        await listener.send(error.info(), event="error")
            finally:
                self._listening.discard(task)

    async def _open(self, request: web.Request) -> Listener:
        response = web.StreamResponse(
            headers={
                hdrs.CONTENT_TYPE: "text/event-stream; charset=utf-8",
                hdrs.CACHE_CONTROL: "no-store",
                "X-Accel-Buffering": "no",
            }
        )
        await response.prepare(request)
        await response.write(f"retry: {_RETRY_MS}\n\n".encode())
        return Listener(response)

    def close(self) -> None:
        """Ends every stream, as at the end of the process: they would never end by themselves."""
        for task in list(self._listening):
            task.cancel()
