"""A model that blocks, in a thread of its own: one call at a time, beside the event loop."""

import asyncio
import importlib
import os
from array import array
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from pepperpy_bus.installing import install
from pepperpy_memory_svc.embedding.embedder import Vector
from pepperpy_schemas.errors import BadConfig

T = TypeVar("T")


class OneThread:
    """Runs functions one after the other in one thread.

    Args:
        name: The thread's name.
    """

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=name)

    async def run(self, function: Callable[..., T], *args: object) -> T:
        """Returns what a function returns; a caller that is cancelled does not stop it."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, function, *args)

    async def close(self) -> None:
        """Waits for the function that runs, and ends the thread."""
        await asyncio.to_thread(self._pool.shutdown, wait=True, cancel_futures=True)


def quieten(threads: int) -> None:
    """Has the threads of OpenMP sleep between texts, unless the environment says otherwise.

    It is read once, when OpenMP's library is loaded. Threads that spin take the processors from
    everything else, and on a busy machine from each other: an embedder is ten times as slow then.

    Args:
        threads: Threads that one text is computed with.
    """
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def imported(module: str, extra: str) -> Any:
    """Returns a module of a package that need not be installed.

    Args:
        module: Its name.
        extra: The extra of PepperPy that brings it.

    Raises:
        BadConfig: It is not there.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise BadConfig(f"{module} cannot be imported: {error}", hint=install(extra)) from error


def rows_of(matrix: Any) -> list[Vector]:
    """Returns the rows of numpy's matrix as vectors."""
    rows: list[Vector] = []
    for row in matrix:
        vector: Vector = array("f")
        vector.frombytes(row.astype("<f4").tobytes())
        rows.append(vector)
    return rows
