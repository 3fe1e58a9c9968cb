import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pepperpy.stack.broker import Broker
from pepperpy_bus.link.connection import Connection
from pepperpy_bus.streams.delivery import Delivery
from pepperpy_bus.streams.follow import WINDOW, Follower, follow
from pepperpy_bus.streams.jetstream import api, purge, store
from pepperpy_bus.streams.reading import message_at
from pepperpy_bus.units import BadUnit, parse_time
from pepperpy_schemas.errors import NotFound, RefusedByServer, Unreachable

Async = Callable[..., Coroutine[Any, Any, Any]]


class Log:
    """A stream to follow."""

    def __init__(self, connection: Connection, prefix: str) -> None:
        self.connection = connection
        self.prefix = prefix
        self.stream = prefix.upper()

    async def create(self, **settings: Any) -> None:
        config = {"name": self.stream, "subjects": [f"{self.prefix}.>"], "allow_direct": True}
        await api(self.connection, f"STREAM.CREATE.{self.stream}", {**config, **settings})

    async def write(self, number: int, *, start: int = 0, token: str = "a") -> None:
        for n in range(start, start + number):
            subject = f"{self.prefix}.{token}"
            await store(self.connection, subject, b"%d" % n, msg_id=f"{token}{n}")

    def follow(self, *tokens: str, on: Connection | None = None, **options: Any) -> Follower:
        subjects = [f"{self.prefix}.{token}" for token in tokens or (">",)]
        return follow(on or self.connection, self.stream, subjects, **options)

    async def consumers(self) -> int:
        info = await api(self.connection, f"STREAM.INFO.{self.stream}")
        return int(info["state"]["consumer_count"])


@pytest.fixture
async def journal(connection: Connection, prefix: str) -> Log:
    one = Log(connection, prefix)
    await one.create()
    return one


@pytest.fixture
async def own_journal(own: Connection, prefix: str) -> Log:
    one = Log(own, prefix)
    await one.create()
    return one


async def take(follower: Follower, number: int, within: float = 5.0) -> list[int]:
    async with asyncio.timeout(within):
        return [int((await follower.next()).body) for _ in range(number)]


async def take_batches(follower: Follower, number: int, within: float = 5.0) -> list[int]:
    seen: list[int] = []
    async with asyncio.timeout(within):
        while len(seen) < number:
            seen += [int(each.body) for each in await follower.batch()]
    return seen


async def to_end(follower: Follower, within: float = 5.0) -> list[int]:
    async with asyncio.timeout(within):
        return [int(each.body) async for each in follower.until_end()]


async def ahead(follower: Follower) -> Delivery:
    """What was fetched and not yet read."""
    async with asyncio.timeout(5):
        while not follower._inbox:
            await asyncio.sleep(0)
    return follower._inbox[0]


async def test_everything_is_read_in_order_and_then_what_comes(journal: Log) -> None:
    number = WINDOW * 3
    await journal.write(number)
    async with journal.follow() as follower:
        assert await take(follower, number) == list(range(number))
        await journal.write(2, start=number)
        assert await take(follower, 2) == [number, number + 1]
        assert (follower.last_seq, follower.pending) == (number + 2, 0)


async def test_it_is_iterated_for_ever(journal: Log) -> None:
    await journal.write(3)
    seen: list[Delivery] = []
    async with journal.follow() as follower:
        async for each in follower:
            seen.append(each)
            if len(seen) == 3:
                break
    assert [each.seq for each in seen] == [1, 2, 3]


async def test_a_batch_is_all_that_has_come(journal: Log) -> None:
    number = WINDOW * 2 + 5
    await journal.write(number)
    async with journal.follow() as follower:
        await ahead(follower)
        assert len(await follower.batch()) > 1
    async with journal.follow() as follower:
        assert await take_batches(follower, number) == list(range(number))
        assert (follower.last_seq, follower.pending) == (number, 0)
        await journal.write(1, start=number)
        assert await take_batches(follower, 1) == [number]


async def test_until_end_reads_what_is_there_and_ends(journal: Log) -> None:
    async with journal.follow() as follower:
        assert await to_end(follower) == []
    await journal.write(WINDOW + 5)
    async with journal.follow() as follower:
        assert await to_end(follower) == list(range(WINDOW + 5))
        assert await to_end(follower) == []


