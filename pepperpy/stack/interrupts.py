"""Ctrl-C and its kin: once to stop in good order, twice to stop at once."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
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


@contextlib.asynccontextmanager
async def background(
    coroutine: Coroutine[Any, Any, None], *, name: str
) -> AsyncIterator[Awaitable[None]]:
    """Run a coroutine beside the block; it yields what waits for its end, and cancels it after."""
    task = asyncio.create_task(coroutine, name=name)
    try:
        yield asyncio.shield(task)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def first_of(**awaitables: Awaitable[object]) -> None:
    """Wait until the first of several ends, and raise what it raised; cancel the rest."""
    tasks = [asyncio.ensure_future(one) for one in awaitables.values()]
    for name, task in zip(awaitables, tasks, strict=True):
        if isinstance(task, asyncio.Task):
            task.set_name(name)
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
