"""One process at a time has a folder, until its server is gone, too."""

import asyncio
import fcntl
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from pepperpy_memory_svc.stores.embedded.place import LOCK
from pepperpy_schemas.errors import Unavailable

_POLL: Final = 0.02


@asynccontextmanager
async def held(folder: Path, patience: float) -> AsyncIterator[int]:
    """Holds a folder while the block runs; yields the handle of its lock.

    Whoever inherits the handle holds the folder as well: given to a server, it says that nobody of
    a killed process's server is left, either.

    Args:
        folder: Which one.
        patience: Seconds until another process has to have left it.

    Raises:
        Unavailable: Another process has it.
    """
    flags = os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = os.open(folder / LOCK, flags, 0o600)
    try:
        await _take(handle, folder, patience)
        yield handle
    finally:
        os.close(handle)


async def _take(handle: int, folder: Path, patience: float) -> None:
    deadline = time.monotonic() + patience
    while not _taken(handle):
        if time.monotonic() > deadline:
            raise Unavailable(
                f"another process has its PostgreSQL in {folder}",
                hint="stop that one, or give another folder",
            )
        await asyncio.sleep(_POLL)


def _taken(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
