"""Tasks that wait, on three nodes: what was acknowledged is still there for a moment."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from benchmarks.brokers import Broker, nats_cluster
from pepperpy import Agent, Client, Context, connect
from pepperpy_agents.worker import Worker, WorkerOptions
from pepperpy_bus.streams.consumers import resume_consumer
from pepperpy_bus.streams.delivery import Delivery
from pepperpy_bus.streams.provision import ensure_consumer
from pepperpy_bus.streams.pull import Puller
from pepperpy_bus.tasks.wakes import wake
from pepperpy_schemas.catalog.tasks import RESUME
from pepperpy_schemas.messages import Resume
from pepperpy_schemas.subjects import stream_name

WAKES = 100
CHAINS, LINKS = 30, 4
PATIENCE = 20.0
"""Seconds; a wake that is lost is made good after thirty."""


@pytest.fixture(scope="module")
def nodes() -> Iterator[Broker]:
    with nats_cluster() as cluster:
        yield cluster


@pytest.fixture
async def replicated(nodes: Broker, prefix: str) -> AsyncIterator[Client]:
    async with connect(nodes.url, bus__prefix=prefix, bus__replicas=3, patient=True) as client:
        yield client


async def test_a_wake_right_after_the_acknowledgement_of_another_is_never_lost(
    replicated: Client,
) -> None:
    connection, prefix = replicated.connection, replicated.prefix
    stream, config = stream_name(prefix, RESUME.stream), resume_consumer(prefix, "buy")
    await ensure_consumer(connection, stream, config)
    taken: asyncio.Queue[Delivery] = asyncio.Queue()
    puller = Puller(connection, stream, config["name"], slots=9, on_delivery=taken.put_nowait)
    async with puller, asyncio.timeout(120):
        for _ in range(WAKES):
            await wake(connection, prefix, topic="buy", task_id="t", resume=Resume("check"))
            await (await taken.get()).ack()
            puller.release()


async def test_no_link_of_a_chain_of_waits_is_made_good_by_patience(replicated: Client) -> None:
    agent = Agent("chains")

    @agent.task("link")
    async def link(n: int) -> int:
        return n

    @agent.task("chain")
    async def chain(_: None, ctx: Context) -> list[Any]:
        return [await ctx.run("link", n) for n in range(LINKS)]

    worker = Worker(agent, replicated, WorkerOptions())
    running = asyncio.create_task(worker.run(), name="worker")

    async def one() -> float:
        began = time.monotonic()
        assert await replicated.run("chain", wait=60) == list(range(LINKS))
        return time.monotonic() - began

    try:
        took = await asyncio.gather(*(one() for _ in range(CHAINS)))
    finally:
        worker.stop()
        await running
    assert max(took) < PATIENCE
