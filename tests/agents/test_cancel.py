"""Canceling: wherever a task is, it ends once, with its children, and nothing of it stays."""

import asyncio
import contextlib
import random
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from pepperpy import Agent, Client, Context
from pepperpy_agents import running
from pepperpy_bus.streams.jetstream import api, store
from pepperpy_bus.streams.provision import ensure_topic
from pepperpy_bus.streams.reading import all_on, read_as_stored
from pepperpy_bus.tasks.whereabouts import find_task
from pepperpy_schemas.errors import Canceled, ChildFailed, Conflict, NotFound
from pepperpy_schemas.states import TaskState
from pepperpy_schemas.subjects import stream_name

Working = Callable[..., contextlib.AbstractAsyncContextManager[Any]]
Eventually = Callable[..., Awaitable[Any]]

TERMINAL = {f"task.{state.verb}" for state in TaskState if state.terminal}


async def kept(client: Client, *suffixes: str) -> dict[str, int]:
    """What lies in the streams that make tasks run; the fleeting marks of removals apart."""
    found = {}
    for suffix in suffixes or ("TASKS", "RESUME", "KEYED", "SCHED", "CANCELS"):
        name = stream_name(client.prefix, suffix)
        state = (await api(client.connection, f"STREAM.INFO.{name}"))["state"]
        if state["messages"]:
            found[suffix] = state["messages"]
    return found


def nothing_kept(client: Client, *suffixes: str) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        return not await kept(client, *suffixes)

    return look


async def ends(client: Client) -> list[Any]:
    stream = stream_name(client.prefix, "RESULTS")
    return await all_on(client.connection, stream, f"{client.prefix}.result.*")


async def state_of(client: Client, task_id: str) -> TaskState:
    return (await client.ended(task_id, wait=10)).result.state


def slow(log: list[str], *, clean_up: float = 0.0) -> Agent:
    agent = Agent("slow")

    @agent.task("slow", timeout=None)
    async def run(name: str) -> str:
        log.append(f"{name} began")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(clean_up)
            log.append(f"{name} cleaned up")
            raise
        return name

    return agent


# --- where it is ----------------------------------------------------------------------------------


async def test_a_queued_task_is_not_started(
    client: Client, working: Working, seen: Any, eventually: Eventually
) -> None:
    log: list[str] = []
    await ensure_topic(client.connection, client.prefix, "slow")
    task_id = await client.submit("slow", "one", id="chosen")
    async with working(Agent("bystander")):
        assert await client.cancel(task_id, reason="too late", by="ana")
        await eventually(nothing_kept(client))
    with pytest.raises(Canceled, match="canceled by ana: too late"):
        await client.result(task_id)
    (told,) = await seen.named(task_id, "task.canceled")
    assert told.data == {"code": "canceled", "message": "canceled by ana: too late"}
    async with working(slow(log), grace=0.0):
        await client.submit("slow", "two")
        await eventually(lambda: log == ["two began"])
    ended = await client.ended(task_id)
    assert (ended.topic, ended.attempt, bool(ended.fingerprint)) == ("slow", 0, True)


async def test_a_task_that_was_published_bare_is_canceled_by_its_sequence_number(
    client: Client, working: Working, eventually: Eventually
) -> None:
    await ensure_topic(client.connection, client.prefix, "slow")
    ack = await store(client.connection, f"{client.prefix}.task.slow", b"1")
    async with working(Agent("bystander")):
        assert await client.cancel(f"{ack.stream}-{ack.seq}")
        await eventually(nothing_kept(client))


async def test_a_scheduled_task_is_not_submitted(
    client: Client, working: Working, eventually: Eventually
) -> None:
    task_id = await client.submit("slow", "one", delay="1h")
    async with working(Agent("bystander")):
        assert await client.cancel(task_id)
        await eventually(nothing_kept(client))
        assert await client.schedules.all() == []
        assert await state_of(client, task_id) is TaskState.CANCELED


