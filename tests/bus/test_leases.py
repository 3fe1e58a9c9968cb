import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pepperpy.stack.broker import Broker
from pepperpy_bus.link.connection import Connection
from pepperpy_bus.state import queueing
from pepperpy_bus.state.cells import Cells
from pepperpy_bus.state.lease import Lease
from pepperpy_bus.state.leases import Leases
from pepperpy_bus.state.resources import Resources
from pepperpy_bus.streams.clock import ServerClock
from pepperpy_schemas.errors import BadConfig, BadName, LeaseLost, NotFound
from pepperpy_schemas.shared import Waiter

Streams = Callable[..., Awaitable[None]]
Connect = Callable[..., Awaitable[Connection]]
HOLDER = Path(__file__).with_name("holding.py")


def resources_on(connection: Connection, prefix: str, holder: str = "") -> Resources:
    clock = ServerClock(connection, prefix)
    return Resources(Cells(connection, prefix), clock, holder=holder)


@pytest.fixture
async def resources(connection: Connection, prefix: str, streams: Streams) -> Resources:
    await streams(connection, prefix, "state", "TASKS")
    return resources_on(connection, prefix, "tester")


@pytest.fixture
async def others(
    resources: Resources, connect: Connect, prefix: str
) -> Callable[[], Awaitable[Resources]]:
    """More processes, as far as the broker can tell."""

    async def make() -> Resources:
        return resources_on(await connect(), prefix)

    return make


async def queued(resources: Resources, name: str, count: int) -> None:
    async with asyncio.timeout(10):
        while len((await resources.get(name)).waiting) != count:
            await asyncio.sleep(0.01)


async def unheld(resources: Resources, name: str) -> None:
    async with asyncio.timeout(10):
        while (await resources.get(name)).held:
            await asyncio.sleep(0.01)


@pytest.fixture
async def soon() -> AsyncIterator[Callable[[Any], asyncio.Task[Any]]]:
    """Starts tasks that end with the test."""
    started: list[asyncio.Task[Any]] = []

    def start(coroutine: Any) -> asyncio.Task[Any]:
        started.append(asyncio.create_task(coroutine, name="test"))
        return started[-1]

    yield start
    for one in started:
        one.cancel()
    await asyncio.gather(*started, return_exceptions=True)


async def test_a_share_is_held_while_the_block_runs(resources: Resources) -> None:
    await resources.define("gpu", capacity=4)
    async with resources.acquire("gpu", 3) as lease:
        now = await resources.get("gpu")
        assert (now.capacity, now.used) == (4, 3)
        assert [(one.holder, one.n, one.token) for one in now.held] == [("tester", 3, lease.token)]
        await resources.check("gpu", lease.token)
        assert not lease.lost.is_set()
    assert (await resources.get("gpu")).held == []
    with pytest.raises(LeaseLost, match=f"with token {lease.token}"):
        await resources.check("gpu", lease.token)


async def test_an_error_in_the_block_frees_the_share(resources: Resources) -> None:
    await resources.define("gpu", capacity=1)
    with pytest.raises(ZeroDivisionError):
        async with resources.acquire("gpu"):
            raise ZeroDivisionError
    assert (await resources.get("gpu")).held == []


async def test_a_cancellation_frees_the_share_and_stays_one(
    resources: Resources, soon: Callable[..., asyncio.Task[Any]]
) -> None:
    await resources.define("gpu", capacity=1)
    held = asyncio.Event()

    async def hold() -> None:
        async with resources.acquire("gpu"):
            held.set()
            await asyncio.Event().wait()

    holding = soon(hold())
    await held.wait()
    holding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await holding
    assert (await resources.get("gpu")).held == []


async def test_what_nobody_has_defined_is_refused_with_the_way_to_define_it(
    resources: Resources,
) -> None:
    with pytest.raises(NotFound, match="nobody has defined resource gpu") as refused:
        await resources.take("gpu")
    assert refused.value.hint == "define it once: pepperpy resources define gpu --capacity N"
    with pytest.raises(NotFound):
        await resources.remove("gpu")


