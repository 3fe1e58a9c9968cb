"""The stack's temporary folder, and the end of those that killed stacks left.

A running stack holds the lock of its folder; the kernel lets go of it however the stack ends.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

LOCK = "lock"

_PREFIX = "pepperpy-"


@contextlib.contextmanager
def locked(file: Path) -> Iterator[bool]:
    """Hold a lock while the block runs; yield False when somebody else holds it."""
    handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield _take(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def temporary_folder(place: Path | None = None) -> Iterator[Path]:
    """Make a folder that is removed after the block, or else by the next stack.

    Args:
        place: Where; the machine's place for such folders when None.
    """
    place = place or Path(tempfile.gettempdir())
    remove_leftovers(place)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
    try:
        # Under its own name only once it is held: a lock that nobody holds is a leftover's.
        with locked(folder / f"{LOCK}.new"):
            (folder / f"{LOCK}.new").rename(folder / LOCK)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_leftovers(place: Path) -> None:
    """Remove the folders of stacks that were killed: ours, with a lock that nobody holds."""
    for folder in place.glob(f"{_PREFIX}*"):
        # What is in the way, or goes at the same time, is the next stack's to look at.
        with contextlib.suppress(OSError):
            if _ours(folder) and (folder / LOCK).is_file():
                _remove_unless_held(folder)


def _remove_unless_held(folder: Path) -> None:
    with locked(folder / LOCK) as free:
        if not free:
            return
        for part in folder.iterdir():
            if part.is_dir() and not part.is_symlink():
                shutil.rmtree(part, ignore_errors=True)
        # The lock goes last, so that what could not be removed is found again.
        if [part.name for part in folder.iterdir()] == [LOCK]:
            (folder / LOCK).unlink()
            folder.rmdir()


def _ours(folder: Path) -> bool:
    return folder.is_dir() and not folder.is_symlink() and folder.stat().st_uid == os.getuid()


def _take(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
