"""Slots: how many may work at once, first come first served, with a number that may change."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator


class Slots:
    """Lets so many in at once.

    Args:
        limit: How many.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    def resize(self, limit: int) -> None:
        """Changes the number; fewer take effect as slots are freed."""
        self._limit = limit
        self._admit()

    @contextlib.asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Waits for a slot and holds it while the context is open."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._admit()
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.done() or turn.cancelled():
                self._waiting.remove(turn)
            else:
                self._free()
            raise
        try:
            yield
        finally:
            self._free()

    def _free(self) -> None:
        self._used -= 1
        self._admit()

    def _admit(self) -> None:
        while self._waiting and self._used < self._limit:
            self._used += 1
            self._waiting.popleft().set_result(None)
