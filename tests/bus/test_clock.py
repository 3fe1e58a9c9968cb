import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from pepperpy.stack.broker import Broker
from pepperpy_bus.link.connection import Connection
from pepperpy_bus.streams import clock as module
from pepperpy_bus.streams.clock import ServerClock
from pepperpy_bus.streams.jetstream import store
from pepperpy_bus.streams.reading import message_at
from pepperpy_schemas.errors import NotFound


@pytest.fixture
async def clock(
    connection: Connection, prefix: str, streams: Callable[..., Awaitable[None]]
) -> ServerClock:
    await streams(connection, prefix, "TASKS")
    return ServerClock(connection, prefix)


async def test_it_tells_the_servers_time_whatever_this_machines_is(
    clock: ServerClock, connection: Connection, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    clock = ServerClock(connection, prefix)
    assert clock.now() < datetime(2000, 1, 1, tzinfo=UTC)
    await clock.sync()
    ack = await store(connection, f"{prefix}.task.echo.t", b"{}")
    now = clock.now()
    stored = await message_at(connection, f"{prefix.upper()}_TASKS", ack.seq)
    assert stored is not None
    there = datetime.fromisoformat(stored.time[:26].rstrip("Z")).replace(tzinfo=UTC)
    assert abs(now - there) < timedelta(seconds=1)
    assert abs(clock.now_ns() / 1e9 - there.timestamp()) < 1


async def test_before_it_has_asked_it_tells_this_machines_time(clock: ServerClock) -> None:
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=1)


async def test_it_goes_on_between_two_questions(clock: ServerClock) -> None:
    await clock.sync()
    first = clock.now_ns()
    assert clock.now_ns() > first


async def test_it_is_asked_when_it_is_needed_and_not_each_time(
    clock: ServerClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock._offset_ns = 0
    await clock.fresh()
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=1)
    clock._offset_ns = 0
    await clock.fresh()
    assert clock._offset_ns == 0
    monkeypatch.setattr(module, "RESYNC", 0.0)
    await clock.fresh()
    assert clock._offset_ns


async def test_it_asks_at_the_start_and_again_after_a_while_until_the_end(
    clock: ServerClock, monkeypatch: pytest.MonkeyPatch, eventually: Callable[..., Awaitable[None]]
) -> None:
    """A suspended machine's monotonic clock stands still, the server's goes on."""
    monkeypatch.setattr(module, "RESYNC", 0.01)
    async with clock.running():
        for _ in range(3):
            clock._offset_ns = 0
            await eventually(lambda: clock._offset_ns)
        assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=1)
    clock._offset_ns = 0
    assert not [one for one in asyncio.all_tasks() if one.get_name() == "server-clock"]


async def test_a_broker_that_is_away_does_not_stop_the_clock(
    own_broker: Broker,
    own: Connection,
    prefix: str,
    streams: Callable[..., Awaitable[None]],
    monkeypatch: pytest.MonkeyPatch,
    eventually: Callable[..., Awaitable[None]],
) -> None:
    await streams(own, prefix, "TASKS")
    monkeypatch.setattr(module, "RESYNC", 0.01)
    clock = ServerClock(own, prefix)
    async with clock.running():
        own_broker.kill()
        await eventually(lambda: not own.connected)
        assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=1)
        await own_broker.start()
        await own.wait_connected(10)
        clock._offset_ns = 0
        await eventually(lambda: clock._offset_ns, within=15)


async def test_a_deployment_without_streams_has_no_clock(connection: Connection) -> None:
    with pytest.raises(NotFound):
        await ServerClock(connection, "nothing").sync()


@pytest.mark.parametrize(
    ("text", "microsecond"),
    [
        ("2026-01-02T03:04:05.123456789Z", 123456),
        ("2026-01-02T03:04:05.1Z", 100000),
        ("2026-01-02T03:04:05.12345Z", 123450),
        ("2026-01-02T03:04:05Z", 0),
    ],
)
def test_times_are_read_with_any_number_of_digits(text: str, microsecond: int) -> None:
    wanted = datetime(2026, 1, 2, 3, 4, 5, microsecond, tzinfo=UTC)
    assert module._parse(text) == wanted
