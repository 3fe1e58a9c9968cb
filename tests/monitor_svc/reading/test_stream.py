"""One stream read for ever: history, faults of the broker, and what was never seen."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from pepperpy import connect
from pepperpy.stack.broker import Broker
from pepperpy.stack.conf import role_logins
from pepperpy_bus.client import Client
from pepperpy_bus.link.connection import Connection
from pepperpy_bus.streams.delivery import Delivery
from pepperpy_bus.streams.follow import Follower, follow
from pepperpy_bus.streams.jetstream import api, delete_message, purge, store
from pepperpy_monitor_svc.reading import stream as reading_stream
from pepperpy_monitor_svc.reading.stream import StreamReader
from pepperpy_schemas.errors import Unavailable
from pepperpy_schemas.monitor_requests import Position
from tests.monitor_svc.reading.conftest import Recorder, at_work, until

Async = Callable[..., Awaitable[Any]]


class Log:
    """A stream to read, and a reader of it."""

    def __init__(self, connection: Connection, prefix: str, recorder: Recorder) -> None:
        self.connection, self.stream, self.prefix = connection, prefix.upper(), prefix
        self.recorder = recorder
        self.seen: list[int] = []

    async def create(self, **more: Any) -> None:
        config = {"name": self.stream, "subjects": [f"{self.prefix}.>"], "allow_direct": True}
        await api(self.connection, f"STREAM.CREATE.{self.stream}", {**config, **more})

    async def write(self, *numbers: int) -> None:
        for n in numbers:
            await store(self.connection, f"{self.prefix}.a", b"%d" % n, msg_id=f"{n}")

    def reader(self, **options: Any) -> StreamReader:
        return StreamReader(
            self.connection, self.stream, self.take, on_gap=self.recorder.gap, **options
        )

    def take(self, delivery: Delivery, _at: float) -> None:
        self.seen.append(int(delivery.body))

    @property
    def gaps(self) -> list[tuple[int, int, str]]:
        return [(one.first_seq, one.last_seq, one.reason) for one in self.recorder.gaps]


@pytest.fixture
async def log(connection: Connection, prefix: str, recorder: Recorder) -> Log:
    one = Log(connection, prefix, recorder)
    await one.create()
    return one


async def test_all_that_is_there_is_read_and_then_what_comes(log: Log) -> None:
    await log.write(*range(700))
    reader = log.reader()
    assert not reader.complete.is_set()
    async with at_work(reader.run):
        await until(reader.complete.is_set)
        assert log.seen == list(range(700))
        await log.write(700)
        await until(lambda: len(log.seen) == 701)
        assert (reader.behind, reader.position and reader.position.seq) == (0, 701)
    assert log.gaps == []


async def test_a_stream_that_is_not_there_yet_is_waited_for(
    connection: Connection, prefix: str, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading_stream, "AGAIN", 0.02)
    log = Log(connection, prefix, recorder)
    reader = log.reader()
    async with at_work(reader.run):
        await until(reader.complete.is_set)
        await log.create()
        await log.write(1, 2)
        await until(lambda: log.seen == [1, 2])


async def test_a_message_that_the_taker_fails_at_hides_none_that_follow(log: Log) -> None:
    def take(delivery: Delivery, at: float) -> None:
        if delivery.body == b"13":
            raise ValueError("unlucky")
        log.take(delivery, at)

    await log.write(12, 13, 14)
    reader = StreamReader(log.connection, log.stream, take, on_gap=log.recorder.gap)
    async with at_work(reader.run):
        await until(lambda: log.seen == [12, 14])
    assert reader.failures == 1


async def test_holes_of_the_past_are_no_gaps(log: Log) -> None:
    await log.write(*range(10))
    await delete_message(log.connection, log.stream, 4)
    reader = log.reader()
    async with at_work(reader.run):
        await until(reader.complete.is_set)
    assert len(log.seen) == 9
    assert log.gaps == []


async def test_what_was_removed_while_a_monitor_was_behind_is_a_gap(log: Log) -> None:
    await log.write(*range(10))
    created = (await api(log.connection, f"STREAM.INFO.{log.stream}"))["created"]
    await delete_message(log.connection, log.stream, 8)
    async with at_work(log.reader(read=Position(5, created)).run):
        await until(lambda: len(log.seen) == 9 and log.gaps)
    assert log.gaps == [(8, 8, "purged")]


async def test_where_messages_are_taken_out_one_by_one_a_hole_is_no_gap(log: Log) -> None:
    await log.write(*range(10))
    created = (await api(log.connection, f"STREAM.INFO.{log.stream}"))["created"]
    await delete_message(log.connection, log.stream, 8)
    async with at_work(log.reader(read=Position(5, created), holes=False).run):
        await until(lambda: len(log.seen) == 9)
        await log.write(10)
        await until(lambda: len(log.seen) == 10)
    assert log.gaps == []


async def test_what_went_while_no_monitor_was_there_is_a_gap_and_told_once(log: Log) -> None:
    await log.write(*range(10))
    created = (await api(log.connection, f"STREAM.INFO.{log.stream}"))["created"]
    await api(log.connection, f"STREAM.PURGE.{log.stream}", {"seq": 9})
    reader = log.reader(read=Position(5, created))
    async with at_work(reader.run):
        await until(lambda: log.seen == [8, 9])
    assert log.gaps == [(6, 8, "away")]
    # A stream of the same name that was made anew has other numbers.
    log.recorder.gaps.clear()
    async with at_work(log.reader(read=Position(5, "another")).run):
        await until(lambda: log.seen == [8, 9, 8, 9])
    assert log.gaps == []


async def test_what_went_is_told_once_though_reading_begins_again_and_again(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = deque([Unavailable("no leader"), Unavailable("no leader")])

    def failing(*args: Any, **options: Any) -> Follower:
        if errors:
            raise errors.popleft()
        return follow(*args, **options)

    monkeypatch.setattr(reading_stream, "AGAIN", 0.02)
    monkeypatch.setattr(reading_stream, "follow", failing)
    await log.write(*range(5))
    await purge(log.connection, log.stream, ">")
    await log.write(5)
    state = await api(log.connection, f"STREAM.INFO.{log.stream}")
    async with at_work(log.reader(read=Position(2, state["created"])).run):
        await until(lambda: log.seen == [5])
    assert not errors
    assert log.gaps == [(3, 5, "away")]


async def test_a_stream_that_may_not_be_read_keeps_nobody_waiting(
    broker_factory: Callable[..., Broker], recorder: Recorder
) -> None:
    broker = broker_factory(logins=role_logins())
    async with connect(broker.url_for("operator")), connect(broker.url_for("producer")) as client:
        reader = StreamReader(
            client.connection, "PP_NOTED", lambda _: None, on_gap=recorder.gap, read=None
        )
        async with at_work(reader.run):
            await until(reader.complete.is_set)


@pytest.mark.parametrize(
    ("limit", "reason"), [({"max_msgs": 3}, "expired"), ({"max_msgs": 9}, "purged")]
)
async def test_what_goes_while_the_link_is_down_is_a_gap_with_its_reason(
    connection: Connection,
    connect: Async,
    proxy_to: Async,
    broker: Broker,
    prefix: str,
    recorder: Recorder,
    limit: dict[str, int],
    reason: str,
) -> None:
    log = Log(connection, prefix, recorder)
    await log.create(**limit)
    proxy = await proxy_to(broker.url)
    far = await connect(proxy.url)
    reader = StreamReader(far, log.stream, log.take, on_gap=recorder.gap)
    await log.write(0)
    async with at_work(reader.run):
        await until(lambda: log.seen == [0])
        there, proxy._target = proxy._target, ["127.0.0.1", "1"]
        proxy.cut()
        await until(lambda: not far.connected)
        await log.write(*range(1, 7))
        if reason == "purged":
            await api(connection, f"STREAM.PURGE.{log.stream}", {"keep": 3})
        proxy._target = there
        await until(lambda: log.seen == [0, 4, 5, 6] and log.gaps)
    assert log.gaps == [(2, 4, reason)]


async def test_a_purge_shows_with_the_next_message(log: Log) -> None:
    reader = log.reader()
    await log.write(0)
    async with at_work(reader.run):
        await until(lambda: log.seen == [0])
    await log.write(1, 2, 3)
    await purge(log.connection, log.stream, f"{log.prefix}.>")
    async with at_work(reader.run):  # goes on where it was
        await log.write(4)
        await until(lambda: log.seen == [0, 4] and log.gaps)
    assert log.gaps == [(2, 4, "away")]


async def test_a_purge_of_what_was_still_to_come_is_no_reason_to_wait_for_it(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextlib.asynccontextmanager
    async def purged(*args: Any, **options: Any) -> AsyncIterator[Follower]:
        async with follow(*args, **options) as follower:
            await purge(log.connection, log.stream, ">")
            yield follower

    monkeypatch.setattr(reading_stream, "SILENCE", 0.05)
    monkeypatch.setattr(reading_stream, "follow", purged)
    await log.write(*range(600))
    reader = log.reader(holes=False)
    async with at_work(reader.run):
        await until(reader.complete.is_set)
        assert len(log.seen) < 600
        assert reader.behind == 0
        await log.write(600)
        await until(lambda: log.seen[-1:] == [600])


async def test_nothing_is_missed_and_nothing_comes_twice_over_crashes_of_the_server(
    own: Connection, own_broker: Broker, prefix: str, recorder: Recorder
) -> None:
    log = Log(own, prefix, recorder)
    await log.create()
    reader = log.reader()

    async with at_work(reader.run):
        writing = asyncio.create_task(log.write(*range(400)))
        for upto in (50, 200):
            await until(lambda upto=upto: len(log.seen) > upto)
            own_broker.kill()
            await own_broker.start()
        await writing
        await until(lambda: log.seen and log.seen[-1] == 399)
    assert log.seen == list(range(400))
    assert log.gaps == []


async def test_a_stream_that_lost_its_end_is_read_on(
    own: Connection, own_broker: Broker, prefix: str, recorder: Recorder
) -> None:
    log = Log(own, prefix, recorder)
    await log.create(persist_mode="async")
    reader = log.reader()
    async with at_work(reader.run):
        for start in (0, 20, 40):
            await log.write(*range(start, start + 20))
            await until(lambda start=start: log.seen == list(range(start + 20)))
            own_broker.kill()
            await own_broker.start()
    assert log.gaps == []


async def test_no_more_than_the_newest_are_read_at_a_start(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading_stream, "HORIZON", 5)
    await log.write(*range(20))
    async with at_work(log.reader().run):
        await until(lambda: log.seen == [15, 16, 17, 18, 19])
    info = await api(log.connection, f"STREAM.INFO.{log.stream}")
    three = info["state"]["bytes"] * 3 // 20 + 1
    monkeypatch.setattr(reading_stream, "HORIZON_BYTES", three)
    log.seen.clear()
    async with at_work(log.reader().run):
        await until(lambda: log.seen == [17, 18, 19])


async def test_other_work_of_the_process_gets_its_turn(bus: Client, recorder: Recorder) -> None:
    log = Log(bus.connection, bus.prefix + "x", recorder)
    await log.create()
    await log.write(*range(600))
    turns = 0

    async def count() -> None:
        nonlocal turns
        while len(log.seen) < 600:
            turns += 1
            await asyncio.sleep(0)

    reader = log.reader()
    async with at_work(reader.run):
        await asyncio.wait_for(count(), 10)
    assert turns > 2
