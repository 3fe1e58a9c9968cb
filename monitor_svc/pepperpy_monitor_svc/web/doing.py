"""Acts that are brought to their end, whoever has left meanwhile."""

import asyncio
from collections.abc import Coroutine
from typing import Any


class Doing:
    """Acts that go on, whoever has left meanwhile."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def begin(self, act: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """Begins an act."""
        task = asyncio.create_task(act, name="act")
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def end(self, within: float) -> None:
        """Waits until all are done, at most so many seconds: the broker may be away."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=within)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waits for it is told; perhaps nobody does any more
