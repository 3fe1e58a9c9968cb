import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest

from pepperpy.stack.broker import Broker
from pepperpy_bus.counters import Counters
from pepperpy_bus.link.connection import Connection
from pepperpy_provider_svc.money import counters as module
from pepperpy_provider_svc.money.counters import UsageCounters
from pepperpy_schemas.chat import Usage
from pepperpy_schemas.provider import Spend
from tests.links import Proxy

Streams = Callable[..., Awaitable[None]]
Connect = Callable[..., Awaitable[Connection]]
ProxyTo = Callable[[str], Awaitable[Proxy]]
Eventually = Callable[..., Awaitable[None]]

USAGE = Usage(10, 5, cached_tokens=3, cache_write_tokens=2, reasoning_tokens=1)


def spend_of(label: str, n: int) -> Spend:
    return Spend(label, n, Usage(10 * n, 5 * n, 3 * n, 2 * n, n), usd=round(n * 0.001, 9))


async def test_what_was_used_is_read_back_by_tenant_and_by_model(
    connection: Connection, prefix: str, streams: Streams
) -> None:
    await streams(connection, prefix, "COUNT")
    async with UsageCounters(connection, prefix) as usage:
        assert await usage.spend() == []
        usage.add("a", "openai/gpt-5", USAGE, 0.001)
        usage.add("b", "openai/gpt-5", USAGE, 0.001)
        usage.add("b", "local/smol", Usage(7, 1), None)
    assert await usage.spend() == [
        Spend("model local/smol", 1, Usage(7, 1)),
        spend_of("model openai/gpt-5", 2),
        spend_of("tenant a", 1),
        Spend("tenant b", 2, Usage(17, 6, 3, 2, 1), usd=0.001),
    ]


async def test_two_replicas_count_exactly(
    connection: Connection, connect: Connect, prefix: str, streams: Streams
) -> None:
    await streams(connection, prefix, "COUNT")

    async def replica(link: Connection) -> None:
        async with UsageCounters(link, prefix, every=0.001) as usage:
            for _ in range(300):
                usage.add("a", "openai/gpt-5", USAGE, 0.001)
                await asyncio.sleep(0)

    await asyncio.gather(replica(connection), replica(await connect()))
    found = await UsageCounters(connection, prefix).spend()
    assert found == [spend_of("model openai/gpt-5", 600), spend_of("tenant a", 600)]


async def test_counts_are_written_while_requests_go_on(
    connection: Connection, prefix: str, streams: Streams
) -> None:
    await streams(connection, prefix, "COUNT")
    counters = Counters(connection, prefix)
    async with UsageCounters(connection, prefix, every=0.001) as usage:
        usage.add("a", "m/x", USAGE, None)
        async with asyncio.timeout(5):
            while await counters.read("provider-requests", "tenant a") != 1:
                await asyncio.sleep(0.005)
        usage.add("a", "m/x", USAGE, None)
    assert await counters.read("provider-requests", "tenant a") == 2


async def test_nothing_is_lost_or_counted_twice_when_the_broker_is_killed(
    own: Connection, own_broker: Broker, prefix: str, streams: Streams, connect: Connect
) -> None:
    await streams(own, prefix, "COUNT")
    links = [own, await connect(own_broker.url)]
    killed = asyncio.Event()

    async def replica(link: Connection) -> int:
        n = 0
        async with UsageCounters(link, prefix, every=0.001) as usage:
            while not killed.is_set() or n % 100:
                usage.add("a", "openai/gpt-5", USAGE, 0.001)
                n += 1
                await asyncio.sleep(0.001)
        return n

    working = [asyncio.create_task(replica(link)) for link in links]
    counters = Counters(own, prefix)
    for _ in range(3):
        seen = await counters.read("provider-requests", "tenant a")
        async with asyncio.timeout(20):
            while await counters.read("provider-requests", "tenant a") < seen + 50:
                await asyncio.sleep(0.005)
        own_broker.kill()
        await own_broker.start()
    killed.set()
    total = sum(await asyncio.gather(*working))
    found = await UsageCounters(own, prefix).spend()
    assert found == [spend_of("model openai/gpt-5", total), spend_of("tenant a", total)]


async def test_what_cannot_be_written_by_the_end_is_logged(
    own: Connection, own_broker: Broker, prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    own_broker.stop_sync()
    with caplog.at_level(logging.WARNING, "pepperpy.provider"):
        async with UsageCounters(own, prefix, at_stop=0.2) as usage:
            usage.add("a", "m/x", Usage(1, 1), None)
    assert "provider.usage_lost" in caplog.text


async def test_a_write_that_fails_is_tried_again(
    connection: Connection,
    prefix: str,
    streams: Streams,
    caplog: pytest.LogCaptureFixture,
    eventually: Eventually,
) -> None:
    counters = Counters(connection, prefix)
    with caplog.at_level(logging.WARNING, "pepperpy.provider"):
        async with UsageCounters(connection, prefix, every=0.001) as usage:
            usage.add("a", "m/x", Usage(1, 1), None)
            await eventually(lambda: "provider.usage_unwritten" in caplog.text, within=10)
            await streams(connection, prefix, "COUNT")
    assert await counters.read("provider-input", "model m/x") == 1


async def test_a_model_of_any_name_is_counted(
    connection: Connection, prefix: str, streams: Streams
) -> None:
    await streams(connection, prefix, "COUNT")
    async with UsageCounters(connection, prefix) as usage:
        usage.add("a", "m/x\x1b[31m" + "y" * 300, Usage(1, 1), None)
    labels = [one.label for one in await usage.spend()]
    assert labels == [("model m/x\\x1b[31m" + "y" * 300)[:256], "tenant a"]


async def test_a_write_whose_acknowledgement_is_lost_counts_once(
    own_broker: Broker,
    own: Connection,
    connect: Connect,
    prefix: str,
    streams: Streams,
    proxy_to: ProxyTo,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    eventually: Eventually,
) -> None:
    await streams(own, prefix, "COUNT")
    monkeypatch.setattr(module, "TRY", 0.2)
    link = await proxy_to(own_broker.url)
    usage = UsageCounters(await connect(link.url), prefix)
    with caplog.at_level(logging.WARNING, "pepperpy.provider"):
        async with usage:
            link.swallow["down"] = True
            usage.add("a", "m/x", Usage(1), None)
            await eventually(lambda: caplog.text.count("provider.usage_unwritten") >= 4)
            link.swallow["down"] = False
            link.cut()
    found = await UsageCounters(own, prefix).spend()
    assert found == [Spend("model m/x", 1, Usage(1)), Spend("tenant a", 1, Usage(1))]
