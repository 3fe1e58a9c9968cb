import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from pepperpy.stack.broker import Broker
from pepperpy_bus.link.connection import Connection
from pepperpy_bus.state.cells import Cells
from pepperpy_provider_svc.routing import sharing
from pepperpy_provider_svc.routing.breakers import MOST_PASSING, Breakers, Permit
from pepperpy_provider_svc.routing.tokens import target_token
from pepperpy_schemas.errors import (
    DeadlineExceeded,
    KeyRefused,
    RequestRefused,
    UpstreamFailed,
)
from tests.provider_svc.asking import JumpingClock, Streams, limited

Connect = Callable[..., Awaitable[Connection]]
Eventually = Callable[..., Awaitable[None]]
A, KEY = "openai/gpt-5-mini", "main"


class Replica:
    """A replica's breakers, with a clock that jumps."""

    def __init__(self, connection: Connection, prefix: str) -> None:
        self.cells = Cells(connection, prefix, bucket="provider")
        self.clock = JumpingClock(connection, prefix)
        self.breakers = Breakers(self.cells, self.clock)

    def state(self) -> str:
        return self.breakers.state(A, KEY)

    async def permit(self) -> Permit:
        found = await self.breakers.admit(A, KEY)
        assert found is not None
        return found

    async def fail(self, times: int = 5) -> None:
        for _ in range(times):
            self.breakers.failed(Permit(A, KEY), UpstreamFailed())

    async def stored(self) -> bool:
        return bool(await self.cells.bucket.entries())


Start = Callable[..., Awaitable[Replica]]


@pytest.fixture
async def start(
    connection: Connection, prefix: str, streams: Streams, connect: Connect
) -> AsyncIterator[Start]:
    """Starts replicas, each on a connection of its own."""
    await streams(connection, prefix, "provider", "TASKS")
    async with contextlib.AsyncExitStack() as stack:

        async def one() -> Replica:
            replica = Replica(await connect(), prefix)
            await replica.clock.sync()
            await stack.enter_async_context(replica.breakers)
            return replica

        yield one


async def stored(replica: Replica, *, there: bool = True) -> None:
    async with asyncio.timeout(5):
        while await replica.stored() is not there:
            await asyncio.sleep(0.01)


async def test_what_one_replica_opens_is_open_for_the_other(
    start: Start, eventually: Eventually
) -> None:
    one, two = await start(), await start()
    await one.fail()
    assert one.state() == "open"
    assert await one.breakers.admit(A, KEY) is None
    await eventually(lambda: two.state() == "open")
    assert await two.breakers.admit(A, KEY) is None
    assert two.breakers.state(A, "other") == "closed"
    record = two.breakers.record(A, KEY)
    assert record is not None
    assert record.reason == "upstream_failed"
    assert 4 < two.breakers.wait(A, KEY) <= 5


async def test_a_replica_that_starts_later_knows_what_is_open(start: Start) -> None:
    one = await start()
    await one.fail()
    await stored(one)
    two = await start()
    assert two.state() == "open"


async def test_a_replica_that_stops_says_its_last_word(
    start: Start, connect: Connect, prefix: str, eventually: Eventually
) -> None:
    two = await start()
    one = Replica(await connect(), prefix)
    async with one.breakers:
        await one.fail()
    await eventually(lambda: two.state() == "open")


async def test_exactly_one_of_all_replicas_has_the_probe(
    start: Start, eventually: Eventually
) -> None:
    replicas = [await start() for _ in range(3)]
    await replicas[0].fail()
    await stored(replicas[0])
    await eventually(lambda: all(one.state() == "open" for one in replicas))
    for one in replicas:
        one.clock.ahead = 6.0
    asked = [one.breakers.admit(A, KEY) for one in replicas for _ in range(10)]
    permits = [permit for permit in await asyncio.gather(*asked) if permit is not None]
    assert permits == [Permit(A, KEY, probe=True)]
    assert all(one.state() == "half_open" for one in replicas)


async def test_a_probe_that_succeeds_closes_it_everywhere(
    start: Start, eventually: Eventually
) -> None:
    one, two = await start(), await start()
    await one.fail()
    await eventually(lambda: two.state() == "open")
    one.clock.ahead = two.clock.ahead = 6.0
    permit = await two.permit()
    two.breakers.succeeded(permit)
    assert two.state() == "closed"
    await eventually(lambda: one.state() == "closed")
    assert await one.permit() == Permit(A, KEY)
    await stored(one, there=False)


async def test_a_probe_that_fails_opens_it_for_twice_as_long(
    start: Start, eventually: Eventually
) -> None:
    one, two = await start(), await start()
    await one.fail()
    await eventually(lambda: two.state() == "open")
    one.clock.ahead = two.clock.ahead = 6.0
    two.breakers.failed(await two.permit(), UpstreamFailed())
    assert 9 < two.breakers.wait(A, KEY) <= 10
    await eventually(lambda: 9 < one.breakers.wait(A, KEY) <= 10)


