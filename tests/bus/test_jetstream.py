import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from pepperpy.stack.broker import Broker
from pepperpy_bus.link.connection import Connection
from pepperpy_bus.link.message import Message
from pepperpy_bus.streams import jetstream
from pepperpy_bus.streams.jetstream import api, delete_message, purge, store
from pepperpy_bus.streams.reading import Stored, all_on, last_as_stored, last_on, message_at
from pepperpy_schemas.errors import (
    NotFound,
    PermissionDenied,
    QueueFull,
    RefusedByServer,
    Unavailable,
    Unreachable,
    WrongSequence,
)

Async = Callable[..., Coroutine[Any, Any, Any]]


class Stream:
    """A stream of the test's own."""

    def __init__(self, connection: Connection, prefix: str) -> None:
        self.connection = connection
        self.name = f"{prefix.upper()}_S"
        self.subject = f"{prefix}.s.a"

    async def create(self, **settings: Any) -> None:
        config = {
            "name": self.name,
            "subjects": [self.subject.replace(".a", ".*")],
            "allow_direct": True,
            **settings,
        }
        await api(self.connection, f"STREAM.CREATE.{self.name}", config)

    async def count(self) -> int:
        info = await api(self.connection, f"STREAM.INFO.{self.name}")
        return int(info["state"]["messages"])


@pytest.fixture
def stream(connection: Connection, prefix: str) -> Stream:
    return Stream(connection, prefix)


@pytest.fixture
def own_stream(own: Connection, prefix: str) -> Stream:
    return Stream(own, prefix)


# --- storing --------------------------------------------------------------------------------------


async def test_a_stored_message_is_read_back_with_everything(stream: Stream) -> None:
    await stream.create(allow_msg_ttl=True)
    first = await store(stream.connection, stream.subject, b"1")
    ack = await store(
        stream.connection, stream.subject, b"2", msg_id="m", headers={"X-Y": "é"}, ttl="1h"
    )
    assert (first.seq, ack.seq, ack.stream, ack.duplicate) == (1, 2, stream.name, False)
    last = await last_on(stream.connection, stream.name, stream.subject)
    assert last == await message_at(stream.connection, stream.name, 2)
    assert last is not None
    assert (last.body, last.seq, last.subject) == (b"2", 2, stream.subject)
    assert (last.headers["x-y"], last.headers["nats-msg-id"]) == ("é", "m")
    assert last.time.startswith("20")
    assert await last_on(stream.connection, stream.name, "nothing") is None
    assert await message_at(stream.connection, stream.name, 3) is None


async def test_the_same_message_id_is_stored_once(stream: Stream) -> None:
    await stream.create()
    first = await store(stream.connection, stream.subject, b"1", msg_id="m")
    again = await store(stream.connection, stream.subject, b"2", msg_id="m")
    assert (again.duplicate, again.seq) == (True, first.seq)
    assert await stream.count() == 1


async def test_an_expected_sequence_that_does_not_hold_is_an_error(stream: Stream) -> None:
    await stream.create()
    await store(stream.connection, stream.subject, b"1", expect_last=0)
    for wrong in (0, 7):
        with pytest.raises(WrongSequence) as refused:
            await store(stream.connection, stream.subject, b"2", expect_last=wrong)
        assert refused.value.context["err_code"] == 10071
    await store(stream.connection, stream.subject, b"2", expect_last=1)


@pytest.mark.parametrize("limit", [{"max_msgs": 1}, {"max_bytes": 200}])
async def test_a_full_stream_says_queue_full_and_not_unavailable(
    stream: Stream, limit: dict[str, int]
) -> None:
    await stream.create(discard="new", **limit)
    await store(stream.connection, stream.subject, b"x" * 100)
    with pytest.raises(QueueFull, match="the stream is full") as full:
        await asyncio.wait_for(store(stream.connection, stream.subject, b"x" * 100, msg_id="m"), 1)
    assert full.value.retryable


async def test_a_subject_that_no_stream_keeps_is_an_error(connection: Connection) -> None:
    with pytest.raises(Unavailable, match="nobody listens"):
        await store(connection, "no.stream", b"1")
    with pytest.raises(Unavailable, match="nobody listens"):
        await store(connection, "no.stream", b"1", msg_id="m", timeout=0.3)


@pytest.mark.parametrize("body", [b"hello", b"", b"{}", b'{"ok":true}', b"[]"])
async def test_the_answer_of_a_stranger_is_no_acknowledgement(
    connection: Connection, prefix: str, body: bytes
) -> None:
    tasks: list[asyncio.Task[None]] = []

    def answer(message: Message) -> None:
        tasks.append(asyncio.create_task(connection.publish(message.reply, body)))

    async with await connection.subscribe(prefix, answer):
        with pytest.raises(Unavailable, match="somebody else than JetStream"):
            await store(connection, prefix, b"1")