async def test_a_task_behind_its_key_is_not_started(
    client: Client, working: Working, eventually: Eventually
) -> None:
    subject = f"{client.prefix}.key.slow.k1.task-1"
    await store(client.connection, subject, b'"one"')
    async with working(Agent("bystander")):
        assert await client.cancel("task-1")
        await eventually(nothing_kept(client))
        assert (await client.ended("task-1")).topic == "slow"


async def test_a_canceled_task_gives_its_key_to_the_next(
    client: Client, working: Working, eventually: Eventually
) -> None:
    agent = Agent("orders")

    @agent.task("order")
    async def order(name: str, ctx: Context) -> Any:
        return await ctx.ask("Well?") if name == "asks" else name

    async with working(agent):
        first = await client.submit("order", "asks", key="otter")
        await eventually(lambda: client.question(first))
        second, third = [await client.submit("order", n, key="otter") for n in ("two", "three")]
        assert await client.cancel(second)
        assert await client.cancel(first)
        assert await client.result(third, wait=10) == "three"
        assert await state_of(client, second) is TaskState.CANCELED
        await eventually(nothing_kept(client))


async def test_a_running_handler_may_clean_up(
    client: Client, working: Working, seen: Any, eventually: Eventually
) -> None:
    log: list[str] = []
    async with working(slow(log, clean_up=0.1)):
        task_id = await client.submit("slow", "one")
        await eventually(lambda: log == ["one began"])
        assert await client.cancel(task_id)
        await eventually(lambda: log == ["one began", "one cleaned up"])
        await eventually(nothing_kept(client))
    assert await state_of(client, task_id) is TaskState.CANCELED
    assert [name for name in await seen.names(task_id) if name in TERMINAL] == ["task.canceled"]


async def test_cleaning_up_has_its_time(
    client: Client, working: Working, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "CLEAN_UP", 0.1)
    log: list[str] = []
    async with working(slow(log, clean_up=60)) as worker:
        task_id = await client.submit("slow", "one")
        await eventually(lambda: log == ["one began"])
        assert await client.cancel(task_id)
        await eventually(lambda: worker.in_flight == 0)
    assert log == ["one began"]


async def test_what_a_handler_returns_instead_of_ending_counts_no_more(
    client: Client, working: Working, eventually: Eventually
) -> None:
    agent, began = Agent("stubborn"), asyncio.Event()

    @agent.task("stubborn")
    async def stubborn(_: None) -> str:
        began.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return "I am done"

    async with working(agent):
        task_id = await client.submit("stubborn")
        await began.wait()
        assert await client.cancel(task_id)
    assert await state_of(client, task_id) is TaskState.CANCELED


async def test_the_result_of_a_thread_is_dropped_and_it_does_nothing_more_for_the_task(
    client: Client, working: Working, eventually: Eventually
) -> None:
    agent, began, go_on = Agent("threads"), threading.Event(), threading.Event()
    said: list[BaseException] = []

    @agent.task("thread")
    def thread(_: None, ctx: Context) -> str:
        ctx.step("before", lambda: 1)
        began.set()
        go_on.wait(20)
        try:
            ctx.submit("thread")
        except Exception as error:
            said.append(error)
            raise
        return "done"

    async with working(agent):
        task_id = await client.submit("thread")
        await eventually(began.is_set)
        assert await client.cancel(task_id)
        await eventually(nothing_kept(client))
        go_on.set()
        await eventually(lambda: said)
    assert "has ended" in str(said[0])
    assert await state_of(client, task_id) is TaskState.CANCELED


async def test_a_task_that_waits_for_an_answer_is_not_asked_for_it_any_more(
    client: Client, working: Working, eventually: Eventually
) -> None:
    agent = Agent("asks")

    @agent.task("ask")
    async def ask(_: None, ctx: Context) -> Any:
        return await ctx.ask("Well?", deadline="1h", default=1)

    async with working(agent):
        task_id = await client.submit("ask")
        await eventually(lambda: client.question(task_id))
        assert await client.cancel(task_id)
        await eventually(nothing_kept(client))
        assert await client.question(task_id) is None
        assert await client.questions() == []
        with pytest.raises(NotFound, match="does not wait"):
            await client.answer(task_id, 2)
    assert await state_of(client, task_id) is TaskState.CANCELED


