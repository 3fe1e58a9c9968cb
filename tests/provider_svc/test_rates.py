import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from pepperpy.stack.broker import Broker
from pepperpy_bus import gcra
from pepperpy_bus.config.values import Secret
from pepperpy_bus.link.connection import Connection
from pepperpy_bus.state.batches import BatchedCells
from pepperpy_bus.streams.clock import ServerClock
from pepperpy_provider_svc.declared.keys import HeldKey
from pepperpy_provider_svc.limits.rates import Rates
from pepperpy_schemas.errors import RateLimited

Streams = Callable[..., Awaitable[None]]
Connect = Callable[..., Awaitable[Connection]]
NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)


def held(requests: int | None = None, tokens: int | None = None) -> HeldKey:
    return HeldKey(
        provider="openai",
        name="main",
        secret=Secret("s"),
        requests_per_minute=requests,
        tokens_per_minute=tokens,
    )


class StoppedClock(ServerClock):
    """The server's clock while no time passes: what is admitted does not hang on the machine."""

    def now(self) -> datetime:
        return NOON

    async def fresh(self) -> None:
        pass


def rates_on(connection: Connection, prefix: str) -> Rates:
    clock = StoppedClock(connection, prefix)
    return Rates(BatchedCells(connection, prefix, bucket="provider"), clock)


@pytest.fixture
async def replicas(
    connect: Connect, connection: Connection, prefix: str, streams: Streams
) -> list[Rates]:
    await streams(connection, prefix, "provider", "TASKS")
    return [rates_on(connection, prefix), rates_on(await connect(), prefix)]


def test_an_even_pace_is_never_refused() -> None:
    ahead, now = None, NOON
    for _ in range(1000):
        assert gcra.wait(ahead, now, 1, 60) <= timedelta(0)
        ahead = gcra.taken(ahead, now, 1, 60)
        now += timedelta(seconds=1)


@pytest.mark.parametrize(("limit", "burst"), [(1, 1), (10, 1), (60, 6), (500, 50)])
def test_a_burst_is_a_tenth_of_a_minutes_worth_and_at_least_one(limit: int, burst: int) -> None:
    ahead = None
    for _ in range(burst):
        assert gcra.wait(ahead, NOON, 1, limit) <= timedelta(0)
        ahead = gcra.taken(ahead, NOON, 1, limit)
    pause = gcra.wait(ahead, NOON, 1, limit)
    assert pause == timedelta(minutes=1) / limit
    assert gcra.wait(ahead, NOON + pause, 1, limit) == timedelta(0)


def test_in_any_minute_there_is_at_most_the_limit_and_a_burst() -> None:
    ahead, now, admitted = None, NOON, []
    while now < NOON + timedelta(minutes=3):
        if gcra.wait(ahead, now, 1, 60) <= timedelta(0):
            ahead = gcra.taken(ahead, now, 1, 60)
            admitted.append(now)
        now += timedelta(milliseconds=97)
    for start in admitted:
        assert sum(start <= at < start + timedelta(minutes=1) for at in admitted) <= 66


def test_more_than_a_burst_is_paid_off_afterwards() -> None:
    assert gcra.wait(None, NOON, 5000, 1000) <= timedelta(0)
    ahead = gcra.taken(None, NOON, 5000, 1000)
    assert gcra.wait(ahead, NOON, 5000, 1000) == timedelta(minutes=5)
    assert gcra.used(ahead, NOON, 1000) == 5000
    assert gcra.used(None, NOON, 1000) == 0
    assert gcra.corrected(ahead, NOON, 5000, 1000, 1000) == NOON + timedelta(minutes=1)


@pytest.mark.parametrize("limit", [10_000, 30_000, 200_000])
def test_large_reservations_of_short_answers_leave_the_limit_to_be_used(limit: int) -> None:
    reserved, used = 4110, 500
    ahead, open_until, whole = None, list[datetime](), 0
    for step in range(3000):
        now = NOON + timedelta(seconds=step / 10)
        while open_until and open_until[0] <= now:
            open_until.pop(0)
            ahead = gcra.corrected(ahead, now, reserved, used, limit)
        if gcra.wait(ahead, now, reserved, limit, estimated=True) <= timedelta(0):
            ahead = gcra.taken(ahead, now, reserved, limit, estimated=True)
            open_until.append(now + timedelta(seconds=10))
            whole += used
    assert 0.75 * limit <= whole / 5 <= limit


