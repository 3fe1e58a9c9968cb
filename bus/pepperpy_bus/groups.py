"""A bounded group of asyncio tasks: named, owned, none of them left behind."""

import asyncio
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self

from pepperpy_schemas.errors import Unavailable

Start = Callable[[], Coroutine[Any, Any, object]]
"""Makes the coroutine to run; called only once a slot is taken."""

OnCrash = Callable[[str, BaseException], None]
"""Gets the name of the task that failed and its error."""


async def outlast(task: asyncio.Task[Any]) -> None:
    """Waits until a task has ended, however; a cancellation of the caller goes on after it."""
    canceled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            canceled = error
    if canceled is not None:
        raise canceled


class TaskGroup:
    """Runs at most `limit` tasks at a time; one that fails is reported and ends alone.

    Use it as an async context manager: leaving it waits for what runs, leaving it by an error or
    cancellation cancels what runs.

    Args:
        name: Prefix of the tasks' names.
        limit: Slots; at the limit `spawn` waits and `try_spawn` refuses.
        on_crash: Called for every task that ends in an error.
    """

    def __init__(self, name: str, *, limit: int, on_crash: OnCrash) -> None:
        self.name = name
        self._on_crash = on_crash
        self._tasks: set[asyncio.Task[object]] = set()
        self._open = True
        self._changed = asyncio.Event()
        self.resize(limit)

    @property
    def limit(self) -> int:
        """The number of slots."""
        return self._limit

    @property
    def running(self) -> int:
        """The number of tasks that run now."""
        return len(self._tasks)

    @property
    def free(self) -> int:
        """The number of slots that can be taken now; none once the group is closed."""
        return max(0, self._limit - len(self._tasks)) if self._open else 0

    def resize(self, limit: int) -> None:
        """Changes the number of slots; running tasks go on even above a lower limit."""
        if limit < 1:
            raise ValueError(f"group {self.name}: limit must be at least 1, not {limit}")
        self._limit = limit
        self._changed.set()

    async def spawn(self, start: Start, *, name: str) -> asyncio.Task[object]:
        """Starts a task, waiting for a slot.

        Raises:
            Unavailable: The group is closed, or was closed while this waited.
        """
        while not self.free:
            if not self._open:
                raise Unavailable(f"group {self.name} takes no more tasks: it is draining")
            self._changed.clear()
            await self._changed.wait()
        return self._start(start, name)

    def try_spawn(self, start: Start, *, name: str) -> asyncio.Task[object] | None:
        """Starts a task when a slot is free, else returns None."""
        return self._start(start, name) if self.free else None

    async def drain(self, timeout: float | None = None) -> bool:
        """Takes no more tasks and waits for those that run.

        Args:
            timeout: Seconds to wait; what runs after them goes on until `cancel`. None: no limit.

        Returns:
            True when all have ended.
        """
        self._close()
        if others := self._others():
            await asyncio.wait(others, timeout=timeout)
        return not self._others()

    async def cancel(self, timeout: float = 10.0) -> list[str]:
        """Takes no more tasks, cancels those that run and waits for their clean-up.

        Args:
            timeout: Seconds to wait for clean-ups.

        Returns:
            The names of tasks that still run, because they suppressed the cancellation.
        """
        self._close()
        others = self._others()
        for task in others:
            task.cancel(f"group {self.name} is canceled")
        if others:
            await asyncio.wait(others, timeout=timeout)
        return sorted(task.get_name() for task in self._others())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                await self.drain()
        finally:
            await self.cancel()

    def _start(self, start: Start, name: str) -> asyncio.Task[object]:
        task = asyncio.create_task(start(), name=f"{self.name}:{name}")
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[object]) -> None:
        self._tasks.discard(task)
        self._changed.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            self._on_crash(task.get_name(), error)

    def _close(self) -> None:
        self._open = False
        self._changed.set()

    def _others(self) -> set[asyncio.Task[object]]:
        # A task of the group may drain or cancel it; waiting for itself would never end.
        return self._tasks - {asyncio.current_task()}
