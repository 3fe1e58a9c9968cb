"""Runs handlers where they belong: in the event loop, in a thread, in another process."""

import asyncio
import importlib
import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from pepperpy_agents.context import BlockingContext, Context
from pepperpy_agents.handler import Handler
from pepperpy_schemas.errors import Unavailable


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
        """Returns what the handler returns.

        A cancelled handler in the loop gets CancelledError. A thread cannot be stopped: it runs
        on and its result is dropped. A process is killed.

        Raises:
            Unavailable: The handler's process died, or was killed with another that overran.
        """
        match handler.where:
            case "loop":
                if handler.takes_context:
                    return await handler.call(data, context)
                return await handler.call(data)
            case "thread":
                return await self._in_thread(handler, data, context)
            case "process":
                return await self._in_process(handler, data)

    def close(self) -> None:
        """Ends the threads and processes; what still runs in them is given up."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
        self._kill_processes()

    async def _in_thread(self, handler: Handler, data: Any, context: Context) -> Any:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self._thread_limit, "handler")
        loop = asyncio.get_running_loop()
        arguments = (data, BlockingContext(context, loop)) if handler.takes_context else (data,)
        return await loop.run_in_executor(self._threads, handler.call, *arguments)

    async def _in_process(self, handler: Handler, data: Any) -> Any:
        if self._processes is None:
            # spawn: a fork would inherit this process's threads and sockets in an unknown state.
            self._processes = ProcessPoolExecutor(
                os.cpu_count() or 1,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_extend_path,
                initargs=(list(sys.path),),
            )
        loop = asyncio.get_running_loop()
        module, name = handler.call.__module__, handler.call.__qualname__
        try:
            return await loop.run_in_executor(self._processes, _call_by_name, module, name, data)
        except BrokenProcessPool:
            self._kill_processes()
            raise Unavailable(
                f"the process of handler {handler.name} ended before it was done"
            ) from None
        except asyncio.CancelledError:
            # The pool has no way to stop one call. The others in it end as unavailable, and
            # are repeated.
            self._kill_processes()
            raise

    def _kill_processes(self) -> None:
        pool, self._processes = self._processes, None
        if pool is None:
            return
        for process in list((pool._processes or {}).values()):
            process.kill()
        pool.shutdown(wait=False, cancel_futures=True)


def _extend_path(path: list[str]) -> None:
    sys.path[:] = path


def _call_by_name(module: str, name: str, data: Any) -> Any:
    """In the other process: finds the function and calls it."""
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found(data)
