"""Questions and dead letters of tasks that outlive their workers and the broker."""

import asyncio
import contextlib
import json
import signal
from collections.abc import Awaitable, Callable
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pepperpy import Agent, Client, Context, connect
from pepperpy.stack.broker import Broker
from pepperpy_bus.control import steer
from pepperpy_bus.streams import consumers
from pepperpy_bus.streams.delivery import Delivery
from pepperpy_bus.streams.jetstream import api, store
from pepperpy_bus.streams.pull import Puller
from pepperpy_bus.tasks.journal import Journal
from pepperpy_bus.units import now
from pepperpy_schemas.errors import BadPayload, ChildFailed, CrashLoop, DeadlineExceeded
from pepperpy_schemas.messages import WaitedEntry
from pepperpy_schemas.subjects import stream_name
from tests.worker_processes import Start

Working = Callable[..., contextlib.AbstractAsyncContextManager[Any]]
Eventually = Callable[..., Awaitable[Any]]

AGENT = """
from pathlib import Path

from pepperpy import Agent, Context

agent = Agent("deploys")


def prepare(name: str) -> str:
    with Path("prepared").open("a") as file:
        file.write(name + "\\n")
    return name


@agent.task("deploy")
async def deploy(name: str, ctx: Context) -> str:
    prepared = await ctx.step("prepare", prepare, name)
    return f"{prepared}: {await ctx.ask('Deploy?', choices=['yes', 'no'])}"
"""


def asking(**options: Any) -> Agent:
    agent = Agent("asks")

    @agent.task("ask")
    async def ask(_: None, ctx: Context) -> Any:
        return await ctx.ask("Well?", **options)

    return agent


async def test_a_task_whose_deadline_passes_while_it_waits_is_not_said_to_have_never_begun(
    client: Client, working: Working
) -> None:
    async with working(asking()):
        task_id = await client.submit("ask", timeout=1)
        with pytest.raises(DeadlineExceeded, match="waited past its deadline"):
            await client.result(task_id, wait=10)


async def test_an_answer_comes_while_no_worker_is_up_and_the_broker_restarts_in_between(
    own_broker: Broker, prefix: str, workers: Start, tmp_path: Path, eventually: Eventually
) -> None:
    (tmp_path / "app.py").write_text(AGENT)
    async with connect(own_broker.url, bus__prefix=prefix) as client:
        first = workers(own_broker.url, "app.py:agent")
        task_id = await client.submit("deploy", "api")
        await eventually(client.questions)
        first.send(signal.SIGKILL)
        own_broker.kill()
        own_broker.start_sync()
        await eventually(lambda: client.connection.connected)
        (question,) = await eventually(client.questions)
        assert (question.task_id, question.wait.text, question.answered) == (
            task_id,
            "Deploy?",
            False,
        )
        await client.answer(task_id, "yes")
        own_broker.kill()
        own_broker.start_sync()
        await eventually(lambda: client.connection.connected)
        (question,) = await eventually(client.questions)
        assert question.answered
        workers(own_broker.url, "app.py:agent")
        assert await client.result(task_id, wait=30) == "api: yes"
        assert await client.questions() == []
    assert (tmp_path / "prepared").read_text() == "api\n"


async def test_open_questions_are_listed_the_oldest_first_until_they_are_answered(
    client: Client, working: Working, eventually: Eventually
) -> None:
    async with working(asking()):
        tasks = []
        for n in range(3):
            tasks.append(await client.submit("ask"))

            async def listed(count: int = n + 1) -> bool:
                return len(await client.questions()) == count

            await eventually(listed)
        assert [one.task_id for one in await client.questions()] == tasks
        assert [one.task_id for one in await client.questions(topic="ask")] == tasks
        assert await client.questions(topic="other") == []
        await client.answer(tasks[1], 2)
        assert await client.result(tasks[1], wait=10) == 2
        assert [one.task_id for one in await client.questions()] == [tasks[0], tasks[2]]


class Amount(msgspec.Struct):
    cups: int
    due: date | None = None


@pytest.mark.parametrize(
    ("kind", "wrong", "right", "expected"),
    [
        (int, b'"lots"', 3, 3),
        (Amount, b'{"cups":"many"}', {"cups": 2}, {"cups": 2, "due": None}),
        (Amount, b'{"cups":2,"due":"soon"}', {"cups": 2}, {"cups": 2, "due": None}),
    ],
)
async def test_an_answer_of_another_type_leaves_the_question_open(
    client: Client,
    working: Working,
    seen: Any,
    eventually: Eventually,
    kind: Any,
    wrong: bytes,
    right: Any,
    expected: Any,
) -> None:
    async with working(asking(type=kind)):
        task_id = await client.submit("ask")
        await eventually(lambda: client.question(task_id))
        with pytest.raises(BadPayload, match="does not fit"):
            await client.answer(task_id, json.loads(wrong))
        subject = f"{client.prefix}.answer.ask.{task_id}.1"
        await store(client.connection, subject, wrong)
        (told,) = await seen.named(task_id, "task.answer_refused")
        assert told.data["answer"] == json.loads(wrong)
        await client.answer(task_id, right)
        assert await client.result(task_id, wait=10) == expected


