"""Two replicas, each with a router and a connection of its own, and one set of breakers."""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

import pytest

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.state.cells import Cells
from pepperpy_provider_svc.routing.breakers import Breakers
from pepperpy_provider_svc.routing.router import Router
from pepperpy_provider_svc.upstreams.upstream import Chunk
from pepperpy_schemas.chat import ChatRequest
from pepperpy_schemas.errors import NoTargetLeft, StreamBroken, UpstreamFailed
from tests.provider_svc.asking import (
    QUICK,
    USED,
    WHOLE,
    Free,
    Held,
    JumpingClock,
    Listed,
    Noted,
    Planned,
    Step,
    Streams,
    answers,
    ask,
    fails,
    limited,
    listen,
    route_to,
    stays_silent,
)

Connect = Callable[..., Awaitable[Connection]]
Eventually = Callable[..., Awaitable[None]]

ALONE = route_to("a/one")
BOTH = route_to("a/one", "b/two")
HASTY = route_to("a/one", "b/two", timeouts=QUICK.model_copy(update={"first_byte": 0.03}))
REQUESTS = 2000


class Quick(random.Random):
    """Jitter too small to wait for."""

    def random(self) -> float:
        return super().random() / 1000


class Fleet:
    """Two routers that ask the same providers."""

    def __init__(self) -> None:
        self.first = Planned()
        self.second = Planned()
        self.clocks: list[JumpingClock] = []
        self.breakers: list[Breakers] = []
        self.routers: list[Router] = []

    def add(self, connection: Connection, prefix: str) -> Breakers:
        clock = JumpingClock(connection, prefix)
        breakers = Breakers(Cells(connection, prefix, bucket="provider"), clock)
        upstreams = {"a": self.first, "b": self.second}
        self.routers.append(
            Router(upstreams, Held(), breakers, Free(), Listed(), chance=Quick(len(self.routers)))
        )
        self.clocks.append(clock)
        self.breakers.append(breakers)
        return breakers

    def later(self, seconds: float) -> None:
        for clock in self.clocks:
            clock.ahead += seconds

    def states(self) -> set[str]:
        return {one.state("a/one", "main") for one in self.breakers}


@pytest.fixture
async def fleet(
    connection: Connection, prefix: str, streams: Streams, connect: Connect
) -> AsyncIterator[Fleet]:
    await streams(connection, prefix, "provider", "TASKS")
    fleet = Fleet()
    async with contextlib.AsyncExitStack() as stack:
        for own in (connection, await connect()):
            await stack.enter_async_context(fleet.add(own, prefix))
        yield fleet


async def test_a_replica_does_not_call_what_another_one_has_found_failing(
    fleet: Fleet, eventually: Eventually
) -> None:
    fleet.first.plan[0] = fails(limited(30.0))
    with pytest.raises(NoTargetLeft) as caught:
        await ask(fleet.routers[0], ALONE, deadline=asyncio.get_running_loop().time() + 5)
    assert 29 < caught.value.context["retry_after"] <= 30
    await eventually(lambda: fleet.states() == {"open"})
    with pytest.raises(NoTargetLeft) as caught:
        await ask(fleet.routers[1], ALONE)
    assert 29 < caught.value.context["retry_after"] <= 30
    assert caught.value.context["attempts"] == []
    assert fleet.first.calls == 1
    assert (await listen(fleet.routers[1], BOTH)).text == WHOLE
    assert fleet.first.calls == 1


async def test_both_replicas_together_let_one_probe_through(
    fleet: Fleet, eventually: Eventually
) -> None:
    fleet.first.plan[0] = fails(UpstreamFailed("503"))
    for _ in range(5):
        await ask(fleet.routers[0], BOTH)
    await eventually(lambda: fleet.states() == {"open"})
    calls = fleet.first.calls
    fleet.later(6.0)
    probing = asyncio.Event()

    async def answers_slowly(request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        await probing.wait()
        async for chunk in answers(request):
            yield chunk

    fleet.first.plan[0] = answers_slowly
    asked = [asyncio.create_task(ask(router, BOTH)) for router in fleet.routers for _ in range(20)]
    async with asyncio.timeout(5):
        while sum(task.done() for task in asked) < 39:
            await asyncio.sleep(0.001)
    assert fleet.first.calls == calls + 1
    probing.set()
    heard = await asyncio.gather(*asked)
    assert Counter(one.answered.target for one in heard if one.answered) == {
        "a/one": 1,
        "b/two": 39,
    }
    await eventually(lambda: fleet.states() == {"closed"})
    for router in fleet.routers:
        answered = (await ask(router, BOTH)).answered
        assert answered is not None
        assert answered.target == "a/one"


FAULTS: list[Step] = [
    fails(limited(20.0)),
    fails(UpstreamFailed("503")),
    stays_silent,
    fails(StreamBroken("cut"), after=2, usage=USED),
]


@pytest.mark.parametrize("fault", FAULTS, ids=["429", "5xx", "hang", "half stream"])
async def test_a_provider_in_trouble_costs_few_calls(
    fault: Step, fleet: Fleet, eventually: Eventually
) -> None:
    """Two thousand requests, a third of them while the provider fails (R22 of the fault plan)."""
    bill = Noted()
    failing, before, opened = 0, 0, True
    for n in range(REQUESTS):
        troubled = n % 300 < 100
        if n % 300 == 0:
            await eventually(lambda: fleet.states() == {"closed"})
            fleet.first.plan[0] = fault
            before, opened = fleet.first.calls, False
        elif n % 300 == 100:
            fleet.first.plan[0] = answers
            failing += fleet.first.calls - before
        heard = await listen(fleet.routers[n % 2], HASTY, bill=bill)
        assert heard.text == WHOLE
        if not opened and fleet.states() != {"closed"}:
            opened = True
            assert fleet.first.calls - before <= 10
        assert opened or troubled
        fleet.later(0.5)
    assert len(bill.paid) / REQUESTS <= 1.2
    assert fleet.first.calls + fleet.second.calls <= 1.2 * REQUESTS
    assert failing <= 0.2 * REQUESTS / 3
