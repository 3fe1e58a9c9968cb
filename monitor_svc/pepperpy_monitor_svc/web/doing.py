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

    async def end(self) -> None:
        """Waits until all are done."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waits for it is told; perhaps nobody does any more
