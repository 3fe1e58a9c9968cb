"""Work that goes on for as long as the monitor runs, whatever happens in it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Final

from pepperpy_bus.logs import get_log

log = get_log("pepperpy.monitor")

AGAIN: Final = 1.0
"""Seconds after which work begins anew that an error ended."""

Work = Callable[[], Awaitable[None]]


@contextlib.asynccontextmanager
async def looping(works: Mapping[str, Work]) -> AsyncIterator[None]:
    """Does works side by side while its context is open; one that fails begins anew.

    Args:
        works: By name. One that returns is begun again at once: it paces itself.
    """
    tasks = [asyncio.create_task(_go_on(name, work), name=name) for name, work in works.items()]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _go_on(name: str, work: Work) -> None:
    while True:
        try:
            await work()
        except Exception:
            # What one part of the monitor cannot do must not end what the others see.
            log.exception("monitor.part_failed", part=name)
            await asyncio.sleep(AGAIN)


def every(seconds: float, work: Work) -> Work:
    """Returns work that is done again and again, with a pause after each time."""

    async def once() -> None:
        await work()
        await asyncio.sleep(seconds)

    return once