async def test_a_probe_that_tells_nothing_lets_the_next_one_through(
    start: Start, eventually: Eventually
) -> None:
    one, two = await start(), await start()
    await one.fail()
    await eventually(lambda: two.state() == "open")
    one.clock.ahead = two.clock.ahead = 6.0
    permit = await one.permit()
    await eventually(lambda: two.breakers.wait(A, KEY) > 0)
    one.breakers.failed(permit, DeadlineExceeded())
    await eventually(lambda: two.breakers.wait(A, KEY) == 0)
    assert (await two.permit()).probe


async def test_a_provider_that_refuses_the_request_of_a_probe_is_well(start: Start) -> None:
    one = await start()
    await one.fail()
    await stored(one)
    one.clock.ahead = 6.0
    one.breakers.failed(await one.permit(), RequestRefused())
    assert one.state() == "closed"


async def test_an_answer_that_begins_passes_the_probe(start: Start) -> None:
    one = await start()
    await one.fail()
    await stored(one)
    one.clock.ahead = 6.0
    permit = one.breakers.begun(await one.permit())
    assert permit == Permit(A, KEY)
    assert one.breakers.begun(permit) is permit
    assert one.state() == "closed"
    one.breakers.failed(permit, UpstreamFailed())
    assert 9 < one.breakers.wait(A, KEY) <= 10


async def test_a_request_waits_while_another_one_probes(start: Start) -> None:
    one = await start()
    await one.fail()
    await stored(one)
    one.clock.ahead = 6.0
    permit = await one.permit()
    waiting = asyncio.create_task(one.breakers.settled(A, KEY, 5.0))
    await asyncio.sleep(0)
    assert not waiting.done()
    one.breakers.succeeded(permit)
    async with asyncio.timeout(1):
        await waiting
    assert await one.permit() == Permit(A, KEY)


async def test_a_request_does_not_wait_for_ever_while_another_one_probes(start: Start) -> None:
    one = await start()
    await one.fail()
    await stored(one)
    one.clock.ahead = 6.0
    await one.permit()
    async with asyncio.timeout(1):
        await one.breakers.settled(A, KEY, 0.01)
    assert await one.breakers.admit(A, KEY) is None


async def test_a_request_waits_for_a_pause_that_is_soon_over_and_for_no_other(
    start: Start,
) -> None:
    one, loop = await start(), asyncio.get_running_loop()
    one.breakers.failed(Permit(A, KEY), limited(0.2))
    begin = loop.time()
    await one.breakers.settled(A, KEY, 0.1)
    assert loop.time() - begin < 0.1
    assert await one.breakers.admit(A, KEY) is None
    await one.breakers.settled(A, KEY, 5.0)
    assert (await one.permit()).probe


async def test_whoever_leaves_a_target_alone_for_longer_is_right(
    start: Start, eventually: Eventually
) -> None:
    one, two = await start(), await start()
    one.breakers.failed(Permit(A, KEY), limited(50.0))
    await eventually(lambda: two.state() == "open")
    one.breakers.failed(Permit(A, KEY), limited(5.0))
    assert one.breakers.wait(A, KEY) > 40
    # Both at once, neither knowing of the other.
    three, four = await start(), await start()
    three.breakers.failed(Permit("b/b", KEY), KeyRefused())
    four.breakers.failed(Permit("b/b", KEY), limited(5.0))
    for replica in (one, three, four):
        await eventually(lambda it=replica: it.breakers.wait("b/b", KEY) > 50)


async def test_a_breaker_that_was_opened_again_is_not_closed_by_an_older_probe(
    start: Start, eventually: Eventually
) -> None:
    one, two = await start(), await start()
    await one.fail()
    await eventually(lambda: two.state() == "open")
    one.clock.ahead = two.clock.ahead = 6.0
    permit = await one.permit()
    await eventually(lambda: two.breakers.wait(A, KEY) > 10)
    two.breakers.failed(Permit(A, KEY), limited(50.0))
    await stored(two)
    await eventually(lambda: one.breakers.wait(A, KEY) > 40)
    one.breakers.succeeded(permit)
    await eventually(lambda: one.breakers.wait(A, KEY) > 40)
    assert two.breakers.wait(A, KEY) > 40


async def test_what_cannot_be_read_keeps_nobody_from_anything(
    start: Start, eventually: Eventually
) -> None:
    one = await start()
    await one.fail()
    await stored(one)
    name = f"breaker.{target_token(A)}.{KEY}"
    await one.cells.bucket.put(name, b"{")
    await eventually(lambda: one.state() == "closed")
    assert await one.permit() == Permit(A, KEY)


