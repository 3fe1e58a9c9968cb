"""Runs handlers where they belong: in the event loop, in a thread, in another process."""

import asyncio
import contextvars
import importlib
import multiprocessing
import multiprocessing.connection
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from pepperpy_agents.context import BlockingContext, Context
from pepperpy_agents.handler import Handler
from pepperpy_schemas.errors import Unavailable

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
        self._processes: ProcessPoolExecutor | None = None

    async def run(self, handler: Handler, data: Any, context: Context) -> Any:
        """Returns what a handler of a thread or process returns; see `call_handler`."""
        if handler.where == "process":
            return await self._in_process(handler, data)
        return await self._in_thread(handler, data, context)

    def close(self) -> None:
        """Ends the threads and processes; what still runs in them is given up."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
        if self._processes is not None:
            self._kill(self._processes)

    async def _in_thread(self, handler: Handler, data: Any, context: Context) -> Any:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self._thread_limit, THREADS)
        loop = asyncio.get_running_loop()
        arguments = (data, BlockingContext(context, loop)) if handler.takes_context else (data,)
        # The trace of this task goes with the call, so that what it submits belongs to it.
        carried = contextvars.copy_context()
        return await loop.run_in_executor(
            self._threads, carried.run, _call, handler.call, *arguments
        )

    async def _in_process(self, handler: Handler, data: Any) -> Any:
        if self._processes is None:
            # spawn: a fork would inherit this process's threads and sockets in an unknown state.
            self._processes = ProcessPoolExecutor(
                os.cpu_count() or 1,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_begin_process,
                initargs=(list(sys.path),),
            )
        pool, loop = self._processes, asyncio.get_running_loop()
        module, name = handler.call.__module__, handler.call.__qualname__
        ended = Unavailable(f"the process of handler {handler.name} ended before it was done")
        try:
            return await loop.run_in_executor(pool, _call_by_name, module, name, data)
        except BrokenProcessPool:
            self._kill(pool)
            raise ended from None
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if current is None or not current.cancelling():
                # It waited for a process when the pool was given up.
                raise ended from None
            # The pool has no way to stop one call. The others in it end as unavailable, and
            # are repeated.
            self._kill(pool)
            raise

    def _kill(self, pool: ProcessPoolExecutor) -> None:
        if self._processes is pool:
            self._processes = None
        for process in list((pool._processes or {}).values()):
            process.kill()
        pool.shutdown(wait=False, cancel_futures=True)


def _begin_process(path: list[str]) -> None:
    sys.path[:] = path
    threading.Thread(target=_end_with_parent, name="end-with-parent", daemon=True).start()


def _end_with_parent() -> None:
    """A worker that is killed cannot end its processes; each holds the pipe it would wait on."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


def _call(function: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return function(*arguments)
    except StopIteration as error:
        # A future cannot carry it, and would never be done.
        raise RuntimeError("the handler raised StopIteration") from error


def _call_by_name(module: str, name: str, data: Any) -> Any:
    """In the other process: finds the function and calls it."""
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return _call(found, data)
