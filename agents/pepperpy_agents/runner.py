"""Runs handlers that do not belong in the event loop: in a thread, in another process."""

import asyncio
import contextvars
import functools
import inspect
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from pepperpy_agents.handler import Handler, call_plainly

if TYPE_CHECKING:
    from pepperpy_agents.processes import Processes

THREADS = "handler"
"""The first part of the names of the threads that plain handlers run in."""


class Runner:
    """The threads and processes of one worker, made when first needed.

    Args:
        threads: The most plain handlers that run at once.
    """

    def __init__(self, threads: int) -> None:
        self._thread_limit = threads
        self._threads: ThreadPoolExecutor | None = None
        self._steps: ThreadPoolExecutor | None = None
        self._processes: Processes | None = None

    async def run(self, handler: Handler, *arguments: Any) -> Any:
        """Returns what a handler of a thread or process returns; see `call_handler`."""
        if handler.where == "thread":
            return await self._in_thread(handler, arguments)
        if self._processes is None:
            # A megabyte that most workers do not need.
            from pepperpy_agents.processes import Processes

            self._processes = Processes()
        return await self._processes.run(handler, *arguments)

    async def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Returns what a step's function returns; one that is not async runs in a thread.

        These threads are others than those of the handlers: a handler in a thread that waits for
        its step must not hold the step up.
        """
        if inspect.iscoroutinefunction(function):
            return await function(*args, **kwargs)
        if self._steps is None:
            self._steps = ThreadPoolExecutor(self._thread_limit, "step")
        bound = functools.partial(function, *args, **kwargs)
        carried = contextvars.copy_context()
        value = await asyncio.get_running_loop().run_in_executor(
            self._steps, carried.run, call_plainly, bound
        )
        return await value if inspect.isawaitable(value) else value

    def close(self) -> None:
        """Ends the threads and processes; what still runs in them is given up."""
        for pool in (self._threads, self._steps):
            if pool is not None:
                pool.shutdown(wait=False, cancel_futures=True)
        if self._processes is not None:
            self._processes.close()

    async def _in_thread(self, handler: Handler, arguments: tuple[Any, ...]) -> Any:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self._thread_limit, THREADS)
        # The trace of this task goes with the call, so that what it submits belongs to it.
        carried = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, carried.run, call_plainly, handler.call, *arguments
        )