def test_two_reservations_fit_into_a_burst_but_never_more_than_a_minutes_worth() -> None:
    for limit, together in ((100_000, 2), (10_000, 2), (7_000, 1)):
        ahead, admitted = None, 0
        while gcra.wait(ahead, NOON, 5000, limit, estimated=True) <= timedelta(0):
            ahead = gcra.taken(ahead, NOON, 5000, limit, estimated=True)
            admitted += 1
        assert admitted == together


def test_what_is_given_back_late_counts_up_to_a_minutes_worth_at_once() -> None:
    limit = 12_000
    later = NOON + timedelta(minutes=1)
    ahead: datetime | None = gcra.taken(None, NOON, 4000, limit, estimated=True)
    for _ in range(20):
        ahead = gcra.corrected(ahead, later, 4000, 0, limit)
    admitted = 0
    while gcra.wait(ahead, later, 4000, limit, estimated=True) <= timedelta(0):
        ahead = gcra.taken(ahead, later, 4000, limit, estimated=True)
        admitted += 4000
    assert admitted == limit


async def test_two_replicas_together_never_admit_more(replicas: list[Rates]) -> None:
    key = held(requests=500)
    outcomes = await asyncio.gather(
        *(one.take(key, 10) for _ in range(100) for one in replicas), return_exceptions=True
    )
    refused = [one for one in outcomes if isinstance(one, RateLimited)]
    assert outcomes.count(None) == 50
    assert len(refused) == 150
    assert refused[0].context == {"retry_after": 0.12, "key": "openai/main"}
    assert [one.unchecked for one in replicas] == [0, 0]


async def test_requests_that_come_together_cost_a_few_round_trips(
    replicas: list[Rates], connection: Connection, prefix: str
) -> None:
    key = held(requests=100_000, tokens=10_000_000)
    await asyncio.gather(*(replicas[0].take(key, 100) for _ in range(100)))
    (entry,) = await BatchedCells(connection, prefix, bucket="provider").bucket.entries()
    assert entry.revision <= 3
    requests, tokens = await replicas[1].limits(key)
    assert (requests.name, requests.unit, requests.used) == ("key openai/main", "requests/min", 100)
    assert (tokens.unit, tokens.limit, tokens.used) == ("tokens/min", 10_000_000, 10_000)


async def test_what_was_not_used_is_given_back_and_what_was_more_is_taken(
    replicas: list[Rates],
) -> None:
    one, other = replicas
    key = held(tokens=1000)
    await one.take(key, 100)
    with pytest.raises(RateLimited, match="the tokens per minute of key openai/main are used up"):
        await other.take(key, 50)
    await one.settle(key, 100, 40)
    await other.take(key, 50)
    await other.settle(key, 50, 50)
    await other.settle(key, 50, 110)
    (status,) = await one.limits(key)
    assert status.used == 150


async def test_a_request_that_is_refused_takes_nothing(replicas: list[Rates]) -> None:
    key = held(requests=100, tokens=1000)
    await replicas[0].take(key, 100)
    with pytest.raises(RateLimited, match="tokens"):
        await replicas[0].take(key, 10)
    requests, tokens = await replicas[0].limits(key)
    assert (requests.used, tokens.used) == (1, 100)


async def test_a_key_without_limits_costs_nothing(connection: Connection, prefix: str) -> None:
    rates = rates_on(connection, prefix)  # there is no bucket at all
    await rates.take(held(), 1_000_000)
    await rates.settle(held(), 10, 1_000_000)
    assert await rates.limits(held()) == []
    assert rates.unchecked == 0


async def test_the_servers_clock_is_what_counts(
    connection: Connection, prefix: str, streams: Streams
) -> None:
    await streams(connection, prefix, "provider", "TASKS")
    clock = ServerClock(connection, prefix)
    rates = Rates(BatchedCells(connection, prefix, bucket="provider"), clock)
    key = held(requests=1)
    await rates.take(key, 1)
    with pytest.raises(RateLimited) as refused:
        await rates.take(key, 1)
    assert 50 < refused.value.context["retry_after"] <= 60
    (status,) = await rates.limits(key)
    assert 0.8 < status.used <= 1


async def test_without_a_broker_requests_go_on_and_are_counted(
    own: Connection, own_broker: Broker, prefix: str, streams: Streams
) -> None:
    await streams(own, prefix, "provider", "TASKS")
    rates, key = rates_on(own, prefix), held(requests=1, tokens=10)
    own_broker.stop_sync()
    await asyncio.gather(*(rates.take(key, 10) for _ in range(20)))
    await rates.settle(key, 10, 5)
    assert rates.unchecked == 20
