"""The story of a task, from whatever is left of it."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from pepperpy import Agent, Client, Context, connect
from pepperpy.stack.broker import Broker
from pepperpy_bus.events import Heard
from pepperpy_bus.streams.jetstream import purge, store
from pepperpy_bus.tasks.evidence import Evidence
from pepperpy_bus.tasks.explanation import Explanation
from pepperpy_bus.tasks.history import History
from pepperpy_bus.tasks.journal import Journal
from pepperpy_bus.tasks.telling import tell
from pepperpy_schemas.catalog.tasks import RESULT
from pepperpy_schemas.errors import BadName, NotFound
from pepperpy_schemas.messages import Event, WaitEntry
from pepperpy_schemas.states import TaskState
from pepperpy_schemas.subjects import stream_name

Working = Callable[..., contextlib.AbstractAsyncContextManager[Any]]
Eventually = Callable[..., Awaitable[Any]]


def kinds(story: Explanation) -> list[str]:
    return [moment.what for moment in story.timeline()]


async def forget(client: Client, *suffixes: str) -> None:
    for suffix in suffixes:
        await purge(client.connection, stream_name(client.prefix, suffix), ">")


class Office:
    """An agent whose report fails once, does steps, asks and has a child."""

    def __init__(self) -> None:
        self.agent = Agent("office")
        self.parent_waits = asyncio.Event()
        self.agent.task("child")(self.child)
        self.agent.task("report", retries=1, retry_delay=0.01)(self.report)

    async def child(self, n: int, ctx: Context) -> int:
        await self.parent_waits.wait()
        return int(await ctx.step("double", lambda: n * 2))

    async def report(self, about: str, ctx: Context) -> str:
        text = await ctx.step("fetch", lambda: f"{about}!")
        await ctx.emit("llm.called", tokens=120, usd=0.5)
        if ctx.attempt == 1:
            raise ValueError("no luck")
        doubled = await ctx.run("child", 4)
        answer = await ctx.ask("Publish?", choices=["yes", "no"])
        return f"{text} {doubled} {answer}"

    async def reported(self, client: Client, eventually: Eventually) -> str:
        """A report that has come to its end by way of four attempts."""
        task_id = await client.submit("report", "otters", timeout="10m")

        async def waits() -> bool:
            return bool((await client.explain(task_id)).waits)

        await eventually(waits)
        self.parent_waits.set()
        await eventually(lambda: client.question(task_id))
        await client.answer(task_id, "yes", by="ana")
        assert await client.result(task_id, wait=10) == "otters! 8 yes"
        return task_id


@pytest.fixture
def office() -> Office:
    return Office()


async def test_everything_is_told_in_order(
    broker: Broker, prefix: str, client: Client, working: Working, eventually: Eventually,
    office: Office,
) -> None:  # fmt: skip
    async with (
        working(office.agent) as worker,
        connect(broker.url, bus__prefix=prefix, source="cli/ana") as ana,
    ):
        task_id = await office.reported(ana, eventually)
        story = await eventually(lambda: _complete(client, task_id))
    assert (story.id, story.state, story.topic) == (task_id, "completed", "report")
    assert (story.source, story.data) == ("cli/ana", "otters! 8 yes")
    assert (story.deadline - story.submitted).total_seconds() == 600
    first, second, third, fourth = story.attempts
    instance = f"office/{worker.instance}"
    assert {one.instance for one in story.attempts} == {instance}
    assert (first.end, first.error.message) == ("failed", "ValueError: no luck")
    assert first.again_after is not None
    assert [one.end for one in story.attempts[1:]] == ["suspended", "suspended", "completed"]
    assert all(one.seconds is not None for one in (first, second, third, fourth))
    (step,) = story.steps
    assert (step.n, step.name, step.attempt, step.size) == (1, "fetch", 1, len('"otters!"'))
    (child,) = story.children
    assert (child.topic, child.state, child.explanation) == ("child", "completed", None)
    children, question = story.waits
    assert (children.what, children.how, children.children) == ("children", "children", [child.id])
    assert (question.text, question.answer, question.by) == ("Publish?", "yes", "ana")
    assert question.seconds > 0
    assert story.cost == {"tokens": 480, "usd": 2.0}
    assert [one.name for one in story.happenings] == ["llm.called"] * 4
    told = kinds(story)
    assert (told[0], told[1], told[-1]) == ("submitted", "started", "ended")
    assert told.index("step") < told.index("child") < told.index("waits") < told.index("waited")
    assert story.seconds >= question.seconds


async def _complete(client: Client, task_id: str) -> Explanation | None:
    """The story when the last event, which follows the result, has come."""
    story = await client.explain(task_id)
    return story if len(story.happenings) == 4 and story.attempts[-1].seconds else None


async def test_children_are_told_with_theirs(
    client: Client, working: Working, eventually: Eventually, office: Office
) -> None:
    async with working(office.agent):
        task_id = await office.reported(client, eventually)
    (child,) = (await client.explain(task_id, children=True)).children
    assert child.explanation is not None
    assert (child.explanation.parent, child.explanation.root) == (task_id, task_id)
    assert [one.name for one in child.explanation.steps] == ["double"]


async def test_journal_and_result_tell_the_same_when_the_events_have_expired(
    client: Client, working: Working, eventually: Eventually, office: Office
) -> None:
    async with working(office.agent):
        task_id = await office.reported(client, eventually)
        await eventually(lambda: _complete(client, task_id))
    await forget(client, "EVENTS")
    story = await client.explain(task_id)
    assert story.state == "completed"
    assert [one.end for one in story.attempts] == ["failed", "suspended", "suspended", "completed"]
    assert all(one.seconds is not None for one in story.attempts)
    assert story.attempts[0].error.message == "ValueError: no luck"
    assert [one.what for one in story.waits] == ["children", "answer"]
    assert (story.cost, story.happenings) == ({}, [])
    await forget(client, "STEPS")
    bare = await client.explain(task_id)
    assert (bare.state, bare.topic, bare.data) == ("completed", "report", "otters! 8 yes")
    assert [one.number for one in bare.attempts] == [4]
    assert bare.ended == story.ended


async def test_a_task_without_steps_is_told_by_its_events(
    broker: Broker, prefix: str, client: Client, working: Working, eventually: Eventually
) -> None:
    agent = Agent("plain")

    @agent.task("plain")
    async def plain(n: int) -> int:
        return n

    async with (
        working(agent) as worker,
        connect(broker.url, bus__prefix=prefix, source="cli/ben") as ben,
    ):
        task_id = await ben.submit("plain", 1)
        await ben.ended(task_id, wait=10)

        async def told() -> Explanation | None:
            story = await client.explain(task_id)
            return story if story.submitted is not None else None

        story = await eventually(told)
    (attempt,) = story.attempts
    assert (attempt.instance, attempt.end) == (f"plain/{worker.instance}", "completed")
    assert story.source == "cli/ben"
    assert story.submitted <= attempt.started <= story.ended


async def test_a_failed_task_names_its_dead_letter_and_lives_on_in_it(
    client: Client, working: Working
) -> None:
    agent = Agent("broken")

    @agent.task("broken", retries=1, retry_delay=0.01)
    async def broken(_: None) -> None:
        raise ValueError("always")

    async with working(agent):
        task_id = await client.submit("broken")
        await client.ended(task_id, wait=10)
    (filed,) = [one async for one in client.dead_letters.find()]
    story = await client.explain(task_id)
    assert (story.state, story.letter) == ("failed", filed.seq)
    assert [one.error.message for one in story.attempts] == ["ValueError: always"] * 2
    assert story.error.code == "handler_error"
    await forget(client, "EVENTS", "RESULTS", "STEPS")
    with pytest.raises(NotFound):  # a letter alone is found by its number, not by the task's id
        await client.explain(task_id)


async def test_each_place_of_a_task_has_its_state(
    client: Client, working: Working, eventually: Eventually
) -> None:
    agent = Agent("places")

    @agent.task("asks")
    async def asks(_: None, ctx: Context) -> Any:
        return await ctx.ask("Well?")

    @agent.task("sleeps")
    async def sleeps(_: None, ctx: Context) -> None:
        await ctx.sleep("1h")

    queued = await client.submit("nobody")
    keyed = await client.submit("nobody", key="k1")
    later = await client.submit("nobody", delay="1h")
    assert [await client.task_state(one) for one in (queued, keyed, later)] == ["submitted"] * 3
    story = await client.explain(later)
    assert story.due is not None
    assert story.submitted is not None
    async with working(agent):
        asking, sleeping = await client.submit("asks"), await client.submit("sleeps")
        await eventually(lambda: client.question(asking))
        assert await client.task_state(asking) == "input-required"

        async def waits() -> bool:
            return bool((await client.explain(sleeping)).waits)

        await eventually(waits)
        assert await client.task_state(sleeping) == "working"
        await client.answer(asking, 1)
        await client.ended(asking, wait=10)
        assert await client.task_state(asking) == "completed"
        await client.cancel(sleeping)
        assert await client.task_state(sleeping) == "canceled"
        story = await client.explain(sleeping)
        assert [one.end for one in story.attempts] == ["suspended"]


async def test_a_bare_task_and_a_foreign_worker_have_a_story_too(client: Client) -> None:
    subject = f"{client.prefix}.task.foreign"
    ack = await store(client.connection, subject, b'"hi"', headers={"Pp-Source": "bash"})
    task_id = f"{ack.stream}-{ack.seq}"
    story = await client.explain(task_id)
    assert (story.state, story.topic, story.source) == ("submitted", "foreign", "bash")
    await store(client.connection, RESULT.of(client.prefix, id=task_id), b'{"ok":true,"data":7}')
    await forget(client, "TASKS")
    story = await client.explain(task_id)
    assert (story.state, story.data, story.attempts) == ("completed", 7, [])
    assert story.ended is not None
    assert kinds(story) == ["ended"]


async def test_what_is_not_known_is_an_error_and_a_schedule_is_no_task(client: Client) -> None:
    for ask in (client.explain, client.task_state, client.rerun):
        with pytest.raises(NotFound, match="no task never"):
            await ask("never")
    with pytest.raises(BadName):
        await client.explain("a.b")
    schedule = await client.submit("later", every="1h")
    with pytest.raises(NotFound, match="no task but a schedule") as refused:
        await client.explain(schedule)
    assert f"pepperpy schedules show {schedule}" in refused.value.hint


async def test_an_explanation_costs_a_handful_of_requests(
    client: Client, working: Working, eventually: Eventually, office: Office
) -> None:
    async with working(office.agent):
        task_id = await office.reported(client, eventually)
    connection, asked = client.connection, []
    request, request_many = connection.request, connection.request_many

    def counted(subject: str, *args: Any, **kwargs: Any) -> Any:
        asked.append(subject)
        return request(subject, *args, **kwargs)

    def counted_many(subject: str, *args: Any, **kwargs: Any) -> Any:
        asked.append(subject)
        return request_many(subject, *args, **kwargs)

    connection.request, connection.request_many = counted, counted_many
    try:
        await client.explain(task_id)
        assert len(asked) <= 9, asked
        asked.clear()
        await client.task_state(task_id)
        assert len(asked) == 1
    finally:
        connection.request, connection.request_many = request, request_many


async def test_an_attempt_whose_worker_died_is_told_as_lost(
    client: Client, working: Working
) -> None:
    task_id = await client.submit("crash", None)
    journal = Journal(client.connection, client.prefix, task_id, "dead/worker")
    await journal.claim(1)
    other = Journal(client.connection, client.prefix, task_id, "next/worker")
    await other.read()
    await other.claim(2)
    story = await client.explain(task_id)
    assert [(one.instance, one.end) for one in story.attempts] == [
        ("dead/worker", "lost"),
        ("next/worker", ""),
    ]
    assert story.state == "working"


async def test_events_alone_tell_of_a_task_and_those_of_an_agent_do_not(
    client: Client, eventually: Eventually
) -> None:
    async with client.emitter() as emitter:
        await emitter.emit("task", "submitted", scope="far", id="sent")
        await emitter.emit("task", "progress", scope="far", id="begun", attempt=1)
        await emitter.emit("task", "completed", scope="far", id="over", attempt=1)
        await emitter.emit("agent", "started", scope="support", id="support")
    states = {"sent": "submitted", "begun": "working", "over": "completed"}
    for task_id, state in states.items():

        async def told(task_id: str = task_id, state: str = state) -> bool:
            with contextlib.suppress(NotFound):
                return await client.task_state(task_id) == state
            return False

        await eventually(told)
    with pytest.raises(NotFound):
        await client.explain("support")


def test_a_worker_whose_clock_is_ahead_begins_before_it_asks() -> None:
    stored, by_its_clock = (datetime(2026, 1, 1, 9, 0, second, tzinfo=UTC) for second in (1, 3))
    asks = WaitEntry(1, 1, "answer", stored, question=1, text="Publish?")
    begun = Heard("task", "started", "report", "a", Event("e", by_its_clock, attempt=1))
    story = tell(
        Evidence(task_id="a", history=History([asks]), events=[begun]), TaskState.INPUT_REQUIRED
    )
    assert kinds(story) == ["started", "waits", "attempt_ended"]
    (attempt,) = story.attempts
    assert (attempt.started, attempt.ended, attempt.seconds) == (stored, stored, 0.0)


async def test_a_task_that_waited_longer_than_time_is_told_too(
    client: Client, eventually: Eventually
) -> None:
    async with client.emitter() as emitter:
        await emitter.emit(
            "task", "started", scope="far", id="old", attempt=1, data={"queued_ms": 1e300}
        )

    async def told() -> Explanation | None:
        with contextlib.suppress(NotFound):
            return await client.explain("old")
        return None

    story = await eventually(told)
    assert story.began == story.attempts[0].started