# --- what the caller is told ----------------------------------------------------------------------


async def test_a_task_that_has_ended_is_not_canceled(client: Client, working: Working) -> None:
    agent = Agent("quick")

    @agent.task("quick")
    async def quick(_: None) -> int:
        return 1

    async with working(agent):
        task_id = await client.submit("quick")
        assert await client.result(task_id, wait=10) == 1
        with pytest.raises(Conflict, match="had ended before: it is completed") as refused:
            await client.cancel(task_id)
    assert refused.value.context["state"] == "completed"
    assert await client.result(task_id) == 1


async def test_canceling_twice_is_canceling_once(client: Client, working: Working) -> None:
    await ensure_topic(client.connection, client.prefix, "slow")
    task_id = await client.submit("slow", "one")
    async with working(Agent("bystander")):
        assert await client.cancel(task_id)
        assert await client.cancel(task_id)


async def test_an_unknown_task_is_an_error_and_gets_no_result(
    client: Client, working: Working, eventually: Eventually
) -> None:
    async with working(Agent("bystander")):
        with pytest.raises(NotFound, match="no task nobody"):
            await client.cancel("nobody")
        # Published by hand nobody is told; there is no result all the same.
        await store(client.connection, f"{client.prefix}.ctl.cancel.nobody", b"")
        await eventually(nothing_kept(client, "CANCELS"))
    assert await ends(client) == []


async def test_a_recurring_schedule_is_no_task(client: Client) -> None:
    schedule = await client.submit("slow", "one", every="1h")
    with pytest.raises(NotFound, match="no task but a schedule"):
        await client.cancel(schedule)


async def test_without_a_worker_the_request_waits_for_one(
    client: Client, working: Working, eventually: Eventually
) -> None:
    await ensure_topic(client.connection, client.prefix, "slow")
    log: list[str] = []
    task_id = await client.submit("slow", "one", id="chosen")
    assert await client.cancel(task_id, wait=0.1) is False
    async with working(Agent("bystander")):
        assert await state_of(client, task_id) is TaskState.CANCELED
    async with working(slow(log)):
        await eventually(nothing_kept(client))
    assert log == []


async def test_a_bare_publish_cancels(
    client: Client, working: Working, eventually: Eventually
) -> None:
    log: list[str] = []
    async with working(slow(log)):
        task_id = await client.submit("slow", "one")
        await eventually(lambda: log == ["one began"])
        await client.connection.publish(f"{client.prefix}.ctl.cancel.{task_id}", b"enough")
        with pytest.raises(Canceled, match="canceled: enough"):
            await client.result(task_id, wait=10)


# --- families -------------------------------------------------------------------------------------


def family(log: list[str]) -> Agent:
    agent = slow(log)

    @agent.task("asking")
    async def asking(name: str, ctx: Context) -> Any:
        log.append(f"{name} asks")
        return await ctx.ask(name)

    @agent.task("parent", retries=0)
    async def parent(_: None, ctx: Context) -> Any:
        children = [
            await ctx.submit("slow", "running"),
            await ctx.submit("asking", "asking"),
            await ctx.submit("nobody", "queued"),
            await ctx.submit("slow", "later", delay="1h"),
        ]
        return await ctx.gather(*children)

    @agent.task("grandparent", retries=0)
    async def grandparent(_: None, ctx: Context) -> Any:
        return await ctx.run("parent")

    @agent.task("busy", retries=0)
    async def busy(_: None, ctx: Context) -> None:
        for n in range(3):
            await ctx.submit("slow", f"child {n}")
        await asyncio.Event().wait()

    return agent