async def test_wrong_numbers_and_names_are_refused_by_name(resources: Resources) -> None:
    await resources.define("gpu", capacity=2)
    with pytest.raises(BadConfig, match="gpu has a capacity of 2: 3 is never free"):
        await resources.take("gpu", 3)
    with pytest.raises(BadConfig, match="gpu has a capacity of 2, not 5"):
        await resources.take("gpu", capacity=5)
    with pytest.raises(BadConfig, match="n is 0"):
        await resources.take("gpu", 0)
    with pytest.raises(BadConfig, match=r"ttl is 0\.5 s"):
        await resources.take("gpu", ttl="500ms")
    with pytest.raises(BadConfig, match="capacity is 0"):
        await resources.define("gpu", capacity=0)
    with pytest.raises(BadName, match="two words"):
        await resources.define("two words", capacity=1)


async def test_waiting_ends_with_its_time_and_leaves_no_place_behind(resources: Resources) -> None:
    await resources.define("gpu", capacity=1)
    async with resources.acquire("gpu"):
        for wait in (0, 0.1):
            with pytest.raises(TimeoutError, match="resource gpu was not free within"):
                await resources.take("gpu", wait=wait)
        now = await resources.get("gpu")
        assert (len(now.held), now.waiting) == (1, [])


async def test_who_stops_waiting_by_cancellation_leaves_no_place_behind(
    resources: Resources, soon: Callable[..., asyncio.Task[Any]]
) -> None:
    await resources.define("gpu", capacity=1)
    async with resources.acquire("gpu"):
        waiting = soon(resources.take("gpu"))
        await queued(resources, "gpu", 1)
        waiting.cancel()
        await asyncio.wait([waiting])
        assert (await resources.get("gpu")).waiting == []


async def test_who_comes_first_is_served_first_and_tokens_only_rise(
    resources: Resources,
    others: Callable[[], Awaitable[Resources]],
    soon: Callable[..., asyncio.Task[Any]],
) -> None:
    await resources.define("gpu", capacity=2)
    got: list[tuple[int, int]] = []

    async def use(number: int, n: int) -> None:
        mine = await others()
        async with mine.acquire("gpu", n) as lease:
            got.append((number, lease.token))

    async with resources.acquire("gpu", 2) as first:
        using = []
        for number, n in enumerate((2, 1, 2, 1, 1)):
            using.append(soon(use(number, n)))
            await queued(resources, "gpu", number + 1)
    await asyncio.gather(*using)
    assert [token for _, token in sorted(got, key=lambda one: one[1])] == [
        first.token + place for place in range(1, 6)
    ]
    assert [number for number, _ in sorted(got, key=lambda one: one[1])] == [0, 1, 2, 3, 4]


async def test_no_more_than_the_capacity_is_ever_held(
    resources: Resources, others: Callable[[], Awaitable[Resources]]
) -> None:
    await resources.define("gpu", capacity=5)
    at_once, most, tokens = 0, 0, []

    async def use(mine: Resources, n: int) -> None:
        nonlocal at_once, most
        async with mine.acquire("gpu", n) as lease:
            at_once += n
            most = max(most, at_once)
            tokens.append(lease.token)
            await asyncio.sleep(0.001)
            at_once -= n

    processes = [await others() for _ in range(4)]
    async with asyncio.timeout(60):
        await asyncio.gather(*(use(processes[k % 4], 1 + k % 3) for k in range(60)))
    assert 3 <= most <= 5
    assert len(set(tokens)) == 60
    now = await resources.get("gpu")
    assert (now.held, now.waiting, now.token) == ([], [], max(tokens))


