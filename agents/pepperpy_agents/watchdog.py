"""A worker whose event loop stands still ends itself: nobody else can, and it holds its tasks.

A handler of the loop that never comes back takes its whole process along: no sign of life is sent,
no deadline is seen, no signal is heard. Its tasks go to other workers after a while, and the one
that hangs them all takes those too. A process that is gone is started again by who runs it, and
what it was killed by is given up after so many deliveries, like every crash.
"""

import asyncio
import contextlib
import logging
import os
import sys
import threading
from collections.abc import Iterator

from pepperpy_agents.frames import place_in
from pepperpy_bus.logs import get_log

log = get_log("pepperpy.worker")

EXIT_CODE = 70
"""What a process that stood still ends with: an error inside, as sysexits.h has it."""

_LOOKS = 5


@contextlib.contextmanager
def watchdog(limit: float) -> Iterator[None]:
    """Ends the process when the running loop stands still, while its context is open.

    Args:
        limit: Seconds; 0 for never.
    """
    if not limit:
        yield
        return
    over = threading.Event()
    watching = threading.Thread(
        target=_watch,
        args=(asyncio.get_running_loop(), threading.get_ident(), limit, over),
        name="watchdog",
        daemon=True,
    )
    watching.start()
    try:
        yield
    finally:
        over.set()


def _watch(
    loop: asyncio.AbstractEventLoop, thread: int, limit: float, over: threading.Event
) -> None:
    """Looks several times: a process that was stopped as a whole has not stood still."""
    answered, looks = threading.Event(), 0
    answered.set()
    while not over.wait(limit / _LOOKS):
        if not answered.is_set():
            looks += 1
            if looks >= _LOOKS:
                _end(thread, limit)
            continue
        answered.clear()
        looks = 0
        try:
            loop.call_soon_threadsafe(answered.set)
        except RuntimeError:
            return  # it is closed


def _end(thread: int, limit: float) -> None:
    frame = sys._current_frames().get(thread)
    log.error(
        "worker.stands_still",
        seconds=limit,
        at=place_in(frame) if frame is not None else "",
        hint="make what blocks a plain def, which runs in a thread, or raise worker.max_stall",
    )
    logging.shutdown()
    os._exit(EXIT_CODE)
