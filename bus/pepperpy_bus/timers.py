"""Timers that hardly ever run out: one timer of the event loop stands for all of them.

Almost every request is answered and almost every handler returns in time. A timer of the loop's
for each costs more than the request itself; here to start and cancel one is to fill and empty a
place in a dict.
"""

import asyncio
import math
from collections.abc import Callable
from types import TracebackType
from typing import Self

_GRAIN = 0.01
"""Seconds between two looks at the timers, at least: many that end together end in one go."""


class Timer:
    """A timer that runs; `Timers.start` makes one."""

    __slots__ = ("due", "ring")

    def __init__(self, due: float, ring: Callable[[], None]) -> None:
        self.due = due
        self.ring = ring


class Timers:
    """The timers of one event loop.

    Args:
        loop: The event loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._running: dict[Timer, None] = {}
        self._look_at = math.inf
        self._handle: asyncio.TimerHandle | None = None

    def start(self, seconds: float, ring: Callable[[], None]) -> Timer:
        """Calls a plain function after that many seconds, once, unless it is canceled before."""
        due = self._loop.time() + seconds
        timer = Timer(due, ring)
        self._running[timer] = None
        if due < self._look_at:
            self._look_later(due)
        return timer

    def cancel(self, timer: Timer) -> None:
        """Ends a timer; harmless when it has run out."""
        self._running.pop(timer, None)

    def _look_later(self, when: float) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._look_at = when
        self._handle = None if math.isinf(when) else self._loop.call_at(when, self._look)

    def _look(self) -> None:
        now = self._loop.time()
        over = [timer for timer in self._running if timer.due <= now]
        for timer in over:
            del self._running[timer]
        earliest = min((timer.due for timer in self._running), default=math.inf)
        self._look_later(max(earliest, now + _GRAIN))
        for timer in over:
            timer.ring()


class time_limit:  # noqa: N801 - used like a function: with time_limit(timers, 5): …
    """Cancels the running task when a ``with`` block takes longer, as `asyncio.timeout` does.

    Args:
        timers: The timers of the running loop.
        seconds: How long the block may take.

    Attributes:
        expired: Whether the time ran out.

    Raises:
        TimeoutError: At the end of the block, when it was canceled for that and nothing else.
    """

    __slots__ = ("_cancelling", "_seconds", "_task", "_timer", "_timers", "expired")

    _task: "asyncio.Task[object]"
    _timer: Timer
    _cancelling: int

    def __init__(self, timers: Timers, seconds: float) -> None:
        self._timers = timers
        self._seconds = seconds
        self.expired = False

    def __enter__(self) -> Self:
        task = asyncio.current_task(self._timers._loop)
        assert task is not None, "only a task can be canceled"
        self._task, self._cancelling = task, task.cancelling()
        self._timer = self._timers.start(self._seconds, self._expire)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._timers.cancel(self._timer)
        if not self.expired:
            return
        # Another cancellation besides ours is not ours to end.
        alone = self._task.uncancel() <= self._cancelling
        if alone and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def _expire(self) -> None:
        self.expired = True
        self._task.cancel()