async def test_a_write_survives_a_crash_of_the_server_and_is_there_once(
    own_stream: Stream, own_broker: Broker
) -> None:
    await own_stream.create()
    own_broker.kill()
    storing = [
        asyncio.create_task(store(own_stream.connection, own_stream.subject, b"x", msg_id=f"m{n}"))
        for n in range(20)
    ]
    await asyncio.sleep(0.05)
    await own_broker.start()
    acks = await asyncio.wait_for(asyncio.gather(*storing), 10)
    assert sorted(ack.seq for ack in acks) == list(range(1, 21))
    assert await own_stream.count() == 20


async def test_a_lost_acknowledgement_is_asked_for_again_and_stores_nothing_twice(
    own_broker: Broker,
    connect: Async,
    proxy_to: Async,
    prefix: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jetstream, "_ATTEMPT_TIMEOUT", 0.3)
    proxy = await proxy_to(own_broker.url)
    stream = Stream(await connect(proxy.url), prefix)
    await stream.create()
    proxy.swallow["down"] = True
    storing = asyncio.create_task(store(stream.connection, stream.subject, b"x", msg_id="m"))
    beside = await connect(own_broker.url)
    async with asyncio.timeout(5):
        while await last_on(beside, stream.name, stream.subject) is None:
            await asyncio.sleep(0.01)
    own_broker.kill()
    proxy.swallow["down"] = False
    await own_broker.start()
    ack = await asyncio.wait_for(storing, 10)
    assert (ack.seq, ack.duplicate) == (1, True)
    assert await stream.count() == 1


async def test_without_a_message_id_a_lost_acknowledgement_is_not_retried(
    connect: Async, proxy_to: Async, broker: Broker, prefix: str
) -> None:
    proxy = await proxy_to(broker.url)
    stream = Stream(await connect(proxy.url), prefix)
    await stream.create()
    proxy.swallow["down"] = True
    with pytest.raises(Unavailable, match="no answer"):
        await store(stream.connection, stream.subject, b"x", timeout=0.3)
    back = asyncio.Event()
    stream.connection.on_reconnect.append(back.set)
    proxy.swallow["down"] = False
    proxy.cut()
    await asyncio.wait_for(back.wait(), 5)
    assert await stream.count() == 1


async def test_a_server_that_stays_away_is_an_error_in_the_end(
    own: Connection, own_broker: Broker, prefix: str, eventually: Async
) -> None:
    own_broker.kill()
    await eventually(lambda: not own.connected)
    with pytest.raises(Unreachable, match="is away"):
        await asyncio.wait_for(store(own, prefix, b"1", msg_id="m", timeout=0.2), 1)
    await own.close()
    with pytest.raises(Unreachable):
        await asyncio.wait_for(store(own, prefix, b"1", msg_id="m", timeout=30), 1)


# --- reading --------------------------------------------------------------------------------------


async def test_a_subject_is_read_whole_and_in_order_however_much_it_is(stream: Stream) -> None:
    await stream.create()
    size, number = 200_000, 120  # several batches
    sending = (
        store(stream.connection, stream.subject, b"%06d" % n + b"x" * size) for n in range(number)
    )
    for each in sending:
        await each
    await store(stream.connection, stream.subject.replace(".a", ".b"), b"another's")
    found = await all_on(stream.connection, stream.name, stream.subject)
    assert [int(one.body[:6]) for one in found] == list(range(number))
    some = await all_on(stream.connection, stream.name, stream.subject, limit=7)
    assert [one.seq for one in some] == [1, 2, 3, 4, 5, 6, 7]


async def test_thousands_of_small_messages_are_read_whole(stream: Stream) -> None:
    await stream.create()
    for n in range(3000):
        await stream.connection.publish(stream.subject, b"%d" % n)
    await store(stream.connection, stream.subject, b"3000")
    found = await all_on(stream.connection, stream.name, stream.subject)
    assert [int(one.body) for one in found] == list(range(3001))
    assert await all_on(stream.connection, stream.name, "nothing.there") == []


async def test_a_senders_header_named_status_does_not_end_the_reading(stream: Stream) -> None:
    await stream.create()
    for status in ("404", "204", "408"):
        await store(stream.connection, stream.subject, b"", headers={"Status": status})
    found = await all_on(stream.connection, stream.name, stream.subject)
    assert [one.headers["status"] for one in found] == ["404", "204", "408"]
    last = await last_on(stream.connection, stream.name, stream.subject)
    assert last is not None
    assert last.seq == 3