async def test_breakers_outlive_a_restart_of_the_broker(
    own_broker: Broker, connect: Connect, prefix: str, streams: Streams, eventually: Eventually
) -> None:
    first, second = await connect(own_broker.url), await connect(own_broker.url)
    await streams(first, prefix, "provider", "TASKS")
    one, two = Replica(first, prefix), Replica(second, prefix)
    async with one.breakers, two.breakers:
        await one.fail()
        await eventually(lambda: two.state() == "open")
        own_broker.kill()
        # What happens now is in force here, and told when the broker is back.
        one.breakers.failed(Permit("b/b", KEY), KeyRefused())
        assert await one.breakers.admit("b/b", KEY) is None
        assert await one.breakers.admit("c/c", KEY) == Permit("c/c", KEY)
        await own_broker.start()
        await eventually(lambda: two.breakers.state("b/b", KEY) == "open", within=20)
        assert one.breakers.state("b/b", KEY) == "open"
        one.clock.ahead = two.clock.ahead = 6.0
        asked = [one.breakers.admit(A, KEY), two.breakers.admit(A, KEY)]
        permits = [permit for permit in await asyncio.gather(*asked) if permit]
        assert [permit.probe for permit in permits] == [True]


async def test_without_a_broker_what_is_known_here_counts(
    own_broker: Broker, connect: Connect, prefix: str, streams: Streams
) -> None:
    connection = await connect(own_broker.url)
    await streams(connection, prefix, "provider", "TASKS")
    one = Replica(connection, prefix)
    async with one.breakers:
        await one.fail()
        await stored(one)
        own_broker.kill()
        one.clock.ahead = 6.0
        async with asyncio.timeout(5):
            permits = await asyncio.gather(*(one.breakers.admit(A, KEY) for _ in range(5)))
        assert [permit for permit in permits if permit] == [Permit(A, KEY, probe=True)]
        one.breakers.succeeded(Permit(A, KEY, probe=True))
        assert one.state() == "closed"
        await own_broker.start()
        async with asyncio.timeout(20):
            await stored(one, there=False)


async def test_a_replica_starts_without_a_broker(
    own_broker: Broker, connect: Connect, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "_READ_WITHIN", 0.05)
    connection = await connect(own_broker.url)
    own_broker.kill()
    async with asyncio.timeout(5):
        one = Replica(connection, prefix)
        async with one.breakers:
            assert await one.permit() == Permit(A, KEY)


async def test_the_others_are_not_told_for_ever(
    connection: Connection, prefix: str, monkeypatch: pytest.MonkeyPatch, eventually: Eventually
) -> None:
    monkeypatch.setattr(sharing, "GIVE_UP", 0.0)
    one = Replica(connection, prefix)  # there is no bucket
    monkeypatch.setattr(one.breakers._sharing, "_open", _refused)
    async with one.breakers:
        await one.fail()
        circuit = one.breakers._of(A, KEY)
        await eventually(lambda: circuit.teller is not None and circuit.teller.done())
        assert one.state() == "open"


async def _refused(*args: object) -> None:
    raise UpstreamFailed("no")


@pytest.mark.parametrize(
    ("name", "token"),
    [
        ("main", "main"),
        ("openai/gpt-5-mini", "openai_gpt-5-mini-"),
        ("ollama/library/llama3.2:1b", "ollama_library_llama3_2_1b-"),
        ("local/" + "x" * 200, "local_" + "x" * 47 + "-"),
        ("local/Größe", "local_Gr_e-"),
    ],
)
def test_a_target_travels_under_a_name_that_people_can_read(name: str, token: str) -> None:
    travelling = target_token(name)
    assert travelling.startswith(token)
    assert len(travelling) in (len(token), len(token) + 10)
    assert len(travelling) <= 64


def test_two_targets_never_share_a_name() -> None:
    names = ["a/b.c", "a/b:c", "a_b_c", "a/b/c"]
    assert len({target_token(name) for name in names}) == len(names)


async def test_breakers_of_targets_that_nobody_declared_stay_here(start: Start) -> None:
    replica = await start()
    replica.breakers.restrict([A])
    for number in range(MOST_PASSING + 50):
        permit = await replica.breakers.admit(f"openai/bogus-{number}", KEY)
        assert permit is not None
        replica.breakers.failed(permit, KeyRefused())
    last = f"openai/bogus-{MOST_PASSING + 49}"
    assert replica.breakers.state(last, KEY) == "open"
    assert await replica.breakers.admit(last, KEY) is None
    assert replica.breakers.state("openai/bogus-0", KEY) == "closed"
    replica.clock.ahead += 61
    probe = await replica.breakers.admit(last, KEY)
    assert probe is not None
    assert probe.probe
    replica.breakers.succeeded(probe)
    assert replica.breakers.state(last, KEY) == "closed"
    assert not await replica.stored()
    await replica.fail()
    assert replica.state() == "open"
