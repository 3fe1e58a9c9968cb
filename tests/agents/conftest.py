"""What the agents' tests share: a client, workers in this process, and a look at what happened."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from pepperpy import Agent, Client, Heard, connect
from pepperpy.stack.broker import Broker
from pepperpy_agents.sharding.assignment import ShardingOptions
from pepperpy_agents.worker import Worker, WorkerOptions
from pepperpy_bus.streams.jetstream import api
from pepperpy_bus.streams.topology import Limits, streams
from pepperpy_bus.tasks.deadletters import Filed
from pepperpy_schemas.errors import NotFound
from tests.worker_processes import workers  # noqa: F401 - a fixture

Working = Callable[..., contextlib.AbstractAsyncContextManager[Worker]]


async def wait_until(check: Callable[[], Any], within: float = 8.0) -> Any:
    """Returns what the check returns once it is truthy; the check may be async."""
    async with asyncio.timeout(within):
        while True:
            found = check()
            if isinstance(found, Awaitable):
                found = await found
            if found:
                return found
            await asyncio.sleep(0.01)


async def clear(client: Client) -> None:
    """Streams reserve their largest size at the broker, which all tests share."""
    for config in streams(client.prefix, Limits()):
        with contextlib.suppress(NotFound):
            await api(client.connection, f"STREAM.DELETE.{config['name']}")


@pytest.fixture
def eventually() -> Callable[..., Awaitable[Any]]:
    """`await eventually(lambda: …, within=8.0)`."""
    return wait_until


@pytest.fixture
async def client(broker: Broker, prefix: str) -> AsyncIterator[Client]:
    async with connect(broker.url, bus__prefix=prefix) as one:
        yield one
        await clear(one)


@pytest.fixture
def working(broker: Broker, prefix: str) -> Working:
    """`async with working(agent, concurrency=4) as worker:` runs it with its own connection."""

    @contextlib.asynccontextmanager
    async def start(
        agent: Agent,
        *,
        concurrency: int = 16,
        grace: float = 5.0,
        url: str = "",
        sharding: ShardingOptions | None = None,
    ) -> AsyncIterator[Worker]:
        async with connect(url or broker.url, bus__prefix=prefix) as own:
            shards = sharding or ShardingOptions()
            options = WorkerOptions(concurrency=concurrency, grace=grace, sharding=shards)
            worker = Worker(agent, own, options)
            running = asyncio.create_task(worker.run(), name="worker")
            try:
                await wait_until(lambda: worker.ready or running.done())
                if not running.done():
                    yield worker
            finally:
                worker.stop()
                await running

    return start


class Seen:
    """What the bus kept of a task."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def events(self, pattern: str = ">") -> list[Heard]:
        found = self._client.events(pattern, since="1h", until_end=True)
        return [one async for one in found]

    async def names(self, task_id: str) -> list[str]:
        return [one.name for one in await self.events(f"*.*.*.{task_id}")]

    async def named(self, task_id: str, name: str, count: int = 1) -> list[Heard]:
        """Events are told beside the task's way: waits until there are as many."""

        async def enough() -> list[Heard]:
            found = [one for one in await self.events(f"*.*.*.{task_id}") if one.name == name]
            return found if len(found) >= count else []

        found: list[Heard] = await wait_until(enough)
        return found

    async def letters(self, topic: str = "") -> list[Filed]:
        return [one async for one in self._client.dead_letters.find(topic=topic)]

    async def letter(self, topic: str) -> Filed:
        (found,) = await self.letters(topic)
        return found


@pytest.fixture
def seen(client: Client) -> Seen:
    return Seen(client)
