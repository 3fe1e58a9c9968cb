"""Children that end with their parent, however it ends."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1


def die_with_parent(number: int = signal.SIGTERM) -> Callable[[], None] | None:
    """Return what a Linux child calls before exec to get a signal when its parent is gone.

    The kernel means the thread that forked, not its process: fork in a thread that stays.

    Args:
        number: The signal.
    """
    if sys.platform != "linux":
        return None
    # Everything is looked up here: between fork and exec only the system calls may run.
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def ask_kernel() -> None:
        prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return ask_kernel
