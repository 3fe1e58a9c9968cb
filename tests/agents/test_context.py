import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pepperpy import Agent, BlockingContext, Client, Context
from pepperpy_schemas.errors import BadName

Working = Callable[..., contextlib.AbstractAsyncContextManager[Any]]
Eventually = Callable[..., Awaitable[Any]]


async def test_progress_and_own_events_tell_whose_they_are(
    client: Client, working: Working, seen: Any
) -> None:
    agent = Agent("tells")

    @agent.task("tell")
    async def tell(data: None, ctx: Context) -> None:
        await ctx.progress(0.5, "half", pages=3)
        await ctx.progress(7)
        await ctx.progress(-1)
        await ctx.emit("invoice.found", number=17)

    async with working(agent):
        task_id = await client.submit("tell")
        await client.ended(task_id, wait=5)
    told = await seen.named(task_id, "task.progress", count=3)
    assert told[0].data == {"fraction": 0.5, "message": "half", "pages": 3}
    assert [one.data["fraction"] for one in told] == [0.5, 1.0, 0.0]
    (found,) = await seen.named(task_id, "invoice.found")
    assert (found.scope, found.data) == ("tell", {"number": 17})
    for one in (*told, found):
        assert one.event.correlation == task_id
        assert one.event.causation == task_id
        assert one.event.attempt == 1


@pytest.mark.parametrize("name", ["found", "found.", "a b.c", "a.b.c"])
async def test_an_event_has_an_entity_and_a_verb(
    client: Client, working: Working, name: str
) -> None:
    agent, raised = Agent("tells"), []

    @agent.task("tell")
    async def tell(data: None, ctx: Context) -> None:
        try:
            await ctx.emit(name)
        except BadName as error:
            raised.append(error)

    async with working(agent):
        await client.run("tell", wait=5)
    assert raised


async def test_a_family_of_tasks_shares_its_root(
    client: Client, working: Working, seen: Any
) -> None:
    agent = Agent("family")

    @agent.task("top")
    async def top(data: None, ctx: Context) -> list[str]:
        return [ctx.task_id, await ctx.submit("middle"), ctx.root, ctx.parent]

    @agent.task("middle")
    async def middle(data: None, ctx: Context) -> list[str]:
        return [ctx.task_id, await ctx.submit("leaf"), ctx.root, ctx.parent]

    @agent.task("leaf")
    async def leaf(data: None, ctx: Context) -> list[str]:
        return [ctx.task_id, "", ctx.root, ctx.parent]

    async with working(agent):
        first = await client.run("top", wait=5)
        second = await client.result(first[1], wait=5)
        third = await client.result(second[1], wait=5)
        told = {
            one[0]: await seen.named(one[0], "task.completed") for one in (first, second, third)
        }
    top_id, middle_id = first[0], second[0]
    assert first[2:] == [top_id, ""]
    assert second[2:] == [top_id, top_id]
    assert third[2:] == [top_id, middle_id]
    for one, parent in ((first, top_id), (second, top_id), (third, middle_id)):
        for event in told[one[0]] + await seen.named(one[0], "task.started"):
            assert event.event.correlation == top_id
            assert event.event.causation == parent


async def test_a_context_says_what_is_known_of_the_task(client: Client, working: Working) -> None:
    agent, contexts = Agent("ctx"), []

    @agent.task("ctx")
    async def keep(data: None, ctx: Context) -> None:
        contexts.append(ctx)

    async with working(agent):
        before = datetime.now(UTC)
        task_id = await client.submit("ctx", timeout="1m", headers={"X-Mine": "yes"})
        await client.ended(task_id, wait=5)
        other = await client.submit("ctx")
        await client.ended(other, wait=5)
    first, second = contexts
    assert first.deadline is not None
    assert (first.task_id, first.topic, first.attempt) == (task_id, "ctx", 1)
    assert first.headers["x-mine"] == "yes"
    assert timedelta(seconds=58) < first.deadline - before < timedelta(seconds=62)
    assert second.deadline is None


async def test_a_thread_has_the_same_context_and_waits_for_each_call(
    client: Client, working: Working, seen: Any
) -> None:
    agent = Agent("threads")

    @agent.task("blocking")
    def blocking(data: str, ctx: BlockingContext) -> dict[str, Any]:
        with pytest.raises(RuntimeError, match="no running event loop"):
            asyncio.get_running_loop()
        ctx.progress(0.25, "quarter")
        ctx.emit("thing.seen", n=1)
        ctx.log.info("seen")
        child = ctx.submit("plain", 20)
        known = [ctx.task_id, ctx.topic, ctx.attempt, ctx.parent, ctx.root]
        return {"child": child, "known": known, "header": ctx.headers["x-a"]}

    @agent.task("plain")
    def plain(n: int) -> int:
        return n + 1

    async with working(agent):
        task_id = await client.submit("blocking", "x", timeout="1m", headers={"x-a": "b"})
        answer = await client.result(task_id, wait=5)
        assert await client.result(answer["child"], wait=5) == 21
    assert answer["known"] == [task_id, "blocking", 1, "", task_id]
    assert answer["header"] == "b"
    (progress,) = await seen.named(task_id, "task.progress")
    assert progress.data["fraction"] == 0.25
    await seen.named(task_id, "thing.seen")
