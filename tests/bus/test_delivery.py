import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from pepperpy.stack.broker import Broker
from pepperpy_bus.link.connection import Connection
from pepperpy_bus.link.message import Message
from pepperpy_bus.streams.delivery import Delivery, from_message
from pepperpy_bus.streams.jetstream import api, store
from pepperpy_bus.streams.pull import Puller
from pepperpy_schemas.errors import BadPayload, Unavailable

Async = Callable[..., Coroutine[Any, Any, Any]]


@contextlib.asynccontextmanager
async def consuming(connection: Connection, prefix: str) -> AsyncIterator[asyncio.Queue[Delivery]]:
    """The deliveries of a consumer with a back-off of an hour, which a plain nak would ignore."""
    stream = prefix.upper()
    await api(connection, f"STREAM.CREATE.{stream}", {"name": stream, "subjects": [f"{prefix}.>"]})
    hour = 3_600_000_000_000
    config = {
        "name": "c",
        "durable_name": "c",
        "ack_policy": "explicit",
        "backoff": [hour, hour],
        "max_deliver": 5,
    }
    request = {"stream_name": stream, "config": config}
    await api(connection, f"CONSUMER.CREATE.{stream}.c", request)
    await store(connection, f"{prefix}.a", b"one", headers={"X": "y"})
    arrived: asyncio.Queue[Delivery] = asyncio.Queue()
    async with Puller(connection, stream, "c", slots=10, on_delivery=arrived.put_nowait):
        yield arrived


@pytest.fixture
async def deliveries(connection: Connection, prefix: str) -> AsyncIterator[asyncio.Queue[Delivery]]:
    async with consuming(connection, prefix) as arrived:
        yield arrived


async def pending(delivery: Delivery) -> int:
    info = await api(delivery.connection, f"CONSUMER.INFO.{delivery.stream}.{delivery.consumer}")
    return int(info["num_ack_pending"])


async def get(deliveries: asyncio.Queue[Delivery]) -> Delivery:
    return await asyncio.wait_for(deliveries.get(), 2)


async def test_a_delivery_knows_where_it_comes_from(
    deliveries: asyncio.Queue[Delivery], prefix: str
) -> None:
    one = await get(deliveries)
    assert (one.stream, one.consumer, one.deliveries) == (prefix.upper(), "c", 1)
    assert (one.seq, one.consumer_seq, one.pending) == (1, 1, 0)
    assert (one.subject, one.body, one.headers["x"]) == (f"{prefix}.a", b"one", "y")
    assert one.time_ns > 1_600_000_000_000_000_000


async def test_an_ack_is_seen_by_the_server_when_it_returns(
    deliveries: asyncio.Queue[Delivery],
) -> None:
    one = await get(deliveries)
    assert await pending(one) == 1
    await one.ack()
    assert await pending(one) == 0
    await one.ack()


@pytest.mark.parametrize("delay", [0.0, 0.2])
async def test_a_nak_comes_back_after_its_own_delay_not_the_consumers(
    deliveries: asyncio.Queue[Delivery], delay: float
) -> None:
    one = await get(deliveries)
    loop = asyncio.get_running_loop()
    started = loop.time()
    await one.nak(delay)
    again = await get(deliveries)
    assert again.deliveries == 2
    assert delay - 0.01 <= loop.time() - started < delay + 1.0


async def test_a_pulse_keeps_it(deliveries: asyncio.Queue[Delivery]) -> None:
    one = await get(deliveries)
    await one.pulse()
    assert await pending(one) == 1


async def test_a_confirmation_that_does_not_come_is_an_error(
    deliveries: asyncio.Queue[Delivery],
) -> None:
    one = await get(deliveries)
    await api(one.connection, f"STREAM.DELETE.{one.stream}")
    with pytest.raises(Unavailable):
        await asyncio.wait_for(one.ack(), 2)


async def test_an_ack_is_sent_again_however_often_its_link_breaks(
    connect: Async, proxy_to: Async, broker: Broker, prefix: str, eventually: Async
) -> None:
    proxy = await proxy_to(broker.url)
    connection = await connect(proxy.url)
    lost = iter([True, False])
    async with consuming(connection, prefix) as arrived:
        one = await get(arrived)
        connection.on_reconnect.insert(0, lambda: proxy.swallow.update(up=next(lost)))
        proxy.swallow["up"] = True
        settling = asyncio.create_task(one.ack())
        await asyncio.sleep(0)  # it has asked
        for _ in range(2):
            proxy.cut()
            await eventually(lambda: not connection.connected)
            proxy.swallow["up"] = False
            await connection.wait_connected(5)
        await asyncio.wait_for(settling, 5)
        assert await pending(one) == 0


def test_a_reply_subject_with_a_domain_is_read(connection: Connection) -> None:
    reply = "$JS.ACK.hub.ACCHASH.S.c.3.7.9.1700000000000000000.5.rand"
    one = from_message(Message("a", b"", {}, reply), connection)
    assert (one.stream, one.consumer, one.deliveries, one.seq) == ("S", "c", 3, 7)
    assert (one.consumer_seq, one.time_ns, one.pending) == (9, 1700000000000000000, 5)


@pytest.mark.parametrize("reply", ["", "_INBOX.x", "$JS.ACK.S.c.1"])
def test_another_reply_subject_is_no_delivery(reply: str, connection: Connection) -> None:
    with pytest.raises(BadPayload, match="not a delivery"):
        from_message(Message("a", b"", {}, reply), connection)
