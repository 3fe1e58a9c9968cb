"""The body of an ``async with`` that can be ended from outside with an error, as time-outs do."""

import asyncio
from types import TracebackType
from typing import Self


class CancelScope:
    """Ends its body with an error when somebody calls `end`.

    The body gets CancelledError, can clean up, and what leaves the scope is the error. A
    cancellation that came from elsewhere stays one.
    """

    def __init__(self) -> None:
        self._task: asyncio.Task[object] | None = None
        self._cancels = 0
        self._error: Exception | None = None

    def end(self, error: Exception) -> None:
        """Ends the body with this error; the first one counts, and none after the body's end."""
        if self._error is None and self._task is not None:
            self._error = error
            self._task.cancel()

    async def __aenter__(self) -> Self:
        task = asyncio.current_task()
        assert task is not None, "a coroutine runs in a task"
        self._task, self._cancels = task, task.cancelling()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        task, self._task = self._task, None
        if self._error is None or task is None:
            return
        ours = task.uncancel() <= self._cancels
        # A body that swallowed the cancellation and returned has ended too early all the same.
        if kind is None or (ours and kind is asyncio.CancelledError):
            raise self._error from None
