"""The keeper of a server that speaks over its pipes: no sandbox, but an end for all of it.

    worker ── keeper ── the server and its children

The server has the worker's pipes itself. When it ends, when the worker does, or when the worker
says so, the keeper kills whatever is left below it, even what has detached itself.
"""

import contextlib
import os
import signal
import sys
from typing import Any

from .command import wait
from .making import kill_children
from .namespaces import die_with_parent
from .system import PARENT_DEATH, SUBREAPER, prctl

_LAST = 1.0
"""Seconds that a server has after SIGTERM."""


def main() -> None:
    """Starts the server, waits for its end, and takes along what it leaves."""
    parent, argv = int(sys.argv[1]), sys.argv[2:]
    # Before anything may end us: a signal that comes early is found by the wait.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGCHLD})
    if sys.platform == "linux":
        prctl(SUBREAPER, 1)
        prctl(PARENT_DEATH, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)
    keeper = os.getpid()
    server = os.fork()
    if server == 0:
        _become(argv, keeper)
    # The pipes are the server's: their other ends shall see it leave.
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    ended = wait(server, None)
    if ended == {"signal": signal.SIGTERM}:
        ended = _asked(server)
    kill_children()
    os._exit(int(ended.get("code", 1)))


def _become(argv: list[str], keeper: int) -> None:
    try:
        os.setsid()
        if sys.platform == "linux":
            die_with_parent(keeper)
        signal.pthread_sigmask(signal.SIG_SETMASK, set())
        os.execvp(argv[0], argv)  # noqa: S606 - no shell is meant
    except OSError as error:
        os.write(2, f"{argv[0]}: {error.strerror}\n".encode())
    finally:
        os._exit(127)


def _asked(server: int) -> dict[str, Any]:
    """Asks the server to end, and gives it a moment."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server, signal.SIGTERM)
    signal.sigtimedwait({signal.SIGCHLD}, _LAST)
    return {}
