"""What an instance runs now, and stopping it: a canceled handler may clean up."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any, Final

from pepperpy_agents.attempt import Attempt
from pepperpy_bus.logs import get_log
from pepperpy_bus.streams.in_hand import CLEAN_UP
from pepperpy_schemas.messages import CancelRequest

log = get_log("pepperpy.worker")

REMEMBERED: Final = 60.0
"""Seconds that a cancellation is remembered for a task that is just being delivered."""


class Running:
    """The attempts whose handlers run in an instance of an agent."""

    def __init__(self) -> None:
        self._running: dict[asyncio.Task[Any], Attempt] = {}
        self._canceled: dict[str, CancelRequest] = {}

    @property
    def ids(self) -> list[str]:
        """The ids of the tasks whose handlers run now."""
        return [attempt.task.id for attempt in self._running.values()]

    def canceled(self, task_id: str) -> CancelRequest | None:
        """Returns who canceled a task a moment ago; None when nobody did."""
        return self._canceled.get(task_id)

    @contextlib.contextmanager
    def of(self, attempt: Attempt) -> Iterator[None]:
        """Counts an attempt, which the current asyncio task makes, as running."""
        running = asyncio.current_task()
        assert running is not None
        self._running[running] = attempt
        try:
            yield
        finally:
            del self._running[running]

    def cancel(self, task_id: str, request: CancelRequest) -> None:
        """Stops a task that runs here; its handler gets CancelledError and may clean up.

        One that arrives here a moment later is not started.
        """
        loop = asyncio.get_running_loop()
        self._canceled[task_id] = request
        loop.call_later(REMEMBERED, self._canceled.pop, task_id, None)
        for running, attempt in self._running.items():
            if attempt.task.id == task_id and attempt.canceled is None:
                attempt.canceled = request
                self._stop(running)

    def _stop(self, running: "asyncio.Task[Any]") -> None:
        """Cancels a handler, and again if it does not end: cleaning up has its time."""
        if running not in self._running:
            return
        if running.cancelling():
            task = self._running[running].task
            log.warning("task.cleans_up_too_long", task_id=task.id, topic=task.topic)
        running.cancel()
        asyncio.get_running_loop().call_later(CLEAN_UP, self._stop, running)