async def test_an_answer_that_is_none_is_told_as_an_event(
    client: Client, working: Working, seen: Any, eventually: Eventually
) -> None:
    async with working(asking(choices=["yes", "no"])):
        task_id = await client.submit("ask")
        await eventually(lambda: client.question(task_id))
        subject = f"{client.prefix}.answer.ask.{task_id}.1"
        await store(client.connection, subject, b'{"answer":"maybe","by":"bob"}')
        (told,) = await seen.named(task_id, "task.answer_refused")
    assert told.data == {"question": 1, "choices": ["yes", "no"], "answer": "maybe", "by": "bob"}


async def test_a_paused_agent_resumes_its_tasks_when_it_does(
    client: Client, working: Working, eventually: Eventually
) -> None:
    async with working(asking()) as worker:
        task_id = await client.submit("ask")
        await eventually(lambda: client.question(task_id))
        await steer(client.connection, client.prefix, "asks", "pause")
        await eventually(lambda: worker.lifecycle.state.name == "PAUSED")
        await client.answer(task_id, "late")
        with pytest.raises(TimeoutError):
            await client.result(task_id, wait=0.5)
        await steer(client.connection, client.prefix, "asks", "resume")
        assert await client.result(task_id, wait=10) == "late"


async def test_the_deadline_of_a_family_ends_what_runs_and_what_is_queued(
    client: Client, working: Working, eventually: Eventually
) -> None:
    agent, stopped, children = Agent("family"), asyncio.Event(), []

    @agent.task("long")
    async def long(_: None) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    @agent.task("parent", retries=0)
    async def parent(_: None, ctx: Context) -> Any:
        children[:] = [await ctx.submit("long"), await ctx.submit("later")]
        return await ctx.gather(*children)

    late, started = Agent("late"), []

    @late.task("later")
    async def later(_: None) -> None:
        started.append(1)

    async with working(agent):
        task_id = await client.submit("parent", timeout=1.0)
        with pytest.raises((DeadlineExceeded, ChildFailed)):
            await client.result(task_id, wait=15)
        await asyncio.wait_for(stopped.wait(), 10)
        with pytest.raises(DeadlineExceeded):
            await client.result(children[0], wait=10)
    async with working(late):
        with pytest.raises(DeadlineExceeded, match="was not started"):
            await client.result(children[1], wait=10)
    assert started == []


# --- what fails for good --------------------------------------------------------------------------


async def test_a_child_that_is_refused_at_the_door_fails_its_parent(
    client: Client, working: Working
) -> None:
    agent = Agent("family")

    @agent.task("child")
    async def child(n: int) -> int:
        return n

    @agent.task("parent", retries=0)
    async def parent(_: None, ctx: Context) -> Any:
        return await ctx.run("child", "no number")

    async with working(agent):
        with pytest.raises(ChildFailed) as failed:
            await client.run("parent", wait=15)
    assert isinstance(failed.value.__cause__, BadPayload)


async def test_a_task_that_kills_its_workers_after_a_resume_ends_as_a_crash_loop(
    client: Client,
    working: Working,
    seen: Any,
    eventually: Eventually,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    agent = Agent("family")

    @agent.task("child")
    async def child(_: str, ctx: Context) -> Any:
        return await ctx.ask("Well?")

    @agent.task("parent", retries=0)
    async def parent(_: None, ctx: Context) -> Any:
        return await ctx.run("child", "data", id="child-1")

    async with working(agent):
        task_id = await client.submit("parent")
        await eventually(lambda: client.question("child-1"))
    monkeypatch.setattr(consumers, "ACK_WAIT", 0.3)
    monkeypatch.setattr(consumers, "MAX_DELIVER", 2)
    resumed = consumers.resume_consumer(client.prefix, "child")
    stream = stream_name(client.prefix, "RESUME")
    await api(client.connection, f"CONSUMER.DELETE.{stream}.{resumed['name']}")
    create = {"stream_name": stream, "config": resumed}
    await api(client.connection, f"CONSUMER.DURABLE.CREATE.{stream}.{resumed['name']}", create)
    taken: list[asyncio.Task[None]] = []

    async def begin(delivery: Delivery) -> None:
        """What a worker does with a wake, before what it does kills it."""
        journal = Journal(client.connection, client.prefix, "child-1", "dying")
        await journal.read()
        await journal.claim(1 + delivery.deliveries, f"{delivery.stream}-{delivery.seq}")
        if delivery.deliveries == 1:
            wait = journal.history.open_wait
            assert wait is not None
            await journal.append(WaitedEntry(2, wait.n, now(), "answer"))

    def take(delivery: Delivery) -> None:
        taken.append(asyncio.create_task(begin(delivery), name="dying"))

    dying = Puller(client.connection, stream, resumed["name"], slots=9, on_delivery=take)
    rest = Agent("family")
    rest.tasks["parent"] = agent.tasks["parent"]
    async with dying, working(rest):
        await client.answer("child-1", "go on and die")
        with pytest.raises(CrashLoop, match="delivered 2 times"):
            await client.result("child-1", wait=20)
        with pytest.raises(ChildFailed) as failed:
            await client.result(task_id, wait=20)
        await asyncio.gather(*taken)
    assert isinstance(failed.value.__cause__, CrashLoop)
    filed = await seen.letter("child")
    assert (filed.letter.task_id, filed.letter.body) == ("child-1", '"data"')
    (told,) = await seen.named("child-1", "task.failed")
    assert told.data["code"] == "crash_loop"
    # What is replayed tells nobody: who waited for it has gone on.
    again = await client.dead_letters.replay(filed)
    async with working(agent):
        question = await eventually(lambda: client.question(again))
    assert question.task_id == again
