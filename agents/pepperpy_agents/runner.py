"""Runs handlers that do not belong in the event loop: in a thread, in another process."""

import asyncio
import contextvars
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from pepperpy_agents.context import BlockingContext, Context
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
        self._processes: Processes | None = None

    async def run(self, handler: Handler, data: Any, context: Context) -> Any:
        """Returns what a handler of a thread or process returns; see `call_handler`."""
        if handler.where == "thread":
            return await self._in_thread(handler, data, context)
        if self._processes is None:
            # A megabyte that most workers do not need.
            from pepperpy_agents.processes import Processes

            self._processes = Processes()
        return await self._processes.run(handler, data)

    def close(self) -> None:
        """Ends the threads and processes; what still runs in them is given up."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
        if self._processes is not None:
            self._processes.close()

    async def _in_thread(self, handler: Handler, data: Any, context: Context) -> Any:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self._thread_limit, THREADS)
        loop = asyncio.get_running_loop()
        arguments = (data, BlockingContext(context, loop)) if handler.takes_context else (data,)
        # The trace of this task goes with the call, so that what it submits belongs to it.
        carried = contextvars.copy_context()
        return await loop.run_in_executor(
            self._threads, carried.run, call_plainly, handler.call, *arguments
        )
