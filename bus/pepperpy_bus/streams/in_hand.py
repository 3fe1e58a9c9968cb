"""What is being worked on, kept alive by signs of life until it has ended."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import msgspec

from pepperpy_bus.logs import get_log
from pepperpy_bus.streams.delivery import Delivery
from pepperpy_schemas.errors import PepperError

log = get_log("pepperpy.pull")

TICK = 1.0
"""Seconds between two looks at which deliveries need a sign of life."""
STALL = 2.0
"""Seconds without a look after which signs of life may have been missed."""
CLEAN_UP = 5.0
"""Seconds that canceled work may take to clean up."""


class _Held(msgspec.Struct):
    """A delivery, and when its signs of life are due: the next by the monotonic clock, and all."""

    delivery: Delivery
    pulse_at: float
    every: float


class InHand:
    """Deliveries that are being worked on, kept alive meanwhile; several pullers may share it.

    Attributes:
        lag: Seconds that the event loop was late at the last tick.
    """

    def __init__(self) -> None:
        self._running: dict[asyncio.Task[None], _Held] = {}
        self._looked = self._stalled = time.monotonic()
        self.lag = 0.0

    def __len__(self) -> int:
        return len(self._running)

    def hold(self, task: "asyncio.Task[None]", delivery: Delivery, *, pulse: float) -> None:
        """Keeps a delivery alive while its task runs, with so many seconds between the signs."""
        self._running[task] = _Held(delivery, time.monotonic() + pulse, pulse)
        task.add_done_callback(self._forget)

    def stalled_since(self, moment: float) -> bool:
        """Whether signs of life may have been missed since then, by the monotonic clock."""
        return self._stalled > moment or time.monotonic() - self._looked > STALL + TICK

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
            if self.lag > STALL:
                self._stalled = now
            self._looked = now
            for held in [one for one in self._running.values() if one.pulse_at <= now]:
                held.pulse_at = now + held.every
                with contextlib.suppress(PepperError):
                    await held.delivery.pulse()

    def _forget(self, task: "asyncio.Task[None]") -> None:
        self._running.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("pull.work_crashed", task=task.get_name(), exc_info=error)