async def test_a_stream_that_is_not_there_is_never_read_as_empty(connection: Connection) -> None:
    with pytest.raises(Unavailable):
        await all_on(connection, "NO_SUCH", "a")
    with pytest.raises(Unavailable):
        await last_on(connection, "NO_SUCH", "a")
    with pytest.raises(NotFound):
        await api(connection, "STREAM.INFO.NO_SUCH")


async def test_a_question_the_server_cannot_read_is_an_error(stream: Stream) -> None:
    await stream.create()
    with pytest.raises(Unavailable, match="408"):
        await message_at(stream.connection, stream.name, 0)


async def test_what_is_read_over_a_link_that_breaks_is_read_again_and_whole(
    connect: Async, proxy_to: Async, broker: Broker, prefix: str, eventually: Async
) -> None:
    proxy = await proxy_to(broker.url)
    stream = Stream(await connect(proxy.url), prefix)
    await stream.create()
    for n in range(50):
        await store(stream.connection, stream.subject, b"x" * 100_000, msg_id=f"m{n}")

    async def by_the_api(connection: Connection, name: str, _: str) -> Stored | None:
        info = await api(connection, f"STREAM.INFO.{name}")
        return await message_at(connection, name, info["state"]["last_seq"])

    for read in (all_on, last_on, last_as_stored, by_the_api):
        proxy.freeze("down")
        reading = asyncio.create_task(read(stream.connection, stream.name, stream.subject))
        await asyncio.sleep(0)  # it has asked
        proxy.cut()
        await eventually(lambda: not stream.connection.connected)
        assert not reading.done()
        proxy.thaw()
        found = await asyncio.wait_for(reading, 5)
        if isinstance(found, list):
            assert [one.seq for one in found] == list(range(1, 51))
        else:
            assert found is not None
            assert found.seq == 50


async def test_reading_ends_when_the_broker_stays_away(
    own_broker: Broker, connect: Async, eventually: Async
) -> None:
    own = await connect(own_broker.url, request_timeout=0.2)
    own_broker.kill()
    await eventually(lambda: not own.connected)
    with pytest.raises(Unreachable):
        await asyncio.wait_for(all_on(own, "S", "a"), 2)
    await own.close()
    with pytest.raises(Unreachable):
        await asyncio.wait_for(last_on(own, "S", "a"), 1)


# --- the rest -------------------------------------------------------------------------------------


async def test_messages_are_deleted_one_by_one_and_purged_by_subject(stream: Stream) -> None:
    await stream.create()
    for _ in range(3):
        await store(stream.connection, stream.subject, b"x")
    assert await delete_message(stream.connection, stream.name, 2)
    assert not await delete_message(stream.connection, stream.name, 2)
    assert not await delete_message(stream.connection, stream.name, 99)
    assert not await delete_message(stream.connection, "NO_SUCH", 1)
    assert await purge(stream.connection, stream.name, stream.subject) == 2
    assert await purge(stream.connection, stream.name, stream.subject) == 0


async def test_a_deletion_that_is_forbidden_is_not_taken_for_nothing_there(stream: Stream) -> None:
    await stream.create(deny_delete=True)
    await store(stream.connection, stream.subject, b"x")
    with pytest.raises(RefusedByServer, match=r"\(\d+\)"):
        await delete_message(stream.connection, stream.name, 1)


async def test_what_the_server_refuses_has_its_number(stream: Stream) -> None:
    with pytest.raises(RefusedByServer) as refused:
        await stream.create(storage="paper")
    assert refused.value.err_code == refused.value.context["err_code"] > 10000
    with pytest.raises(Unavailable):
        await api(stream.connection, "NO.SUCH.CALL", timeout=0.2)


@pytest.mark.parametrize(
    ("code", "err_code", "expected"),
    [
        (400, 10071, WrongSequence),
        (400, 10164, WrongSequence),
        (503, 10077, QueueFull),
        (503, 10047, QueueFull),
        (404, 10059, NotFound),
        (503, 10008, Unavailable),
        (403, 1, PermissionDenied),
        (400, 10025, RefusedByServer),
    ],
)
async def test_each_refusal_has_its_own_error(
    connection: Connection, prefix: str, code: int, err_code: int, expected: type[Exception]
) -> None:
    error = {"code": code, "err_code": err_code, "description": "words"}
    tasks: list[asyncio.Task[None]] = []

    def refuse(message: Message) -> None:
        body = json.dumps({"error": error}).encode()
        tasks.append(asyncio.create_task(connection.publish(message.reply, body)))

    async with await connection.subscribe(prefix, refuse):
        with pytest.raises(expected, match="words"):
            await store(connection, prefix, b"1")