async def test_a_lease_is_renewed_while_it_is_held(resources: Resources) -> None:
    await resources.define("gpu", capacity=1)
    async with resources.acquire("gpu", ttl=1) as lease:
        first = lease.until
        async with asyncio.timeout(10):
            while lease.until < first + timedelta(seconds=2.5):
                await asyncio.sleep(0.05)
        assert [one.token for one in (await resources.get("gpu")).held] == [lease.token]


async def test_a_holder_that_is_killed_loses_its_share_to_the_next(
    resources: Resources, broker: Broker, prefix: str
) -> None:
    await resources.define("gpu", capacity=1)
    process = await hold_elsewhere(broker, prefix)
    assert process.stdout is not None
    token = int(await process.stdout.readline())
    process.kill()
    begin = time.monotonic()
    async with asyncio.timeout(20):
        lease = await resources.take("gpu")
    assert lease.token == token + 1
    assert time.monotonic() - begin < 6
    await lease.release()
    await process.wait()


async def test_a_holder_that_stood_still_is_told_that_its_lease_is_lost(
    resources: Resources, broker: Broker, prefix: str
) -> None:
    await resources.define("gpu", capacity=1)
    process = await hold_elsewhere(broker, prefix)
    assert process.stdout is not None
    await process.stdout.readline()
    os.kill(process.pid, signal.SIGSTOP)
    async with asyncio.timeout(20):
        lease = await resources.take("gpu")
    os.kill(process.pid, signal.SIGCONT)
    async with asyncio.timeout(10):
        told = await process.stdout.readline()
        assert await process.wait() == 0
    assert told == b"CancelledError LeaseLost lease_lost\n"
    now = await resources.get("gpu")
    assert [one.token for one in now.held] == [lease.token]
    await lease.release()


async def hold_elsewhere(broker: Broker, prefix: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, str(HOLDER), broker.url, prefix, stdout=asyncio.subprocess.PIPE
    )


async def test_a_lease_that_was_taken_away_ends_the_block(resources: Resources) -> None:
    await resources.define("gpu", capacity=1)
    leases: list[Lease] = []

    async def hold() -> None:
        async with resources.acquire("gpu", ttl=1) as lease:
            leases.append(lease)
            await resources.remove("gpu")
            await asyncio.Event().wait()

    with pytest.raises(LeaseLost, match="the lease of gpu was lost") as lost:
        await hold()
    assert lost.value.context == {"name": "gpu", "token": leases[0].token}
    assert leases[0].lost.is_set()


async def test_a_resource_that_is_removed_tells_who_waits_for_it(
    resources: Resources, soon: Callable[..., asyncio.Task[Any]]
) -> None:
    await resources.define("gpu", capacity=1)
    lease = await resources.take("gpu")
    waiting = soon(resources.take("gpu"))
    await queued(resources, "gpu", 1)
    await resources.remove("gpu")
    with pytest.raises(NotFound):
        await waiting
    await resources.define("gpu", capacity=1)
    later = await resources.take("gpu", wait=0)
    assert later.token > lease.token
    await lease.release()
    await resources.check("gpu", later.token)
    await later.release()


async def test_a_smaller_capacity_takes_nothing_away_and_a_larger_one_lets_more_in(
    resources: Resources, soon: Callable[..., asyncio.Task[Any]]
) -> None:
    await resources.define("gpu", capacity=4)
    big = await resources.take("gpu", 4)
    waiting, hopeless = soon(resources.take("gpu", 2)), soon(resources.take("gpu", 3))
    await queued(resources, "gpu", 2)
    await resources.define("gpu", capacity=2)
    with pytest.raises(BadConfig, match="3 is never free"):
        await hopeless
    now = await resources.get("gpu")
    assert (now.capacity, now.used, len(now.waiting)) == (2, 4, 1)
    await resources.define("gpu", capacity=6)
    lease: Lease = await waiting
    assert (await resources.get("gpu")).used == 6
    await big.release()
    await lease.release()


