"""Ctrl-C and its kin: once to stop in good order, twice to stop at once."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def interrupts(first: Callable[[], None], second: Callable[[], None]) -> Iterator[None]:
    """Call one function at the first signal to end, the other at each later one."""
    loop = asyncio.get_running_loop()
    calls = 0

    def arrived() -> None:
        nonlocal calls
        calls += 1
        (first if calls == 1 else second)()

    for number in _SIGNALS:
        loop.add_signal_handler(number, arrived)
    try:
        yield
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


async def first_of(**coroutines: Coroutine[Any, Any, object]) -> None:
    """Run coroutines until the first of them ends, and raise what it raised; cancel the rest."""
    tasks = [asyncio.create_task(one, name=name) for name, one in coroutines.items()]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
