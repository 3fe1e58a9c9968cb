"""What computes, in processes of its own; imported only by workers that have such handlers."""

import asyncio
import importlib
import multiprocessing
import multiprocessing.connection
import os
import pickle
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from pepperpy_agents.handler import Handler, call_plainly
from pepperpy_schemas.errors import Unavailable, error_from_info, info_of


class Processes:
    """A pool of processes, made anew after one of them had to be killed.

    Args:
        count: How many; as many as the machine has processors by default.
        memory: Bytes of address space that each may have, where the system can bound it (Linux);
            without a bound by default.
    """

    def __init__(self, count: int | None = None, *, memory: int | None = None) -> None:
        self._count = count or os.cpu_count() or 1
        self._memory = memory
        self._pool: ProcessPoolExecutor | None = None

    async def run(self, handler: Handler, data: Any) -> Any:
        """Returns what a handler returns in another process, which is killed on cancellation.

        Raises:
            Unavailable: The process died, or was killed with another that overran.
        """
        return await self.call(handler.call, data, what=f"handler {handler.name}")

    async def call(self, function: Callable[..., Any], *arguments: Any, what: str) -> Any:
        """Returns what a function returns in another process, which is killed on cancellation.

        Args:
            function: A plain one, at the top of its module.
            *arguments: What can be pickled.
            what: What it is, for the error.

        Raises:
            Unavailable: The process died, or was killed with another that overran.
        """
        pool, loop = self._open(), asyncio.get_running_loop()
        module, name = function.__module__, function.__qualname__
        ended = Unavailable(f"the process of {what} ended before it was done")
        try:
            return await loop.run_in_executor(pool, _call_by_name, module, name, arguments)
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

    def close(self) -> None:
        """Kills the processes with what runs in them."""
        if self._pool is not None:
            self._kill(self._pool)

    def _open(self) -> ProcessPoolExecutor:
        if self._pool is None:
            # spawn: a fork would inherit this process's threads and sockets in an unknown state.
            self._pool = ProcessPoolExecutor(
                self._count,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_begin_process,
                initargs=(list(sys.path), self._memory),
            )
        return self._pool

    def _kill(self, pool: ProcessPoolExecutor) -> None:
        if self._pool is pool:
            self._pool = None
        for process in list((pool._processes or {}).values()):
            process.kill()
        pool.shutdown(wait=False, cancel_futures=True)


def _begin_process(path: list[str], memory: int | None) -> None:
    sys.path[:] = path
    if memory is not None and sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    threading.Thread(target=_end_with_parent, name="end-with-parent", daemon=True).start()


def _end_with_parent() -> None:
    """A worker that is killed cannot end its processes; each holds the pipe it would wait on."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


def _call_by_name(module: str, name: str, arguments: tuple[Any, ...]) -> Any:
    """In the other process: finds the function and calls it."""
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    try:
        return call_plainly(found, *arguments)
    except Exception as error:
        if _travels(error):
            raise
        # It would break the pool where it arrives, as if its process had died.
        raise error_from_info(info_of(error)) from None


def _travels(error: Exception) -> bool:
    """Returns whether an error can be pickled and made again: few with own arguments can."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    except Exception:
        return False
    return True
