"""What could cost a durable task its journal, its end, or a step that was done."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import msgspec
import pytest

from pepperpy import Agent, Client, Context, PepperError, connect
from pepperpy.stack.broker import Broker
from pepperpy_agents.durable.children import derived_id
from pepperpy_agents.worker import Worker, WorkerOptions
from pepperpy_bus.streams.blobs import Blobs
from pepperpy_bus.streams.jetstream import api, purge, store
from pepperpy_bus.tasks.journal import Journal
from pepperpy_bus.units import now
from pepperpy_schemas.catalog.tasks import RESULT, STEP, TASK
from pepperpy_schemas.errors import BadPayload
from pepperpy_schemas.headers import BLOB, ID
from pepperpy_schemas.messages import CheckpointEntry, InputEntry, ReleaseEntry, StepEntry
from pepperpy_schemas.subjects import stream_name
from tests.agents.conftest import Seen

Working = Callable[..., contextlib.AbstractAsyncContextManager[Any]]
Eventually = Callable[..., Awaitable[Any]]


async def journal_of(client: Client, task_id: str) -> Journal:
    journal = Journal(client.connection, client.prefix, task_id, "test")
    await journal.read()
    return journal


# --- what is written can be read ------------------------------------------------------------------


async def test_bytes_that_are_no_json_fail_the_step_and_leave_the_journal_readable(
    client: Client, working: Working
) -> None:
    agent = Agent("raw")

    @agent.task("raw", retries=1, retry_delay=0.01)
    async def raw(_: None, ctx: Context) -> Any:
        await ctx.step("fine", lambda: 1)
        return await ctx.step("fetch", lambda: b"\x89PNG")

    async with working(agent):
        task_id = await client.submit("raw")
        with pytest.raises(BadPayload):
            await client.result(task_id, wait=5)
    assert (await journal_of(client, task_id)).history.failures >= 1


async def test_bytes_that_a_handler_returns_and_are_no_json_fail_the_task(
    client: Client, working: Working
) -> None:
    agent = Agent("rawend")

    @agent.task("rawend", retries=0)
    async def rawend(_: None) -> bytes:
        return b"\x89PNG"

    async with working(agent):
        with pytest.raises(PepperError, match="JSON"):
            await client.run("rawend", wait=5)


async def test_what_stands_in_place_of_a_body_by_reference_need_not_be_json(
    client: Client, working: Working
) -> None:
    agent = Agent("byref")

    @agent.task("byref", retries=2, retry_delay=0.01)
    async def byref(text: str, ctx: Context) -> int:
        size: int = await ctx.step("size", lambda: len(text))
        if ctx.attempt == 1:
            raise ValueError("again")
        return size

    async with working(agent):
        reference = await Blobs(client.connection, client.prefix).put(b'"hello"')
        subject = TASK.of(client.prefix, topic="byref", id="foreign")
        await store(
            client.connection, subject, b"see there", msg_id="foreign", headers={BLOB: reference}
        )
        assert await client.result("foreign", wait=5) == 5


async def test_a_journal_of_more_than_ten_thousand_entries_is_read_to_its_end(
    client: Client,
) -> None:
    journal = await journal_of(client, "long")
    subject = STEP.of(client.prefix, id="long")
    entry = STEP.encode(ReleaseEntry("test", now()))
    for _ in range(10_000):
        await client.connection.publish(subject, entry)
    await store(client.connection, subject, entry, msg_id="last")
    await journal.read()
    await journal.claim(1)
    assert len(journal.history.entries) == 10_002


# --- ids that come again --------------------------------------------------------------------------


async def test_an_id_whose_result_has_expired_begins_anew_whatever_its_journal_says(
    client: Client, working: Working, eventually: Eventually
) -> None:
    agent = Agent("anew")
    done: list[str] = []

    @agent.task("anew", retries=0)
    async def anew(text: str, ctx: Context) -> str:
        kept: str = await ctx.step("keep", done.append, text) or text
        answer: str = await ctx.ask("Go on?") if text == "one" else "no need"
        return f"{kept}: {answer}"

    async with working(agent):
        await client.submit("anew", "one", id="daily")
        await eventually(lambda: client.question("daily"))
        await client.answer("daily", "yes")
        assert await client.result("daily", wait=10) == "one: yes"
        results, tasks = (stream_name(client.prefix, one) for one in ("RESULTS", "TASKS"))
        await purge(client.connection, results, RESULT.of(client.prefix, id="daily"))
        await eventually(lambda: is_empty(client, tasks))
        # As after the ten minutes that the server remembers ids.
        subject, headers = TASK.of(client.prefix, topic="anew", id="daily"), {ID: "daily"}
        await store(client.connection, subject, b'"two"', msg_id="later", headers=headers)
        assert await client.result("daily", wait=10) == "two: no need"
        # The answer to the first one is no answer to the third.
        await purge(client.connection, results, RESULT.of(client.prefix, id="daily"))
        await eventually(lambda: is_empty(client, tasks))
        await store(client.connection, subject, b'"one"', msg_id="last", headers=headers)
        question = await eventually(lambda: client.question("daily"))
        assert not question.answered
    assert done == ["one", "two", "one"]


async def test_a_second_message_of_a_task_that_waits_starts_nothing(
    client: Client, working: Working, eventually: Eventually
) -> None:
    agent = Agent("twice")
    begun: list[int] = []

    @agent.task("twice", retries=0)
    async def twice(_: None, ctx: Context) -> Any:
        begun.append(ctx.attempt)
        return await ctx.ask("Go on?")

    async with working(agent):
        await client.submit("twice", id="dear")
        await eventually(lambda: client.question("dear"))
        await eventually(lambda: is_empty(client, stream_name(client.prefix, "TASKS")))
        subject, headers = TASK.of(client.prefix, topic="twice", id="dear"), {ID: "dear"}
        await store(client.connection, subject, b"", msg_id="later", headers=headers)
        await eventually(lambda: is_empty(client, stream_name(client.prefix, "TASKS")))
        assert begun == [1]
        await client.answer("dear", 7)
        assert await client.result("dear", wait=10) == 7
    assert begun == [1, 2]


async def is_empty(client: Client, stream: str) -> bool:
    state = (await api(client.connection, f"STREAM.INFO.{stream}"))["state"]
    return int(state["messages"]) == 0


# --- who ends a task ------------------------------------------------------------------------------


async def test_an_attempt_that_lost_its_task_ends_nothing_whatever_its_handler_catches(
    client: Client, working: Working
) -> None:
    agent = Agent("fenced")

    @agent.task("fenced", retries=0)
    async def fenced(_: None, ctx: Context) -> str:
        await ctx.step("first", lambda: 1)
        if ctx.attempt == 1:
            thief = await journal_of(client, ctx.task_id)
            await thief.claim(2, "elsewhere")
        with contextlib.suppress(PepperError):
            await ctx.step("second", lambda: 2)
            return "done"
        return "no luck"

    async with working(agent):
        task_id = await client.submit("fenced")
        with pytest.raises(TimeoutError):
            await client.result(task_id, wait=0.7)


# --- waiting --------------------------------------------------------------------------------------


async def test_each_reminder_is_told_however_soon_it_follows_the_last(
    client: Client, working: Working, seen: Any, eventually: Eventually
) -> None:
    agent = Agent("nag")

    @agent.task("nag")
    async def nag(_: None, ctx: Context) -> Any:
        return await ctx.ask("Well?", remind="500ms")

    async with working(agent):
        task_id = await client.submit("nag")
        told = await seen.named(task_id, "task.input_required", 4)
        assert [one.data.get("reminder", False) for one in told][:4] == [False, True, True, True]
        await client.answer(task_id, 1)
        assert await client.result(task_id, wait=10) == 1


async def test_the_first_of_no_children_is_none(client: Client, working: Working) -> None:
    agent = Agent("none")

    @agent.task("none")
    async def none(_: None, ctx: Context) -> Any:
        return await ctx.first()

    async with working(agent):
        assert await client.run("none", wait=5) == {}


async def test_a_child_whose_result_expires_while_another_still_runs_is_not_forgotten(
    client: Client, broker: Broker, eventually: Eventually
) -> None:
    agent = Agent("long")

    @agent.task("child")
    async def child(name: str, ctx: Context) -> Any:
        return await ctx.ask(name) if name else "quick"

    @agent.task("parent")
    async def parent(_: None, ctx: Context) -> Any:
        return await ctx.gather(*[await ctx.submit("child", one) for one in ("", "a", "b")])

    async with connect(broker.url, bus__prefix=client.prefix, bus__result_ttl="1s") as own:
        worker = Worker(agent, own, WorkerOptions())
        running = asyncio.create_task(worker.run(), name="worker")
        task_id = await client.submit("parent")
        children = [derived_id(task_id, n) for n in (1, 2, 3)]
        for one in children[1:]:
            await eventually(partial(client.question, one))
        await client.result(children[0], wait=5)
        wait = (await journal_of(client, task_id)).history.open_wait
        assert wait is not None
        # A quarter of the time that results are kept.
        await eventually(lambda: (now() - wait.ts).total_seconds() > 0.4)
        await client.answer(children[1], "one")
        await eventually(partial(knows, client, task_id, children[:2]))
        results = stream_name(client.prefix, "RESULTS")
        await purge(client.connection, results, RESULT.pattern(client.prefix))
        await client.answer(children[2], "two")
        assert await client.result(task_id, wait=10) == ["quick", "one", "two"]
        worker.stop()
        await running


async def knows(client: Client, task_id: str, children: list[str]) -> bool:
    return set(children) <= set((await journal_of(client, task_id)).history.ends)


# --- journals of long waits -----------------------------------------------------------------------


async def test_a_journal_too_large_for_one_message_is_renewed_in_several(client: Client) -> None:
    journal = await journal_of(client, "huge")
    text = msgspec.Raw(b'"%s"' % (b"x" * 300_000))
    for n in range(1, 6):
        await journal.append(StepEntry(1, n, f"s{n}", now(), text))
    await journal.claim(2)
    await journal.renew()
    renewed = await journal_of(client, "huge")
    assert renewed.history.entries == journal.history.entries
    assert len(renewed.history.entries) == 6
    # One that its writer did not finish counts for nothing, and does not disturb the next.
    await renewed.append(CheckpointEntry([], renews=True, left=2))
    assert (await journal_of(client, "huge")).history.last_place == 5
    again = await journal_of(client, "huge")
    await again.renew()
    await again.claim(3)
    assert (await journal_of(client, "huge")).history.last_attempt == 3


async def test_what_a_journal_refers_to_is_renewed_with_it(client: Client) -> None:
    journal, blobs = await journal_of(client, "blobs"), Blobs(client.connection, client.prefix)
    mine, given = await blobs.put(b'"step"'), await blobs.put(b'"input"')
    await journal.append(
        InputEntry("topic", msgspec.Raw(b"null"), {BLOB.lower(): given}, "", now())
    )
    await journal.append(StepEntry(1, 1, "s", now(), blob=mine))
    await journal.renew()
    for one in (mine, given):
        await blobs.delete(one)
    first, second = (await journal_of(client, "blobs")).history.entries
    assert isinstance(first, InputEntry)
    assert isinstance(second, StepEntry)
    assert await blobs.get(first.headers[BLOB.lower()]) == b'"input"'
    assert await blobs.get(second.blob) == b'"step"'


async def test_a_journal_that_was_read_too_early_knows_that_it_is_behind(client: Client) -> None:
    reader, writer = await journal_of(client, "late"), await journal_of(client, "late")
    assert not await reader.is_behind()
    await writer.claim(1)
    assert await reader.is_behind()
    assert not await writer.is_behind()


# --- branches of a handler ------------------------------------------------------------------------


async def test_a_step_beside_a_question_is_finished_and_not_done_again(
    client: Client, working: Working, eventually: Eventually
) -> None:
    agent = Agent("beside")
    done: list[str] = []

    async def slow(name: str) -> str:
        await asyncio.sleep(0.05)
        done.append(name)
        return name

    async def two(ctx: Context) -> list[str]:
        return [await ctx.step("one", slow, "one"), await ctx.step("two", slow, "two")]

    @agent.task("gathered", retries=0)
    async def gathered(_: None, ctx: Context) -> Any:
        return await asyncio.gather(two(ctx), ctx.ask("Well?"))

    @agent.task("grouped", retries=0)
    async def grouped(_: None, ctx: Context) -> Any:
        async with asyncio.TaskGroup() as group:
            steps = group.create_task(two(ctx))
            asked = group.create_task(ctx.ask("Well?"))
        return [steps.result(), asked.result()]

    async with working(agent):
        for topic in ("gathered", "grouped"):
            done.clear()
            task_id = await client.submit(topic)
            await eventually(partial(client.question, task_id))
            assert done == ["one", "two"]
            await client.answer(task_id, "yes")
            assert await client.result(task_id, wait=10) == [["one", "two"], "yes"]
            assert done == ["one", "two"]


async def test_a_step_beside_one_that_fails_is_finished_and_not_done_again(
    client: Client, working: Working
) -> None:
    agent = Agent("fails")
    done: list[str] = []

    async def slow() -> str:
        await asyncio.sleep(0.1)
        done.append("slow")
        return "slow"

    async def fails(attempt: int) -> str:
        if attempt == 1:
            raise ValueError("not yet")
        return "fast"

    @agent.task("fails", retries=1, retry_delay=0.01)
    async def both(_: None, ctx: Context) -> Any:
        return await asyncio.gather(ctx.step("a", fails, ctx.attempt), ctx.step("b", slow))

    async with working(agent):
        assert await client.run("fails", wait=10) == ["fast", "slow"]
    assert done == ["slow"]


async def test_a_step_in_a_step_is_refused_at_once(client: Client, working: Working) -> None:
    agent = Agent("nested")

    @agent.task("nested", retries=0)
    async def nested(_: None, ctx: Context) -> Any:
        async def outer() -> Any:
            return await ctx.step("inner", lambda: 1)

        return await ctx.step("outer", outer)

    @agent.task("threaded", retries=0)
    def threaded(_: None, ctx: Any) -> Any:
        return ctx.step("outer", lambda: ctx.ask("Well?"))

    async with working(agent):
        for topic in ("nested", "threaded"):
            with pytest.raises(PepperError, match="a step's function uses"):
                await client.run(topic, wait=10)


async def test_branches_of_several_steps_find_their_places_again(
    client: Client, working: Working
) -> None:
    agent = Agent("branches")
    done: list[str] = []

    async def late(name: str, seconds: float) -> str:
        await asyncio.sleep(seconds)
        done.append(name)
        return name

    async def branch(ctx: Context, name: str, seconds: float) -> list[str]:
        return [await ctx.step(f"{name}{n}", late, f"{name}{n}", seconds) for n in range(4)]

    @agent.task("branches", retries=1, retry_delay=0.01)
    async def branches(_: None, ctx: Context) -> Any:
        found = await asyncio.gather(
            branch(ctx, "a", 0.05), branch(ctx, "b", 0.0), branch(ctx, "c", 0.03)
        )
        if ctx.attempt == 1:
            raise ValueError("again")
        return [one for names in found for one in names]

    async with working(agent):
        names = await client.run("branches", wait=10)
    assert names == [f"{name}{n}" for name in "abc" for n in range(4)]
    assert sorted(done) == names


async def test_a_child_is_done_once_though_the_server_has_forgotten_its_id(
    client: Client, working: Working, eventually: Eventually
) -> None:
    agent = Agent("forgotten")
    done: list[int] = []
    tasks = stream_name(client.prefix, "TASKS")

    @agent.task("little")
    async def little(n: int) -> int:
        done.append(n)
        return n

    @agent.task("parent", retries=1, retry_delay=0.3)
    async def parent(_: None, ctx: Context) -> Any:
        if ctx.attempt == 1:
            # As after a kill between the child's receipt and the journal's, and ten minutes.
            child = derived_id(ctx.task_id, 1)
            await client.send("little", child, b"1", {})
            await client.result(child, wait=5)
            await eventually(partial(holds, client, tasks, 1))
            raise ValueError("again")
        return await ctx.run("little", ctx.attempt)

    config = (await api(client.connection, f"STREAM.INFO.{tasks}"))["config"]
    brief = {**config, "duplicate_window": 100_000_000}
    await api(client.connection, f"STREAM.UPDATE.{tasks}", brief)
    async with working(agent):
        assert await client.run("parent", wait=10) == 1
    assert done == [1]


async def holds(client: Client, stream: str, count: int) -> bool:
    state = (await api(client.connection, f"STREAM.INFO.{stream}"))["state"]
    return int(state["messages"]) == count


@pytest.mark.parametrize("quick", [0, 1])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (0, 2, 1)])
async def test_of_several_branches_that_wait_each_hears_of_its_end_at_once(
    client: Client, working: Working, seen: Seen, order: tuple[int, ...], quick: int
) -> None:
    """What a branch hears while others wait must not be written behind their wait."""
    child, parent = Agent("child"), Agent("parent")
    gates = [asyncio.Event(), asyncio.Event()]

    @child.task("work", retries=0)
    async def work(n: int) -> int:
        if n == 2:
            raise ValueError("at once")
        await gates[n].wait()
        return n

    @parent.task("share")
    async def share(_: None, ctx: Context) -> list[Any]:
        asked = (ctx.run("work", n) for n in order)
        found = await asyncio.gather(*asked, return_exceptions=True)
        waiting = [one for one in found if not isinstance(one, int | Exception)]
        for one in waiting:
            raise one
        return [one if isinstance(one, int) else "failed" for one in found]

    async with working(child), working(parent):
        task_id = await client.submit("share")
        await seen.named(task_id, "task.suspended")
        # The first one is waited for; when it has ended, the other one is come to again.
        gates[quick].set()
        if quick == 0:
            await seen.named(task_id, "task.suspended", 2)
        gates[1 - quick].set()
        # Soon, and not by the look that is had after 30 s.
        answer = await client.result(task_id, wait="20s")
    assert answer == [n if n < 2 else "failed" for n in order]
