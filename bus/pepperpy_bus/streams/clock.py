"""The server's clock, read without trusting this machine's.

Deadlines count from the server's timestamp of a message. A worker whose own clock is an hour off
must not expire tasks, so the server's time is asked for and carried on with the monotonic clock.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TypeAlias

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.streams.jetstream import api
from pepperpy_schemas.errors import NotFound, PepperError
from pepperpy_schemas.subjects import stream_name

COMING_UP = 5.0
"""Seconds that a stack may take until it has its streams."""
RESYNC = 600.0
"""Seconds after which the server is asked again."""

Ahead: TypeAlias = Callable[[], int]
AHEAD: ContextVar[Ahead] = ContextVar("pepperpy_clock_ahead", default=int)
"""Nanoseconds that clocks made in this context are ahead of the server: 0, but in tests of what
comes after days."""


class ServerClock:
    """Tells the server's time; `sync` asks for it, half a round trip is the error."""

    def __init__(self, connection: Connection, prefix: str) -> None:
        self._connection = connection
        self._request = f"STREAM.INFO.{stream_name(prefix, 'TASKS')}"
        self._offset_ns = time.time_ns() - time.monotonic_ns()
        self._asked: float | None = None
        self._ahead = AHEAD.get()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Asks the server for its time now, and again every ten minutes, until the end."""
        await self.sync()
        keeping = asyncio.create_task(self._keep(), name="server-clock")
        try:
            yield
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)

    async def _keep(self) -> None:
        # A suspended machine's monotonic clock stands still while the server's goes on.
        while True:
            await asyncio.sleep(RESYNC)
            with contextlib.suppress(PepperError):
                await self.sync()

    async def fresh(self) -> None:
        """Asks the server for its time unless it was asked within the last ten minutes."""
        if self._asked is None:
            await self.sync()
        elif time.monotonic() - self._asked > RESYNC:
            with contextlib.suppress(PepperError):
                await self.sync()

    async def sync(self) -> None:
        """Asks the server for its time; a stack that is just coming up is waited for.

        Raises:
            NotFound: There is no queue of tasks to ask about.
        """
        end = time.monotonic() + COMING_UP
        while True:
            try:
                await self._sync_once()
            except NotFound:
                if time.monotonic() > end:
                    raise
                await asyncio.sleep(0.1)
            else:
                return

    async def _sync_once(self) -> None:
        before = time.monotonic_ns()
        answer = await api(self._connection, self._request)
        middle = (before + time.monotonic_ns()) // 2
        self._offset_ns = int(_parse(answer["ts"]).timestamp() * 1e9) - middle
        self._asked = time.monotonic()

    def now_ns(self) -> int:
        """Returns the server's time in nanoseconds since the epoch."""
        return time.monotonic_ns() + self._offset_ns + self._ahead()

    def now(self) -> datetime:
        """Returns the server's time."""
        return to_datetime(self.now_ns())


def to_datetime(nanoseconds: int) -> datetime:
    """Returns a server's timestamp as a time in UTC."""
    return datetime.fromtimestamp(nanoseconds / 1e9, UTC)


def _parse(text: str) -> datetime:
    # Nanoseconds are more than fromisoformat takes.
    seconds, _, fraction = text.removesuffix("Z").partition(".")
    return datetime.fromisoformat(f"{seconds}.{fraction[:6] or '0'}").replace(tzinfo=UTC)
