"""What kills its workers ends all the same: with a failed result and a dead letter."""

import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from pepperpy import Agent, Client, Context
from pepperpy_bus.streams import consumers
from pepperpy_bus.streams.delivery import Delivery
from pepperpy_bus.streams.jetstream import api
from pepperpy_bus.streams.provision import ensure_topic
from pepperpy_bus.streams.pull import Puller
from pepperpy_bus.tasks.deadletters import DeadLetters
from pepperpy_schemas.errors import CrashLoop
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
