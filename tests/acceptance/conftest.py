"""What the acceptance tests share: an agent with countable effects, and a look at the end."""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from pepperpy import Client, connect
from pepperpy.stack.broker import Broker
from pepperpy_bus.streams.consumers import task_consumer
from pepperpy_bus.streams.follow import follow
from pepperpy_bus.streams.jetstream import api
from pepperpy_bus.streams.provision import ensure_consumer
from pepperpy_bus.streams.topology import Limits, streams
from pepperpy_schemas.catalog.tasks import RESULT
from pepperpy_schemas.errors import NotFound
from pepperpy_schemas.subjects import stream_name
from tests.acceptance.chaos import Workers
from tests.acceptance.clusters import Cluster
from tests.links import proxy_to  # noqa: F401 - a fixture
from tests.worker_processes import workers  # noqa: F401 - a fixture

APP = """
import asyncio, os, sqlite3
from pepperpy import Agent, Context

agent = Agent("counters")
effects = sqlite3.connect("effects.db", isolation_level=None, timeout=30)
effects.execute("pragma synchronous = off")

@agent.task("count", retries=5, retry_delay=0.1)
async def count(n: int, ctx: Context) -> int:
    effects.execute("insert into effects values (?, ?, ?)", (ctx.task_id, os.getpid(), ctx.attempt))
    await asyncio.sleep(n % 3 / 1000)
    return n

@agent.task("nap", retries=5, retry_delay=0.1)
async def nap(n: int, ctx: Context) -> int:
    effects.execute("insert into effects values (?, ?, ?)", (ctx.task_id, os.getpid(), ctx.attempt))
    await asyncio.sleep(0.05)
    return n
"""


class Effects:
    """What the handlers did, counted outside the bus."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with sqlite3.connect(path) as made:
            made.execute("pragma journal_mode = wal")
            made.execute("create table effects (id text, pid int, attempt int)")
        made.close()

    def rows(self) -> list[tuple[str, int, int]]:
        with sqlite3.connect(self._path) as reading:
            rows = reading.execute("select id, pid, attempt from effects").fetchall()
        reading.close()
        return rows

    def by_task(self) -> Counter[str]:
        return Counter(row[0] for row in self.rows())

    def by_process(self) -> Counter[int]:
        return Counter(row[1] for row in self.rows())


@pytest.fixture
def effects(tmp_path: Path) -> Effects:
    (tmp_path / "counting_app.py").write_text(APP)
    return Effects(tmp_path / "effects.db")


@pytest.fixture
async def client(broker: Broker, prefix: str) -> AsyncIterator[Client]:
    async with connect(broker.url, bus__prefix=prefix) as one:
        yield one
        for config in streams(prefix, Limits()):
            try:
                await api(one.connection, f"STREAM.DELETE.{config['name']}")
            except NotFound:
                continue


@pytest.fixture
def cluster(broker_factory: Callable[..., Broker]) -> Cluster:
    return Cluster(broker_factory)


@pytest.fixture
async def chains(tmp_path: Path, prefix: str) -> AsyncIterator[Callable[..., Workers]]:
    """Starts workers of tasks of four steps: `chains(url, count, VARIABLE="value")`."""
    started: list[Workers] = []

    def start(url: str, count: int = 1, **environment: str) -> Workers:
        started.append(Workers(tmp_path, url, prefix, count, **environment))
        return started[-1]

    yield start
    for one in started:
        # Beside the loop, in which their links are.
        await asyncio.to_thread(one.stop)


class Audit:
    """Waits for the end of many tasks and reads what the bus kept."""

    async def submit(self, client: Client, topic: str, numbers: range) -> dict[str, int]:
        async def one(n: int) -> tuple[str, int]:
            return await client.submit(topic, n), n

        submitted: dict[str, int] = {}
        for start in range(0, len(numbers), 500):
            chunk = numbers[start : start + 500]
            submitted |= dict(await asyncio.gather(*(one(n) for n in chunk)))
        return submitted

    async def count(self, client: Client, suffix: str) -> int:
        name = stream_name(client.prefix, suffix)
        return int((await api(client.connection, f"STREAM.INFO.{name}"))["state"]["messages"])

    async def ended(self, client: Client, count: int, within: float) -> None:
        """Returns when there are as many results, and no task is left."""
        async with asyncio.timeout(within):
            while await self.count(client, "RESULTS") < count or await self.count(client, "TASKS"):
                await asyncio.sleep(0.05)

    async def results(self, client: Client) -> dict[str, int]:
        """Every result's answer by task; fails for one that is there twice, or failed."""
        found: dict[str, int] = {}
        stream = stream_name(client.prefix, "RESULTS")
        pattern = RESULT.pattern(client.prefix)
        async with follow(client.connection, stream, [pattern]) as follower:
            async for delivery in follower.until_end():
                task_id = RESULT.parse(client.prefix, delivery.subject)["id"]
                result = RESULT.decode(delivery.body)
                assert task_id not in found
                assert result.ok, result.error
                found[task_id] = int(bytes(result.data))
        return found

    async def impatient(self, client: Client, topic: str, seconds: float) -> None:
        """Makes the topic's consumers hand the tasks of dead workers over soon."""
        for high in (False, True):
            config = task_consumer(client.prefix, topic, high=high)
            config["ack_wait"] = int(seconds * 1e9)
            await ensure_consumer(client.connection, stream_name(client.prefix, "TASKS"), config)


@pytest.fixture
def audit() -> Audit:
    return Audit()
