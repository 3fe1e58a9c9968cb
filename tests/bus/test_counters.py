import asyncio
from collections.abc import Awaitable, Callable

import pytest

from pepperpy.stack.broker import Broker
from pepperpy_bus import counters as module
from pepperpy_bus.counters import Counters, CounterValue
from pepperpy_bus.link.connection import Connection
from pepperpy_bus.streams.reading import all_on
from pepperpy_bus.streams.topology import COUNTS
from pepperpy_schemas.errors import BadName, Unavailable

Streams = Callable[..., Awaitable[None]]
Connect = Callable[..., Awaitable[Connection]]


@pytest.fixture
async def counters(connection: Connection, prefix: str, streams: Streams) -> Counters:
    await streams(connection, prefix, "COUNT")
    return Counters(connection, prefix)


async def test_what_two_processes_add_at_the_same_time_is_all_there(
    counters: Counters, connect: Connect, prefix: str
) -> None:
    other = Counters(await connect(), prefix)
    adds = [
        one.add("requests", "tenant a", n, msg_id=f"{who}{n}")
        for n in range(1, 101)
        for who, one in (("x", counters), ("y", other))
    ]
    await asyncio.gather(*adds)
    assert await counters.read("requests", "tenant a") == 2 * 5050


async def test_an_addition_that_is_sent_again_counts_once(counters: Counters) -> None:
    for _ in range(3):
        await counters.add("requests", "a", 5, msg_id="one")
    await counters.add("requests", "a", -2, msg_id="two")
    assert await counters.read("requests", "a") == 3
    assert await counters.has("requests", "a", "one")
    assert not await counters.has("requests", "a", "three")
    assert not await counters.has("requests", "b", "one")


async def test_sums_are_larger_than_any_machine_word(counters: Counters) -> None:
    for msg_id in ("one", "two"):
        await counters.add("nano", "a", 10**25, msg_id=msg_id)
    assert await counters.read("nano", "a") == 2 * 10**25


async def test_a_counter_that_nobody_has_written_is_zero(counters: Counters) -> None:
    assert await counters.read("requests", "a") == 0
    assert await counters.all("requests") == []


async def test_labels_are_any_text_and_come_back_as_they_were(counters: Counters) -> None:
    for label in ("tenant a", "model openai/gpt-5.4", "plain"):
        await counters.add("requests", label, 1, msg_id=label)
    await counters.add("other", "plain", 7, msg_id="other")
    found = await counters.all("requests")
    assert sorted(one.label for one in found) == ["model openai/gpt-5.4", "plain", "tenant a"]
    assert await counters.all("other") == [CounterValue("other", "plain", 7)]
    with pytest.raises(BadName):
        await counters.add("requests", "two\nlines", 1, msg_id="bad")


async def test_the_sum_stays_when_its_oldest_messages_go(
    counters: Counters, connection: Connection, prefix: str
) -> None:
    n = COUNTS + 50
    await asyncio.gather(*(counters.add("requests", "a", 1, msg_id=f"i{i}") for i in range(n)))
    assert await counters.read("requests", "a") == n
    kept = await all_on(connection, f"{prefix.upper()}_COUNT", f"{prefix}.count.>")
    assert len(kept) == COUNTS


async def test_more_counters_than_the_server_reads_at_once_are_read_all(
    counters: Counters,
) -> None:
    n = module.MAX_COUNTERS + 1
    adds = [counters.add("requests", f"l{i}", i, msg_id=f"i{i}") for i in range(n)]
    await asyncio.gather(*adds, counters.add("requests", "l1", 9, msg_id="more"))
    found = {one.label: one.value for one in await counters.all("requests")}
    assert found == {f"l{i}": i for i in range(n)} | {"l1": 10}


async def test_without_its_stream_a_counter_cannot_be_read_or_written(
    connection: Connection, prefix: str
) -> None:
    counters = Counters(connection, prefix)
    with pytest.raises(Unavailable):
        await counters.all("requests")
    with pytest.raises(Unavailable):
        await counters.add("requests", "a", 1, msg_id="one", timeout=0.1)


async def test_an_addition_sent_again_after_the_server_was_killed_counts_once(
    own: Connection, own_broker: Broker, prefix: str, streams: Streams
) -> None:
    await streams(own, prefix, "COUNT")
    counters = Counters(own, prefix)
    await counters.add("requests", "a", 5, msg_id="one")
    own_broker.kill()
    await own_broker.start()
    await counters.add("requests", "a", 5, msg_id="one")
    assert await counters.read("requests", "a") == 5
