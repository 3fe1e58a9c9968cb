"""An event loop in a thread of its own, for callers that have none or must not block theirs."""

import asyncio
import concurrent.futures
import contextlib
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Generic, Self, TypeVar

from pepperpy_schemas.errors import Unreachable

O = TypeVar("O")  # noqa: E741 - what it owns
T = TypeVar("T")

_GRACE: Final = 5.0
_END: Final = object()


class _Call(Generic[T]):
    """What one thread waits for."""

    def __init__(self, begin: Callable[[], Awaitable[T]]) -> None:
        self._begin = begin
        self._task: asyncio.Task[Any] | None = None
        self._canceled = False
        self.ended = threading.Event()

    async def run(self, task: asyncio.Task[Any]) -> T:
        self._task = task
        if self._canceled:
            raise asyncio.CancelledError
        return await self._begin()

    def cancel(self) -> None:
        self._canceled = True
        if self._task is not None:
            self._task.cancel()


class LoopThread(Generic[O]):
    """Holds an async context open in a new thread and runs coroutines there, while it is open.

    Args:
        context: What the thread owns: entered and left there.
        name: The thread's name.
    """

    def __init__(self, context: AbstractAsyncContextManager[O], *, name: str) -> None:
        self._context = context
        self._opened: concurrent.futures.Future[O] = concurrent.futures.Future()
        self._begun = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._owning: asyncio.Task[Any] | None = None
        self._stop: asyncio.Event | None = None
        self._calls: set[asyncio.Task[Any]] = set()
        self._iterated: dict[AsyncIterator[Any], asyncio.Task[Any] | None] = {}
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    # --- for other threads ----------------------------------------------------------------------

    def __enter__(self) -> Self:
        try:
            self._thread.start()
            self._opened.result()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc_info: object) -> None:
        self._end()
        if self._error is not None and kind is None:
            raise self._error

    @property
    def owned(self) -> O:
        """What the context gave."""
        return self._opened.result()

    def wait(self, begin: Callable[[], Awaitable[T]]) -> T:
        """Runs there what is begun, and returns or raises what it ends with.

        A signal that interrupts the waiting thread cancels it, and goes on when it has ended.

        Raises:
            Unreachable: The thread has stopped, or stops meanwhile.
        """
        if threading.current_thread() is self._thread:
            raise RuntimeError("a hook must not wait for the bus that calls it: start a thread")
        call = _Call(begin)
        try:
            return self._submit(call).result()
        except concurrent.futures.CancelledError:
            raise Unreachable("the bus was closed meanwhile") from None
        except BaseException:
            if not call.ended.is_set():  # this thread was interrupted, wherever it was
                self._in_loop(call.cancel)
                call.ended.wait(_GRACE)
            raise

    def iterate(self, items: AsyncIterator[T]) -> Generator[T, None, None]:
        """Yields what an async iterator yields there, and closes it at the end."""
        try:
            while (item := self.wait(lambda: self._next(items))) is not _END:
                yield item
        finally:
            self._give_up(items)

    def _give_up(self, items: AsyncIterator[Any]) -> None:
        if threading.current_thread() is self._thread:  # the garbage collector ran there
            closing = asyncio.ensure_future(self._close(items))
            self._calls.add(closing)
            closing.add_done_callback(self._calls.discard)
            return
        with contextlib.suppress(Unreachable):  # it was closed with the bus
            self.wait(lambda: self._close(items))

    def _submit(self, call: "_Call[T]") -> "concurrent.futures.Future[T]":
        assert self._loop is not None, "it is open"
        running = self._run_call(call)
        try:
            return asyncio.run_coroutine_threadsafe(running, self._loop)
        except RuntimeError:
            running.close()
            call.ended.set()
            raise Unreachable("the bus is closed") from None

    def _in_loop(self, do: Callable[[], None]) -> None:
        assert self._loop is not None, "it has begun"
        with contextlib.suppress(RuntimeError):  # it has ended by itself
            self._loop.call_soon_threadsafe(do)

    def _end(self) -> None:
        if not self._begun.wait(_GRACE):
            return  # the thread was never started
        self._in_loop(self._leave)
        self._thread.join()

    # --- in the thread --------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            asyncio.run(self._own())
        except BaseException as error:  # raised again in the thread that waits
            if self._opened.done():
                self._error = error
            else:
                self._opened.set_exception(error)

    async def _own(self) -> None:
        self._loop, self._owning = asyncio.get_running_loop(), asyncio.current_task()
        self._stop = asyncio.Event()
        self._begun.set()
        async with self._context as owned:
            self._opened.set_result(owned)
            await self._stop.wait()
            await self._end_calls()

    def _leave(self) -> None:
        assert self._stop is not None, "it has begun"
        assert self._owning is not None, "it has begun"
        if self._opened.done():
            self._stop.set()
        else:
            self._owning.cancel()

    async def _run_call(self, call: "_Call[T]") -> T:
        task = asyncio.current_task()
        assert task is not None, "it runs as a task"
        self._calls.add(task)
        try:
            return await call.run(task)
        finally:
            self._calls.discard(task)
            call.ended.set()

    async def _next(self, items: AsyncIterator[T]) -> Any:
        self._iterated[items] = asyncio.current_task()
        try:
            return await anext(items, _END)
        finally:
            if items in self._iterated:
                self._iterated[items] = None

    async def _close(self, items: AsyncIterator[Any]) -> None:
        running = self._iterated.pop(items, None)
        if running is not None:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        close = getattr(items, "aclose", None)
        if close is not None:
            await close()

    async def _end_calls(self) -> None:
        calls = list(self._calls)
        for task in calls:
            task.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        for items in list(self._iterated):
            await self._close(items)
