import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from pepperpy import Agent, BlockingContext, Client, Context, Heard
from pepperpy_agents import listening
from pepperpy_bus.control import steer
from pepperpy_bus.streams import consumers, in_hand, pull

Working = Callable[..., contextlib.AbstractAsyncContextManager[Any]]
Eventually = Callable[..., Awaitable[Any]]


async def tell(client: Client, verb: str, count: int = 1, **options: Any) -> None:
    async with client.emitter() as emitter:
        for n in range(count):
            await emitter.emit(
                "thing",
                verb,
                scope="test",
                id=f"{verb}{n}",
                **{"data": {"n": n}, "certain": True, **options},
            )


def hearing(heard: list[Any], **options: Any) -> Agent:
    agent = Agent("ears")

    @agent.on("thing.*", **options)
    async def listener(event: Heard) -> None:
        heard.append(event)

    return agent


async def test_a_shared_listener_hears_each_event_once_over_two_instances(
    client: Client, working: Working, eventually: Eventually
) -> None:
    one: list[Heard] = []
    two: list[Heard] = []
    async with working(hearing(one)), working(hearing(two)):
        await tell(client, "done", 40)
        await eventually(lambda: len(one) + len(two) >= 40)
    assert sorted(event.data["n"] for event in one + two) == list(range(40))


async def test_a_shared_listener_hears_what_happened_while_it_was_down(
    client: Client, working: Working, eventually: Eventually
) -> None:
    heard: list[Heard] = []
    async with working(hearing(heard)):
        await tell(client, "first")
        await eventually(lambda: len(heard) == 1)
    await tell(client, "second")
    async with working(hearing(heard)):
        await eventually(lambda: len(heard) == 2)
    assert [event.verb for event in heard] == ["first", "second"]


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(1), asyncio.CancelledError()])
async def test_a_failing_listener_gets_the_event_again(
    client: Client,
    working: Working,
    eventually: Eventually,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: BaseException,
) -> None:
    monkeypatch.setattr(listening, "RETRY_WAIT", 0.05)
    agent, tries = Agent("ears"), []

    @agent.on("thing.*")
    async def fails(event: Heard, ctx: Context) -> None:
        tries.append(event.id)
        if len(tries) == 1:
            raise error

    with caplog.at_level(logging.ERROR):
        async with working(agent):
            await tell(client, "done")
            await eventually(lambda: len(tries) == 2)
            await tell(client, "next")
            await eventually(lambda: len(tries) == 3)
    assert tries == ["done0", "done0", "next0"]
    assert "listener.failed" in caplog.text


async def test_broadcast_reaches_every_instance(
    client: Client, working: Working, eventually: Eventually
) -> None:
    one: list[Heard] = []
    two: list[Heard] = []
    await tell(client, "before")
    agents = hearing(one, mode="broadcast"), hearing(two, mode="broadcast")
    async with working(agents[0]), working(agents[1]):
        await tell(client, "done", 5)
        await eventually(lambda: len(one) == 5 == len(two))
    assert [event.data["n"] for event in one] == list(range(5))
    assert one == two


async def test_a_failing_broadcast_listener_goes_on_with_the_next_event(
    client: Client, working: Working, eventually: Eventually
) -> None:
    agent, heard = Agent("ears"), []

    @agent.on("thing.*", mode="broadcast")
    async def fails(event: Heard) -> None:
        heard.append(event.id)
        raise SystemExit(1)

    async with working(agent):
        await tell(client, "done", 2)
        await eventually(lambda: heard == ["done0", "done1"])


@pytest.mark.parametrize("mode", ["shared", "broadcast"])
async def test_a_condition_chooses_among_the_events(
    client: Client, working: Working, eventually: Eventually, mode: str
) -> None:
    heard: list[Heard] = []
    async with working(hearing(heard, where="data.n > 2 and verb == 'done'", mode=mode)):
        await tell(client, "other", 5)
        await tell(client, "done", 5)
        await eventually(lambda: len(heard) == 2)
    assert [event.id for event in heard] == ["done3", "done4"]


