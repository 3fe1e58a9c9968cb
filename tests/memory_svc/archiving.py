"""The stock agent of the memory's long work, for tests of those who submit it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from pepperpy_agents.memory.archivist import agent
from pepperpy_agents.worker import Worker, WorkerOptions
from pepperpy_bus.opening import connect


@contextlib.asynccontextmanager
async def archiving(url: str, prefix: str, **flags: Any) -> AsyncIterator[None]:
    """Does the memory's long work; flags are settings, as `connect` takes them."""
    async with connect(url, bus__prefix=prefix, **flags) as own:
        worker = Worker(agent, own, WorkerOptions(concurrency=4, grace=1.0))
        running = asyncio.create_task(worker.run(), name="archivist")
        try:
            async with asyncio.timeout(10):
                while not worker.ready and not running.done():
                    await asyncio.sleep(0.01)
            yield
        finally:
            worker.stop()
            await running
