"""Child processes: they end with their parent, and stay down longer the more often they crash."""

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence

BACK_OFF = (0.2, 1.0, 2.0, 5.0, 10.0)
"""Seconds before a child that crashed is started again, the last one from then on."""
STEADY = 30.0
"""Seconds of running after which a child's earlier crashes are forgotten."""

_PR_SET_PDEATHSIG = 1


class Crashes:
    """The crashes of one child in a row, which say how long it stays down.

    Args:
        back_off: See `BACK_OFF`.
    """

    def __init__(self, back_off: Sequence[float] = BACK_OFF) -> None:
        self._back_off = back_off
        self._number = 0
        self.begin()

    def begin(self) -> None:
        """Notes that the child is started now."""
        self._begun = time.monotonic()

    def add(self) -> float:
        """Notes that it crashed; returns the seconds before it shall be started again."""
        if time.monotonic() - self._begun > STEADY:
            self._number = 0
        wait = self._back_off[min(self._number, len(self._back_off) - 1)]
        self._number += 1
        return wait


def die_with_parent(number: int = signal.SIGTERM) -> Callable[[], None] | None:
    """Returns what a Linux child calls before exec to get a signal when its parent is gone.

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
