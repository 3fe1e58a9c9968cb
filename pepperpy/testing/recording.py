"""The events of a test, kept as they come."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from pepperpy_bus.client import Client
from pepperpy_bus.events import Heard


class Recorder:
    """Keeps every event of a deployment that is one test's alone.

    Args:
        client: The client to listen with.

    Attributes:
        events: What has come so far, in the broker's order.
    """

    def __init__(self, client: Client) -> None:
        self.events: list[Heard] = []
        self._client = client
        self._news = asyncio.Event()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Listens while its context is open; what was told before is heard, too."""
        listening = asyncio.create_task(self._listen(), name="test-events")
        try:
            yield
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    async def until(self, done: Callable[[list[Heard]], bool], within: float) -> bool:
        """Waits for events to be as wanted; returns whether they are.

        Args:
            done: Says so of all events.
            within: Seconds to wait at most.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while not done(self.events):
                    self._news.clear()
                    await self._news.wait()
        return done(self.events)

    async def _listen(self) -> None:
        async for heard in self._client.events(">", since="1h"):
            self.events.append(heard)
            self._news.set()