async def test_the_children_of_a_canceled_task_end_with_it(
    client: Client, working: Working, seen: Any, eventually: Eventually
) -> None:
    log: list[str] = []
    await ensure_topic(client.connection, client.prefix, "nobody")
    async with working(family(log)):
        task_id = await client.submit("grandparent")
        await eventually(lambda: {"running began", "asking asks"} <= set(log))
        await eventually(client.questions)
        (parent,) = [
            one.id for one in await seen.events("task.started.parent.*") if one.verb == "started"
        ]

        async def has_children() -> bool:
            found = await find_task(client.connection, client.prefix, parent, read_as_stored)
            return found is not None and len(found.history.children) == 4

        await eventually(has_children)
        assert await client.cancel(task_id, reason="no more")
        await eventually(nothing_kept(client), within=20)

        async def all_ended() -> bool:
            return len(await ends(client)) == 6

        await eventually(all_ended)
        await eventually(lambda: "running cleaned up" in log)
    for one in await ends(client):
        ended = await client.ended(one.subject.rpartition(".")[2])
        assert ended.result.state is TaskState.CANCELED
    child = await client.ended(parent)
    assert child.result.error is not None
    assert f"its parent {task_id} was canceled: no more" in child.result.error.message


async def test_the_children_of_a_running_task_end_with_it(
    client: Client, working: Working, eventually: Eventually
) -> None:
    log: list[str] = []
    async with working(family(log)):
        task_id = await client.submit("busy")
        await eventually(lambda: len(log) == 3)
        assert await client.cancel(task_id)
        await eventually(lambda: len(log) == 6)
        await eventually(nothing_kept(client))
    assert {line.rpartition(" ")[2] for line in log} == {"began", "up"}


async def test_a_canceled_child_fails_its_parent_with_the_cause(
    client: Client, working: Working, eventually: Eventually
) -> None:
    log: list[str] = []
    agent = slow(log)

    @agent.task("parent", retries=0)
    async def parent(_: None, ctx: Context) -> Any:
        return await ctx.gather(await ctx.submit("slow", "child", id="child-1"))

    async with working(agent):
        task_id = await client.submit("parent")
        await eventually(lambda: log == ["child began"])
        assert await client.cancel("child-1", reason="why not")
        with pytest.raises(ChildFailed) as failed:
            await client.result(task_id, wait=15)
    assert isinstance(failed.value.__cause__, Canceled)
    assert "why not" in str(failed.value.__cause__)


# --- races ----------------------------------------------------------------------------------------


async def test_every_race_of_a_cancel_and_an_end_has_one_winner(
    client: Client, working: Working, seen: Any, eventually: Eventually
) -> None:
    """240 tasks, each canceled at another moment: queued, starting, running, ending, ended."""
    agent, rng = Agent("racer"), random.Random(19)

    @agent.task("race", concurrency=4, retries=1, retry_delay=0.01)
    async def race(n: int, ctx: Context) -> int:
        await asyncio.sleep(rng.random() * 0.03)
        if n % 6 == 0:
            await ctx.step("one", lambda: n)
        if n % 6 == 1 and ctx.attempt == 1:
            raise ValueError("once more")
        if n % 6 == 2:
            await ctx.sleep(0.02)
        return n

    won: dict[str, bool] = {}
    began: dict[int, int] = {}

    async def submit_and_cancel(n: int, client_of: Client) -> None:
        began[n] = 1
        task_id = await client_of.submit("race", n, **({"id": f"race-{n}"} if n % 2 else {}))
        await asyncio.sleep(rng.random() * rng.choice([0.0, 0.05, 0.5]))
        try:
            won[task_id] = await client_of.cancel(task_id, wait=30)
        except Conflict:
            won[task_id] = False

    async with working(agent), working(agent):
        lanes = [range(start, 240, 24) for start in range(24)]

        async def lane(numbers: range) -> None:
            for n in numbers:
                await submit_and_cancel(n, client)

        await asyncio.gather(*(lane(numbers) for numbers in lanes))
        await eventually(nothing_kept(client), within=40)
    assert len(won) == 240
    stored = await ends(client)
    assert len(stored) == 240
    for task_id, canceled in won.items():
        ended = await client.ended(task_id)
        expected = TaskState.CANCELED if canceled else TaskState.COMPLETED
        assert ended.result.state is expected, task_id
    told: dict[str, list[str]] = {}
    for event in await seen.events("task.>"):
        if event.name in TERMINAL:
            told.setdefault(event.id, []).append(event.name)
    assert {
        task_id: [f"task.{'canceled' if c else 'completed'}"] for task_id, c in won.items()
    } == told
    assert 20 < sum(won.values()) < 239
