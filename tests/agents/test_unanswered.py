"""One request that nobody answers in time costs a task a moment, and not half a minute."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from pepperpy import Agent, Client, Context
from pepperpy_agents import settling
from pepperpy_agents.resuming import Resuming
from pepperpy_bus.streams.delivery import Delivery
from pepperpy_bus.streams.pull import Puller
from pepperpy_bus.tasks.results import Results
from pepperpy_bus.tasks.waits import Waits
from pepperpy_bus.tasks.wakes import current_wait, wake
from pepperpy_schemas.catalog.tasks import RESUME, TASK
from pepperpy_schemas.errors import Unavailable
from pepperpy_schemas.messages import Result, Resume
from pepperpy_schemas.subjects import Subject, stream_name

Working = Callable[..., contextlib.AbstractAsyncContextManager[Any]]
Eventually = Callable[..., Awaitable[Any]]

PATIENCE = 20.0
"""Seconds; what is left in hand comes again after thirty."""


class Unanswered:
    """Stands for a function whose first call gets no answer."""

    def __init__(self, function: Callable[..., Awaitable[Any]]) -> None:
        self._function = function
        self.calls = 0

    async def __call__(self, *args: Any, **options: Any) -> Any:
        self.calls += 1
        if self.calls > 1:
            return await self._function(*args, **options)
        raise Unavailable("nobody answered in time")


@contextlib.asynccontextmanager
async def soon() -> AsyncIterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < PATIENCE


@pytest.fixture
def parents(client: Client, eventually: Eventually) -> Agent:
    """An agent whose task "parent" waits before its child ends."""
    agent = Agent("parents")

    @agent.task("child")
    async def child(n: int, ctx: Context) -> int:
        await eventually(lambda: current_wait(client.connection, client.prefix, ctx.root))
        return n

    @agent.task("parent")
    async def parent(_: None, ctx: Context) -> Any:
        return await ctx.gather(await ctx.submit("child", 7))

    return agent


async def test_a_child_that_cannot_tell_its_parent_tells_it_a_moment_later(
    client: Client, working: Working, parents: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    telling = Unanswered(settling.wake_parent)
    monkeypatch.setattr(settling, "wake_parent", telling)
    async with working(parents), soon():
        assert await client.run("parent", wait=40) == [7]
    assert telling.calls > 1


async def test_a_wake_that_cannot_be_read_comes_again_a_moment_later(
    client: Client, working: Working, parents: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading = Unanswered(Resuming.attempt)

    async def read(self: Resuming, *args: Any) -> Any:
        return await reading(self, *args)

    monkeypatch.setattr(Resuming, "attempt", read)
    async with working(parents), soon():
        assert await client.run("parent", wait=40) == [7]
    assert reading.calls > 1


@pytest.mark.parametrize("lost", ["acknowledgement", "look"])
async def test_a_task_that_begins_to_wait_finds_what_is_there_whatever_goes_unanswered(
    client: Client, working: Working, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    """The child is a foreign worker's, which tells no parent."""
    agent, ack, waiting = Agent("parents"), Delivery.ack, asyncio.Event()
    look = Unanswered(Waits.look)

    @agent.task("parent")
    async def parent(_: None, ctx: Context) -> Any:
        child = await ctx.submit("foreign", id="child-1")
        waiting.set()
        return await ctx.gather(child)

    async def ended_meanwhile(delivery: Delivery) -> None:
        first = waiting.is_set()
        waiting.clear()
        if first:
            await client.results.put("child-1", Result(ok=True), attempt=1)
        await ack(delivery)
        if first and lost == "acknowledgement":
            raise Unavailable("the confirmation is lost")

    async def look_once(self: Waits, *args: Any) -> None:
        await look(self, *args)

    monkeypatch.setattr(Delivery, "ack", ended_meanwhile)
    if lost == "look":
        monkeypatch.setattr(Waits, "look", look_once)
    async with working(agent), soon():
        assert await client.run("parent", wait=40) == [None]


# --- at the end of a worker's grace ---------------------------------------------------------------


async def given_back(
    client: Client, eventually: Eventually, subject: Subject[Any], consumer: str
) -> Delivery:
    """What a consumer delivers, to whoever asks next."""
    taken: list[Delivery] = []
    stream = stream_name(client.prefix, subject.stream)
    puller = Puller(client.connection, stream, consumer, slots=1, on_delivery=taken.append)
    async with puller:
        await eventually(lambda: taken)
    return taken[0]


async def test_a_wake_that_is_being_read_when_the_grace_ends_is_given_back(
    client: Client,
    working: Working,
    parents: Agent,
    eventually: Eventually,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reading = asyncio.Event()

    async def for_ever(*_: Any) -> None:
        reading.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(Resuming, "attempt", for_ever)
    async with working(parents, grace=0.0):
        await wake(
            client.connection, client.prefix, topic="parent", task_id="p", resume=Resume("check")
        )
        await reading.wait()
    again = await given_back(client, eventually, RESUME, "r_parent")
    assert again.deliveries == 2


async def test_what_cannot_be_settled_in_the_grace_is_given_back(
    client: Client,
    working: Working,
    parents: Agent,
    eventually: Eventually,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settling = asyncio.Event()

    async def for_ever(*_: Any, **__: Any) -> None:
        settling.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(Results, "put", for_ever)
    async with working(parents, grace=0.0):
        await client.submit("parent")
        await settling.wait()
    again = await given_back(client, eventually, TASK, "w_child")
    assert again.deliveries == 2


async def test_what_is_being_settled_when_the_grace_ends_is_settled(
    client: Client, working: Working, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent, put, putting, goes_on = Agent("late"), Results.put, asyncio.Event(), asyncio.Event()
    stops, wait = asyncio.Event(), asyncio.wait

    @agent.task("late")
    async def late(_: None) -> int:
        await stops.wait()
        return 7

    async def slowly(self: Results, *args: Any, **options: Any) -> bool:
        putting.set()
        await goes_on.wait()
        return await put(self, *args, **options)

    async def last_words(tasks: Any, **options: Any) -> Any:
        # Waited for when the grace is over, and the work has been canceled.
        if putting.is_set() and any(one.get_name() == "settle" for one in tasks):
            goes_on.set()
        return await wait(tasks, **options)

    monkeypatch.setattr(Results, "put", slowly)
    monkeypatch.setattr(asyncio, "wait", last_words)
    async with working(agent, grace=0.5) as worker:
        task_id = await client.submit("late")
        await eventually(lambda: worker.in_flight)
        worker.stop()
        await eventually(lambda: worker._executor.stopping)
        stops.set()
        await putting.wait()
    assert await client.result(task_id, wait=5) == 7
    assert goes_on.is_set()
