"""A router and a fleet of simulated models on a real broker, in this process."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import pytest

from pepperpy.stack.broker import Broker
from pepperpy_agents.agent import Agent
from pepperpy_agents.worker import Worker, WorkerOptions
from pepperpy_bus.opening import connect
from pepperpy_capabilities.learning.routing.router_agent import agent as router

Working = Callable[..., AbstractAsyncContextManager[None]]


@pytest.fixture
def working(broker: Broker, prefix: str) -> Working:
    """Runs agents, the router by default, each in a worker of its own."""

    @contextlib.asynccontextmanager
    async def run(*agents: Agent, concurrency: int = 16) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            for one in agents or (router,):
                own = await stack.enter_async_context(connect(broker.url, bus__prefix=prefix))
                worker = Worker(one, own, WorkerOptions(concurrency=concurrency, grace=1.0))
                running = asyncio.create_task(worker.run(), name=f"worker:{one.name}")
                stack.push_async_callback(_stopped, worker, running)
                async with asyncio.timeout(20):
                    while not worker.ready and not running.done():
                        await asyncio.sleep(0.01)
            yield

    return run


async def _stopped(worker: Worker, running: "asyncio.Task[object]") -> None:
    worker.stop()
    await running
