"""Reads on three nodes while one of them stands still."""

import asyncio

import msgspec

from pepperpy import connect
from pepperpy_bus.streams.follow import follow
from pepperpy_schemas.messages import Result
from pepperpy_schemas.subjects import stream_name
from tests.acceptance.clusters import Cluster

READERS = 12
"""Each is given to one of three nodes at random: all to those that answer once in 130 runs."""


async def test_a_reader_that_is_given_to_a_node_that_stands_still_gets_another(
    cluster: Cluster, prefix: str
) -> None:
    async with connect(cluster.url, bus__prefix=prefix, bus__replicas=3, patient=True) as first:
        await first.results.put("t1", Result(ok=True, data=msgspec.Raw(b"1")), attempt=1)
        stream = stream_name(prefix, "RESULTS")
        leader = await cluster.leader(first, stream)
        async with connect(leader.url, bus__prefix=prefix, bus__replicas=3) as client:

            async def read() -> int:
                async with follow(client.connection, stream, [f"{prefix}.>"]) as follower:
                    return len([one async for one in follower.until_end()])

            with cluster.without_one(leader):
                found = await asyncio.gather(*(read() for _ in range(READERS)))
    assert found == [1] * READERS
