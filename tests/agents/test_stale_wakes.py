"""Wakes that come when the task does not wait any more."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any

import pytest

from pepperpy import Agent, Client, Context
from pepperpy_bus.tasks.journal import Journal
from pepperpy_bus.tasks.waits import wake
from pepperpy_schemas.messages import ClaimEntry, JournalEntry, Resume, WaitedEntry

Working = Callable[..., contextlib.AbstractAsyncContextManager[Any]]


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
