"""Wakes that come when the task does not wait any more."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from pepperpy import Agent, Client, Context
from pepperpy_agents import resuming
from pepperpy_agents.pauses import AHEAD, LONGEST, pause
from pepperpy_bus.streams.consumers import MAX_DELIVER
from pepperpy_bus.streams.delivery import Delivery
from pepperpy_bus.streams.jetstream import api
from pepperpy_bus.tasks import wakes
from pepperpy_bus.tasks.journal import Journal
from pepperpy_bus.tasks.wakes import wake
from pepperpy_schemas.messages import ClaimEntry, JournalEntry, Resume, WaitedEntry
from pepperpy_schemas.subjects import stream_name

Working = Callable[..., contextlib.AbstractAsyncContextManager[Any]]
Eventually = Callable[..., Awaitable[Any]]


async def test_a_wake_that_meets_a_running_attempt_does_not_hold_up_the_next_one(
    client: Client, working: Working, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = Agent("parents")
    append, looked, went_on = Journal.append, asyncio.Event(), asyncio.Event()

    @agent.task("child")
    async def child(seconds: float) -> float:
        await asyncio.sleep(seconds)
        return seconds

    @agent.task("parent")
    async def parent(_: None, ctx: Context) -> list[float]:
        one = await ctx.submit("child", 0.0)
        await client.ended(one, wait=5)
        first = await ctx.gather(one)  # over before it began: the attempt is not left
        return [*first, *await ctx.gather(await ctx.submit("child", 0.3))]

    async def interleaved(journal: Journal, entry: JournalEntry) -> None:
        """The wake reads the journal between a wait and its end, and claims the task after it."""
        if isinstance(entry, WaitedEntry) and entry.attempt == 1:
            at = {"topic": "parent", "task_id": "p"}
            await wake(client.connection, client.prefix, **at, resume=Resume("child"))
            await looked.wait()
            await append(journal, entry)
            went_on.set()
            return
        if isinstance(entry, ClaimEntry):
            looked.set()
            await went_on.wait()
        await append(journal, entry)

    monkeypatch.setattr(Journal, "append", interleaved)
    async with working(agent):
        began = time.monotonic()
        assert await client.run("parent", id="p", wait=40) == [0.0, 0.3]
    assert time.monotonic() - began < 10


async def in_hand(client: Client, suffix: str, consumer: str) -> int:
    name = f"CONSUMER.INFO.{stream_name(client.prefix, suffix)}.{consumer}"
    return int((await api(client.connection, name))["num_ack_pending"])


async def test_a_wake_in_vain_does_not_hide_the_wait_that_began_while_it_was_in_hand(
    client: Client, working: Working, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What meets the wake in hand gives up at once: it is in hand for longer than anybody tries.
    monkeypatch.setattr(wakes, "_TRIES", 1)
    came_too_early, agent = resuming._came_too_early, Agent("parents")
    looked, held, waits = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def standing_still(journal: Journal, delivery: Delivery) -> bool:
        early = await came_too_early(journal, delivery)
        looked.set()
        await held.wait()
        return early

    monkeypatch.setattr(resuming, "_came_too_early", standing_still)

    @agent.task("child")
    async def child(_: None) -> int:
        await waits.wait()
        return 1

    @agent.task("parent")
    async def parent(_: None, ctx: Context) -> Any:
        one = await ctx.submit("child")
        at = {"topic": "parent", "task_id": "p"}
        await wake(client.connection, client.prefix, **at, resume=Resume("check"))
        await looked.wait()
        return await ctx.gather(one)

    async def all_is_told() -> bool:
        return not await in_hand(client, "TASKS", "w_child")

    async with working(agent):
        began = time.monotonic()
        await client.submit("parent", id="p")
        await looked.wait()

        async def parked() -> bool:
            return not await in_hand(client, "TASKS", "w_parent")

        await eventually(parked)
        waits.set()
        await eventually(all_is_told)
        held.set()
        assert await client.result("p", wait=40) == [1]
    assert time.monotonic() - began < 20


async def test_a_wake_whose_attempt_has_lost_its_task_is_soon_looked_at_again(
    client: Client, working: Working, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent, append = Agent("parents"), Journal.append
    fenced: list[int] = []

    @agent.task("flaky", retries=1, retry_delay=0.01)
    async def flaky(_: None, ctx: Context) -> Any:
        answer = await ctx.ask("Well?")
        if not fenced:
            raise ValueError("the next attempt begins on the same wake, whose wait is over")
        return answer

    async def robbed(journal: Journal, entry: JournalEntry) -> None:
        if isinstance(entry, ClaimEntry) and entry.attempt == 3 and not fenced:
            fenced.append(entry.attempt)
            thief = Journal(client.connection, client.prefix, "f", "thief")
            await thief.read()
            await append(thief, msgspec.structs.replace(entry, attempt=2))
        await append(journal, entry)

    monkeypatch.setattr(Journal, "append", robbed)
    async with working(agent):
        began = time.monotonic()
        await client.submit("flaky", id="f")
        await eventually(lambda: client.question("f"))
        await client.answer("f", "fine")
        assert await client.result("f", wait=40) == "fine"
    assert fenced == [3]
    assert time.monotonic() - began < 20


def test_a_replica_that_is_behind_for_ten_minutes_costs_no_task_its_deliveries() -> None:
    pauses = [pause(one, AHEAD) for one in range(1, MAX_DELIVER)]
    assert pauses[:4] == [0.2, 0.4, 0.8, 1.6]
    assert max(pauses) == LONGEST
    assert sum(pauses) > 600