@pytest.mark.parametrize("hours", [-240, -1, 1])
async def test_a_machine_whose_clock_is_wrong_neither_keeps_nor_takes_a_share(
    resources: Resources,
    others: Callable[[], Awaitable[Resources]],
    monkeypatch: pytest.MonkeyPatch,
    hours: int,
) -> None:
    await resources.define("gpu", capacity=1)
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + hours * 3_600_000_000_000)
    wrong = await others()
    monkeypatch.undo()
    async with resources.acquire("gpu"):
        with pytest.raises(TimeoutError):
            await wrong.take("gpu", wait=0.2)
    async with wrong.acquire("gpu"):
        with pytest.raises(TimeoutError):
            await resources.take("gpu", wait=0.2)


async def test_everything_is_listed_by_name(resources: Resources) -> None:
    assert await resources.ls() == {}
    await resources.define("seats", capacity=10)
    await resources.define("gpu", capacity=4)
    async with resources.acquire("gpu", 2):
        assert [(name, one.capacity, one.used) for name, one in (await resources.ls()).items()] == [
            ("gpu", 4, 2),
            ("seats", 10, 0),
        ]
    await resources.remove("seats")
    assert list(await resources.ls()) == ["gpu"]


async def test_another_space_needs_no_definition_and_has_names_of_its_own(
    resources: Resources, connection: Connection, prefix: str
) -> None:
    shards = Leases(
        Cells(connection, prefix), ServerClock(connection, prefix), space="shard", holder="a"
    )
    one = await shards.take("gpu", capacity=1, wait=0)
    with pytest.raises(TimeoutError):
        await shards.take("gpu", capacity=1, wait=0)
    assert list(await shards.ls()) == ["gpu"]
    assert await resources.ls() == {}
    await one.release()


async def test_leases_outlive_a_restart_of_the_broker(
    own_broker: Broker, own: Connection, prefix: str, streams: Streams
) -> None:
    await streams(own, prefix, "state", "TASKS")
    resources = resources_on(own, prefix)
    await resources.define("gpu", capacity=1)
    async with resources.acquire("gpu", ttl="10s") as lease:
        first = lease.until
        own_broker.kill()
        await own_broker.start()
        async with asyncio.timeout(20):
            while lease.until == first:
                await asyncio.sleep(0.05)
        await resources.check("gpu", lease.token)
    assert (await resources.get("gpu")).held == []


async def test_a_broker_that_stays_away_costs_the_lease_and_not_the_clean_up(
    own_broker: Broker,
    own: Connection,
    prefix: str,
    streams: Streams,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pepperpy_bus.state.leases._RELEASE", 0.2)
    await streams(own, prefix, "state", "TASKS")
    resources = resources_on(own, prefix)
    await resources.define("gpu", capacity=1)
    cleaned = False

    async def hold() -> None:
        nonlocal cleaned
        async with resources.acquire("gpu", ttl=1):
            own_broker.kill()
            try:
                async with asyncio.timeout(10):
                    await asyncio.Event().wait()
            except asyncio.CancelledError:
                cleaned = True
                raise

    with pytest.raises(LeaseLost):
        await hold()
    assert cleaned


def test_a_waiter_that_died_does_not_keep_the_others_waiting() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    place = now + timedelta(seconds=queueing.PLACE)
    alive, dead, holder = (
        Waiter(name, "", 1, 30.0, now, place) for name in ("alive", "dead", "holder")
    )
    resource = queueing.joined(queueing.fresh(1, now), holder, now)
    resource = queueing.joined(queueing.joined(resource, dead, now), alive, now)
    renewed = queueing.renewed(resource, "alive", now + timedelta(seconds=20))
    assert renewed is not None
    end = place + queueing.GRACE
    held = queueing.left(renewed, "holder", end)
    assert [one.id for one in held.held] == ["dead"]
    served = queueing.left(renewed, "holder", end + timedelta(seconds=0.1))
    assert [one.id for one in served.held] == ["alive"]
