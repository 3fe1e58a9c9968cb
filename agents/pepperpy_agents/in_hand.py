"""The deliveries that a worker has in hand, kept alive while they are worked on."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import msgspec

from pepperpy_bus.delivery import Delivery
from pepperpy_bus.logs import get_log
from pepperpy_bus.topology import PULSE
from pepperpy_schemas.errors import PepperError

log = get_log("pepperpy.worker")

TICK = 1.0
"""Seconds between two looks at which deliveries need a sign of life."""
CLEAN_UP = 5.0
"""Seconds that canceled handlers may take to clean up."""


class _Held(msgspec.Struct):
    """A delivery and when its next sign of life is due, by the monotonic clock."""

    delivery: Delivery
    pulse_at: float


class InHand:
    """The running tasks of one worker with their deliveries.

    Attributes:
        lag: Seconds that the event loop was late at the last tick.
    """

    def __init__(self) -> None:
        self._running: dict[asyncio.Task[None], _Held] = {}
        self.lag = 0.0

    def __len__(self) -> int:
        return len(self._running)

    def start(self, work: Coroutine[Any, Any, None], delivery: Delivery, *, name: str) -> None:
        """Starts the work on a delivery."""
        task = asyncio.create_task(work, name=name)
        self._running[task] = _Held(delivery, time.monotonic() + PULSE)
        task.add_done_callback(self._forget)

    async def finish(self, grace: float) -> int:
        """Waits for what runs, then cancels the rest; returns how many were canceled."""
        if self._running:
            await asyncio.wait(self._running, timeout=grace)
        late = list(self._running)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=CLEAN_UP)
        return len(late)

    @contextlib.asynccontextmanager
    async def pulsing(self) -> AsyncIterator[None]:
        """Sends the signs of life while its context is open."""
        pulse = asyncio.create_task(self._pulse_forever(), name="pulse")
        try:
            yield
        finally:
            pulse.cancel()
            await asyncio.gather(pulse, return_exceptions=True)

    async def _pulse_forever(self) -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(TICK)
            now = time.monotonic()
            self.lag = max(0.0, now - before - TICK)
            for held in [one for one in self._running.values() if one.pulse_at <= now]:
                held.pulse_at = now + PULSE
                with contextlib.suppress(PepperError):
                    await held.delivery.pulse()

    def _forget(self, task: "asyncio.Task[None]") -> None:
        self._running.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("worker.task_crashed", exc_info=error)