async def test_until_end_ends_though_what_was_pending_has_gone(
    journal: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pepperpy_bus.streams.follow._SILENCE", 0.3)
    await journal.write(WINDOW * 2)
    async with journal.follow() as follower:
        assert await take(follower, 10) == list(range(10))
        await purge(journal.connection, journal.stream, f"{journal.prefix}.>")
        rest = await to_end(follower, within=8)
    # At most what had been fetched ahead is left.
    assert rest == list(range(10, 10 + len(rest)))
    assert len(rest) <= WINDOW


async def test_subjects_choose_what_is_read(journal: Log) -> None:
    await journal.write(2, token="a")
    await journal.write(2, token="b.x")
    await journal.write(2, token="c")
    async with journal.follow("a", "b.*") as follower:
        assert await to_end(follower) == [0, 1, 0, 1]
        assert follower.last_seq == 4


async def test_a_start_is_a_sequence_a_time_the_last_of_each_or_now(journal: Log) -> None:
    await journal.write(3, token="a")
    await journal.write(3, token="b")
    async with journal.follow(from_seq=5) as follower:
        assert await to_end(follower) == [1, 2]
    async with journal.follow(from_seq=-5) as follower:
        assert len(await to_end(follower)) == 6
    async with journal.follow(last_per_subject=True) as follower:
        assert await to_end(follower) == [2, 2]
    fifth = await message_at(journal.connection, journal.stream, 5)
    assert fifth is not None
    async with journal.follow(since=parse_time(fifth.time)) as follower:
        assert await to_end(follower) in ([1, 2], [0, 1, 2])  # times are cut to microseconds
    async with journal.follow(since=datetime.now(UTC) + timedelta(hours=1)) as follower:
        assert await to_end(follower) == []
    async with journal.follow(new=True) as follower:
        assert follower.pending == 0
        await journal.write(1, start=9)
        assert await take(follower, 1) == [9]
    with pytest.raises(BadUnit, match="no time zone"):
        journal.follow(since=datetime(2026, 1, 1))  # noqa: DTZ001 - what is refused


async def test_there_is_no_gap_and_no_repeat_over_crashes_of_the_server(
    own_journal: Log, own_broker: Broker
) -> None:
    total = 600
    writing = asyncio.create_task(own_journal.write(total))
    async with own_journal.follow() as follower:
        seen = await take(follower, 100)
        for upto in (250, 400):
            own_broker.kill()
            await own_broker.start()
            seen += await take(follower, upto - len(seen), within=10)
        seen += await take(follower, total - len(seen), within=10)
    await writing
    assert seen == list(range(total))


async def test_batches_have_no_gap_and_no_repeat_over_crashes_and_losses(
    own_journal: Log, own_broker: Broker
) -> None:
    total = 400
    writing = asyncio.create_task(own_journal.write(total))
    async with own_journal.follow() as follower:
        seen = await take_batches(follower, 50)
        own_broker.kill()
        await own_broker.start()
        seen += await take_batches(follower, 150 - len(seen), within=10)
        if follower._inbox:
            follower._inbox.popleft()  # lost on the way
        seen += await take_batches(follower, total - len(seen), within=10)
    await writing
    assert seen == list(range(total))


async def test_a_crash_while_nothing_happens_is_survived(
    own_journal: Log, own_broker: Broker
) -> None:
    async with own_journal.follow(new=True) as follower:
        await own_journal.write(1)
        assert await take(follower, 1) == [0]
        for number in (1, 2):
            own_broker.kill()
            await own_broker.start()
            await own_journal.write(1, start=number)
            assert await take(follower, 1, within=3) == [number]


async def test_a_stream_that_lost_its_end_in_a_crash_is_followed_on(
    own: Connection, own_broker: Broker, prefix: str
) -> None:
    events = Log(own, prefix)
    await events.create(persist_mode="async")
    async with events.follow() as follower:
        for start in (0, 20, 40):
            await events.write(20, start=start)
            assert await take(follower, 20, within=3) == list(range(start, start + 20))
            # What is not yet on disk is lost, and its sequence numbers are given out again.
            own_broker.kill()
            await own_broker.start()


async def test_a_crash_before_the_first_new_message_loses_none(
    own_journal: Log, own_broker: Broker
) -> None:
    async with own_journal.follow(new=True) as follower:
        own_broker.kill()
        await own_broker.start()
        await own_journal.write(2)
        assert await take(follower, 2) == [0, 1]


async def test_a_follower_waits_for_a_server_that_is_away_for_long(
    own_journal: Log, own_broker: Broker, eventually: Async
) -> None:
    await own_journal.write(5)
    async with own_journal.follow() as follower:
        assert await take(follower, 2) == [0, 1]
        own_broker.kill()
        await eventually(lambda: not own_journal.connection.connected)
        reading = asyncio.create_task(take(follower, 3, within=20))
        await asyncio.sleep(1)
        await own_broker.start()
        assert await reading == [2, 3, 4]


async def test_there_is_no_gap_and_no_repeat_over_a_link_that_keeps_breaking(
    journal: Log, connect: Async, proxy_to: Async, broker: Broker
) -> None:
    proxy = await proxy_to(broker.url)
    reading = await connect(proxy.url)
    total = 400
    writing = asyncio.create_task(journal.write(total))
    seen: list[int] = []
    async with journal.follow(on=reading) as follower:
        while len(seen) < total:
            seen += await take(follower, min(80, total - len(seen)), within=10)
            proxy.cut()
    await writing
    assert seen == list(range(total))


async def test_a_delivery_that_was_lost_on_the_way_is_fetched_again(
    journal: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    await journal.write(50)
    async with journal.follow() as follower:
        assert await take(follower, 10) == list(range(10))
        lost = follower._inbox.popleft()
        assert lost.seq == 11
        assert await take(follower, 40) == list(range(10, 50))


async def test_a_reading_that_is_canceled_loses_nothing(journal: Log) -> None:
    async with journal.follow() as follower:
        for number in range(20):
            reading = asyncio.create_task(follower.next())
            await asyncio.sleep(0)
            await journal.write(1, start=number)
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            if not reading.cancelled():
                assert int(reading.result().body) == follower.last_seq - 1
        last = follower.last_seq
        assert await take(follower, 20 - last) == list(range(last, 20))


async def test_messages_of_one_nanosecond_leave_no_gap(journal: Log) -> None:
    await journal.write(4)
    async with journal.follow() as follower:
        assert await take(follower, 1) == [0]
        # Two messages may have one time: as if the first had the second's.
        follower._last_ns = (await ahead(follower)).time_ns
        follower._lose()
        assert await take(follower, 3) == [1, 2, 3]


async def test_reading_to_the_end_ends_though_the_last_message_is_met_again(journal: Log) -> None:
    await journal.write(3)
    async with journal.follow() as follower:
        assert await take(follower, 3) == [0, 1, 2]
        follower._lose()
        await follower._reopen()
        assert follower.pending == 1  # the last one, of the time that it goes on at
        assert await to_end(follower, within=1) == []


async def test_a_consumer_that_was_deleted_is_made_anew(journal: Log) -> None:
    await journal.write(1)
    async with journal.follow() as follower:
        assert await take(follower, 1) == [0]
        names = await api(journal.connection, f"CONSUMER.NAMES.{journal.stream}")
        (name,) = names["consumers"]
        await api(journal.connection, f"CONSUMER.DELETE.{journal.stream}.{name}")
        await journal.write(1, start=1)
        assert await take(follower, 1) == [1]


async def test_a_stream_that_is_not_there_or_goes_is_an_error(journal: Log) -> None:
    with pytest.raises(NotFound):
        async with follow(journal.connection, "NO_SUCH", ["a"]):
            pass
    hooks = list(journal.connection.on_reconnect)
    await journal.write(1)
    async with journal.follow() as follower:
        assert await take(follower, 1) == [0]
        reading = asyncio.create_task(follower.next())
        await api(journal.connection, f"STREAM.DELETE.{journal.stream}")
        with pytest.raises(NotFound):
            await asyncio.wait_for(reading, 5)
    assert journal.connection.on_reconnect == hooks


async def test_a_connection_that_is_closed_for_good_ends_the_reading(
    journal: Log, connect: Async, broker: Broker
) -> None:
    reading = await connect(broker.url)
    async with journal.follow(on=reading) as follower:
        waiting = asyncio.create_task(follower.next())
        await reading._nats.close()  # as when the server refuses to take it back
        with pytest.raises(Unreachable):
            await asyncio.wait_for(waiting, 5)


async def test_what_the_server_refuses_on_the_way_is_an_error(
    journal: Log, connect: Async, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with journal.follow() as follower:
        follower._start = {"deliver_policy": "nonsense"}
        follower._lose()
        with pytest.raises(RefusedByServer):
            await asyncio.wait_for(follower.next(), 5)


async def test_following_leaves_few_traces(journal: Log) -> None:
    async with journal.follow(), journal.follow():
        assert await journal.consumers() == 2
