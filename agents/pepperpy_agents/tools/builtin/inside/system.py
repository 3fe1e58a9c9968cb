"""System calls that Python has no names for, and files without Python's own."""

import contextlib
import ctypes
import errno
import json
import os
from typing import Any

PARENT_DEATH, DUMPABLE, SECCOMP, SUBREAPER, NO_NEW_PRIVILEGES = 1, 4, 22, 36, 38
"""What `prctl` sets."""

libc = ctypes.CDLL(None, use_errno=True)


class Setup(Exception):
    """The sandbox cannot be made."""


def call(function: Any, *arguments: Any, what: str = "the sandbox cannot be made") -> None:
    """Calls a function of the C library.

    Raises:
        Setup: It failed.
    """
    if function(*arguments) != 0:
        number = ctypes.get_errno()
        if number == errno.ENOSYS:
            what = "Linux 5.12 or newer is needed"
        raise Setup(f"{what}: {os.strerror(number)}")


def prctl(option: int, value: int, more: bytes = b"") -> None:
    """Changes something of this process, as the manual page of that name says."""
    none = ctypes.c_ulong(0)
    call(libc.prctl, option, ctypes.c_ulong(value), more or none, none, none)


# Python's own files need its library, which is not there any more once the root has changed.


def put(path: str, text: str) -> None:
    """Writes a text into a file that is there."""
    file = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(file, text.encode())
    finally:
        os.close(file)


def get(path: str) -> bytes:
    """Returns the content of a small file."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(file, 65_536)
    finally:
        os.close(file)


def tell(told: int, said: dict[str, Any]) -> None:
    """Tells the worker something; what is told first is the fact."""
    with contextlib.suppress(OSError):
        os.write(told, json.dumps(said).encode() + b"\n")
