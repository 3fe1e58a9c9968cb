"""What kills its workers ends all the same: with a failed result and a dead letter."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from pepperpy import Agent, Client, Context
from pepperpy_agents import resuming
from pepperpy_bus.streams import consumers
from pepperpy_bus.streams.delivery import Delivery
from pepperpy_bus.streams.jetstream import api
from pepperpy_bus.streams.provision import ensure_topic
from pepperpy_bus.streams.pull import Puller
from pepperpy_bus.tasks.deadletters import DeadLetters
from pepperpy_bus.tasks.history import History
from pepperpy_bus.tasks.journal import Journal
from pepperpy_schemas.errors import CrashLoop, HandlerError
from pepperpy_schemas.messages import DeadLetter, Result
from pepperpy_schemas.subjects import stream_name

Working = Callable[..., contextlib.AbstractAsyncContextManager[Any]]
Eventually = Callable[..., Awaitable[Any]]


async def queued(client: Client, suffix: str) -> int:
    name = stream_name(client.prefix, suffix)
    return int((await api(client.connection, f"STREAM.INFO.{name}"))["state"]["messages"])


@pytest.mark.parametrize("priority", ["normal", "high"])
async def test_a_task_that_is_never_finished_ends_as_a_crash_loop(
    client: Client,
    working: Working,
    eventually: Eventually,
    monkeypatch: pytest.MonkeyPatch,
    priority: str,
) -> None:
    monkeypatch.setattr(consumers, "ACK_WAIT", 0.3)
    monkeypatch.setattr(consumers, "MAX_DELIVER", 2)
    await ensure_topic(client.connection, client.prefix, "poison")
    taken: list[Delivery] = []
    consumer = "w_poison-hi" if priority == "high" else "w_poison"
    stream = stream_name(client.prefix, "TASKS")
    dying = Puller(client.connection, stream, consumer, slots=9, on_delivery=taken.append)
    async with dying, working(Agent("bystander")):
        task_id = await client.submit("poison", {"n": 1}, priority=priority)
        with pytest.raises(CrashLoop, match="delivered 2 times"):
            await client.result(task_id, wait="20s")

        async def gone() -> bool:
            return not await queued(client, "TASKS") and not await queued(client, "ADV")

        await eventually(gone)
    assert len(taken) == 2
    [filed] = [one async for one in client.dead_letters.find()]
    assert (filed.letter.reason, filed.letter.topic) == ("crash_loop", "poison")
    assert filed.letter.deliveries == 2
    assert filed.letter.body == '{"n":1}'


async def test_a_task_that_ended_meanwhile_only_leaves_the_queue(
    client: Client, working: Working, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "ACK_WAIT", 0.3)
    monkeypatch.setattr(consumers, "MAX_DELIVER", 1)
    await ensure_topic(client.connection, client.prefix, "slow")
    stream = stream_name(client.prefix, "TASKS")
    taken: list[Delivery] = []
    async with Puller(client.connection, stream, "w_slow", slots=1, on_delivery=taken.append):
        task_id = await client.submit("slow", 1)
        await eventually(lambda: len(taken) == 1)
        await client.results.put(task_id, Result(ok=True), attempt=1)
        async with working(Agent("bystander")):

            async def gone() -> bool:
                return not await queued(client, "TASKS") and not await queued(client, "ADV")

            await eventually(gone)
    assert await client.result(task_id) is None
    assert [one async for one in client.dead_letters.find()] == []


async def test_a_task_that_ends_well_while_it_is_given_up_leaves_no_dead_letter(
    client: Client, working: Working, eventually: Eventually
) -> None:
    agent = Agent("late")

    @agent.task("late", retries=0)
    async def late(n: int, ctx: Context) -> None:
        # What another attempt does meanwhile, in a worker that was taken for dead.
        await client.results.put(ctx.task_id, Result(ok=True), attempt=ctx.attempt + 1)
        raise ValueError("the letter of this attempt is filed first")

    async with working(agent):
        task_id = await client.submit("late", 1)
        assert await client.result(task_id, wait=5) is None

        async def settled() -> bool:
            return not await queued(client, "TASKS")

        await eventually(settled)
    stream = stream_name(client.prefix, "DLQ")
    state = (await api(client.connection, f"STREAM.INFO.{stream}"))["state"]
    assert (state["last_seq"], state["messages"]) == (1, 0)


async def test_a_task_that_ends_well_while_its_crash_loop_is_filed_leaves_no_dead_letter(
    client: Client, working: Working, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "ACK_WAIT", 0.3)
    monkeypatch.setattr(consumers, "MAX_DELIVER", 1)
    put = DeadLetters.put

    async def put_late(letters: DeadLetters, letter: DeadLetter) -> int:
        seq = await put(letters, letter)
        await client.results.put(letter.task_id, Result(ok=True), attempt=1)
        return seq

    monkeypatch.setattr(DeadLetters, "put", put_late)
    await ensure_topic(client.connection, client.prefix, "slow")
    stream = stream_name(client.prefix, "TASKS")
    taken: list[Delivery] = []
    dying = Puller(client.connection, stream, "w_slow", slots=1, on_delivery=taken.append)
    async with dying, working(Agent("bystander")):
        await client.submit("slow", 1)

        async def gone() -> bool:
            return not await queued(client, "TASKS") and not await queued(client, "ADV")

        await eventually(gone, within=10.0)
    assert await queued(client, "DLQ") == 0
    assert [one async for one in client.dead_letters.find()] == []


# --- no crash loops -------------------------------------------------------------------------------


@pytest.fixture
def few_deliveries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumers, "MAX_DELIVER", 3)


@pytest.mark.parametrize("options", [{}, {"key": "otter"}], ids=["plain", "keyed"])
async def test_more_retries_than_deliveries_are_kept(
    client: Client, working: Working, few_deliveries: None, options: dict[str, Any]
) -> None:
    agent, attempts = Agent("flaky"), list[int]()
    steps: list[int] = []

    @agent.task("flaky", retries=12, retry_delay=0.01)
    async def flaky(_: None, ctx: Context) -> int:
        attempts.append(ctx.attempt)
        await ctx.step("once", steps.append, ctx.attempt)
        if len(attempts) <= 10:
            raise RuntimeError("not yet")
        return len(attempts)

    async with working(agent):
        assert await client.run("flaky", wait=30, **options) == 11
        # The next of the key is not kept back.
        assert await client.run("flaky", wait=30, **options) == 12
    assert attempts == [*range(1, 12), 1]
    assert steps == [1, 1]
    assert [one async for one in client.dead_letters.find()] == []


async def test_retries_that_outlast_the_deliveries_end_with_the_last_error(
    client: Client, working: Working, few_deliveries: None
) -> None:
    agent = Agent("flaky")

    @agent.task("flaky", retries=7, retry_delay=0.01)
    async def flaky(_: None) -> None:
        raise RuntimeError("never")

    async with working(agent):
        with pytest.raises(HandlerError, match="never"):
            await client.run("flaky", wait=30)
    [filed] = [one async for one in client.dead_letters.find()]
    assert [one.attempt for one in filed.letter.attempts] == list(range(1, 9))


async def test_a_task_that_was_given_back_by_ever_so_many_stopping_workers_is_done(
    client: Client, working: Working, few_deliveries: None, eventually: Eventually
) -> None:
    agent, gone = Agent("slow"), asyncio.Event()

    @agent.task("slow")
    async def slow(_: None) -> str:
        await gone.wait()
        return "done"

    async with working(agent) as first:
        first.stop()
    taken: list[Delivery] = []
    stream = stream_name(client.prefix, "TASKS")
    task_id = await client.submit("slow")
    async with Puller(client.connection, stream, "w_slow", slots=9, on_delivery=taken.append):
        for count in (1, 2, 3):
            await eventually(lambda n=count: len(taken) == n)
            journal = Journal(client.connection, client.prefix, task_id, "stopping")
            await journal.read()
            await journal.released()
            await taken[-1].nak()
        gone.set()
        async with working(agent):
            assert await client.result(task_id, wait=30) == "done"


async def test_a_wake_that_nobody_could_look_at_wakes_the_task_all_the_same(
    client: Client,
    working: Working,
    few_deliveries: None,
    eventually: Eventually,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A replica that lacks the end of the journal says that the task waits for nothing."""
    agent, read, behind, reads = Agent("asks"), Journal.read, [False], list[int]()

    @agent.task("ask", retries=0)
    async def ask(_: None, ctx: Context) -> Any:
        return await ctx.ask("Well?")

    async def read_behind(journal: Journal) -> None:
        await read(journal)
        if behind[0] and journal._instance.startswith("asks/") and len(reads) < 3:
            reads.append(1)
            journal.history, journal._last = History(), 0

    monkeypatch.setattr(Journal, "read", read_behind)
    monkeypatch.setattr(resuming, "AHEAD", 0.01)
    async with working(agent):
        task_id = await client.submit("ask")
        await eventually(lambda: client.question(task_id))
        behind[0] = True
        await client.answer(task_id, "fine")
        assert await client.result(task_id, wait=30) == "fine"
    assert len(reads) == 3
    assert [one async for one in client.dead_letters.find()] == []
