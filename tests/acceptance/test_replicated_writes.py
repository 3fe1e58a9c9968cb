"""Writes on three nodes while two of them stand still: each is done once, and nobody is fenced."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from pepperpy import Client, connect
from pepperpy_bus.streams.kv import Bucket
from pepperpy_bus.tasks.journal import Journal
from pepperpy_bus.units import now
from pepperpy_schemas.errors import WrongSequence
from pepperpy_schemas.messages import Result, StepEntry
from pepperpy_schemas.subjects import bucket_name, stream_name
from tests.acceptance.clusters import Cluster

STANDSTILL = 7.0
"""Seconds: longer than a write waits for its first answer, shorter than a leader without others."""


def step(n: int) -> StepEntry:
    return StepEntry(1, n, "step", now(), msgspec.Raw(b"1"))


@pytest.fixture
async def replicated(cluster: Cluster, prefix: str) -> AsyncIterator[Client]:
    async with connect(cluster.url, bus__prefix=prefix, bus__replicas=3, patient=True) as client:
        yield client


async def test_a_write_that_is_sent_again_while_it_is_under_way_is_done_once(
    cluster: Cluster, replicated: Client
) -> None:
    prefix = replicated.prefix
    leader = await cluster.leader(replicated, stream_name(prefix, "STEPS"))
    async with connect(leader.url, bus__prefix=prefix, bus__replicas=3) as client:
        bucket = Bucket(client.connection, bucket_name(prefix, "state"))
        journal = Journal(client.connection, prefix, "t1", "bench/1")
        await journal.append(step(1))
        revision = await bucket.create("agent.a.seen", b"1")

        async def hold_up() -> None:
            with cluster.alone(leader):
                await asyncio.sleep(STANDSTILL)

        held_up = asyncio.create_task(hold_up())
        await asyncio.sleep(0.2)
        await asyncio.gather(
            journal.append(step(2)),
            bucket.update("agent.a.seen", b"2", revision=revision),
            client.results.put("t1", Result(ok=True, data=msgspec.Raw(b"2")), attempt=1),
        )
        await held_up
        await journal.append(step(3))

        written = Journal(client.connection, prefix, "t1", "bench/1")
        await written.read()
        assert [getattr(entry, "n", 0) for entry in written.history.entries] == [1, 2, 3]
        entry = await bucket.get("agent.a.seen", newest=True)
        assert entry is not None
        assert entry.value == b"2"
        ended = await client.results.get("t1")
        assert ended is not None
        assert bytes(ended.result.data) == b"2"


async def test_a_write_after_somebody_elses_is_refused_at_once(replicated: Client) -> None:
    bucket = Bucket(replicated.connection, bucket_name(replicated.prefix, "state"))
    first = await bucket.create("agent.a.seen", b"1")
    await bucket.update("agent.a.seen", b"2", revision=first)
    with pytest.raises(WrongSequence):
        await asyncio.wait_for(bucket.update("agent.a.seen", b"3", revision=first), 20)
    with pytest.raises(WrongSequence):
        await asyncio.wait_for(bucket.create("agent.a.seen", b"3"), 20)