async def test_high_priority_events_do_not_wait_behind_a_backlog(
    client: Client, working: Working, eventually: Eventually
) -> None:
    agent, begun, gate = Agent("ears"), [], asyncio.Event()

    @agent.on("thing.*")
    async def slow(event: Heard) -> None:
        begun.append(event.event.priority)
        if event.event.priority == "normal":
            await gate.wait()

    async with working(agent):
        await tell(client, "done", listening.SLOTS * 3)
        await eventually(lambda: len(begun) == listening.SLOTS)
        await tell(client, "urgent", 1, priority="high")
        await eventually(lambda: begun[-1] == "high", within=2)
        gate.set()
        await eventually(lambda: len(begun) == listening.SLOTS * 3 + 1)


async def test_an_unreadable_event_is_put_aside(
    client: Client, working: Working, eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[Heard] = []
    with caplog.at_level(logging.WARNING):
        async with working(hearing(heard)):
            subject = f"{client.prefix}.event.thing.broken.test.1"
            await client.connection.publish(subject, b'{"no":"event"}')
            await tell(client, "done")
            await eventually(lambda: [one.verb for one in heard] == ["done"])
    assert "listener.unreadable" in caplog.text


async def test_what_a_listener_does_belongs_to_the_family_of_the_event(
    client: Client, working: Working, seen: Any
) -> None:
    agent = Agent("ears")

    @agent.task("work")
    async def work(data: None) -> None: ...

    @agent.on("task.completed.work")
    def react(event: Heard, ctx: BlockingContext) -> None:
        ctx.emit("thing.noted")

    async with working(agent):
        task_id = await client.submit("work")
        (noted,) = await seen.named(task_id, "thing.noted")
    assert noted.event.correlation == task_id
    assert noted.scope == "work"


async def test_a_long_listener_is_kept_alive(
    client: Client, working: Working, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "ACK_WAIT", 1.0)
    monkeypatch.setattr(pull, "PULSE", 0.1)
    monkeypatch.setattr(in_hand, "TICK", 0.05)
    agent, heard = Agent("ears"), []

    @agent.on("thing.*")
    async def slow(event: Heard) -> None:
        heard.append(event.id)
        await asyncio.sleep(1.5)
        heard.append("end")

    async with working(agent):
        await tell(client, "done")
        await eventually(lambda: "end" in heard)
    assert heard == ["done0", "end"]


async def test_stuck_listeners_and_tasks_hold_a_stop_for_one_grace_together(
    client: Client, working: Working, eventually: Eventually
) -> None:
    agent, begun = Agent("ears"), []

    @agent.task("stuck", timeout=None)
    async def task(data: None) -> None:
        begun.append("task")
        await asyncio.sleep(60)

    @agent.on("thing.*")
    async def one(event: Heard) -> None:
        begun.append("one")
        await asyncio.sleep(60)

    @agent.on("thing.*")
    async def other(event: Heard) -> None:
        begun.append("other")
        await asyncio.sleep(60)

    async with working(agent, grace=1.0):
        await client.submit("stuck")
        await tell(client, "done")
        await eventually(lambda: len(begun) == 3)
        stopped = time.monotonic()
    assert 1.0 <= time.monotonic() - stopped < 2.0


@pytest.mark.parametrize("mode", ["shared", "broadcast"])
async def test_a_paused_agent_hears_what_happened_meanwhile_when_it_goes_on(
    client: Client, working: Working, eventually: Eventually, mode: str
) -> None:
    heard: list[Heard] = []
    async with working(hearing(heard, mode=mode)) as worker:
        await tell(client, "first")
        await eventually(lambda: len(heard) == 1)
        await steer(client.connection, client.prefix, "ears", "pause")
        await tell(client, "second", 3)
        # Another agent, not paused, has heard them all before: they had every chance to come.
        others: list[Heard] = []
        other = Agent("others")

        @other.on("thing.second.*")
        async def take(event: Heard) -> None:
            others.append(event)

        async with working(other):
            await tell(client, "second", 1, event_id="later")
            await eventually(lambda: len(others) == 1)
        assert len(heard) == 1
        await steer(client.connection, client.prefix, "ears", "resume")
        await eventually(lambda: len(heard) == 5)
    assert worker.in_flight == 0
