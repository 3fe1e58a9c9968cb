"""The memory as handlers use it: `ctx.memory`, as the agent, in the task's conversation."""

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from pepperpy import Agent, BlockingContext, Client, Context
from pepperpy.stack.broker import Broker
from pepperpy_agents.shadowing.shadow import Shadow
from pepperpy_schemas.errors import NotFound
from tests.memory_svc.memory_service import remembering

Working = Callable[..., contextlib.AbstractAsyncContextManager[Any]]


@pytest.fixture(autouse=True)
async def memory(broker: Broker, prefix: str) -> AsyncIterator[None]:
    async with remembering(broker.url, prefix):
        yield


async def test_entries_are_of_the_agent_and_of_the_conversation_of_the_key(
    client: Client, working: Working
) -> None:
    agent = Agent("clerk")

    @agent.task("hear")
    async def hear(text: str, ctx: Context) -> list[str]:
        await ctx.step("note", ctx.memory.put, text, scope="session")
        found = await ctx.memory.search("parcel", mode="text", limit=5)
        return sorted(hit.entry.text for hit in found.hits)

    async with working(agent):
        run = client.run
        assert await run("hear", "a parcel", key="ana", wait="20s") == ["a parcel"]
        assert await run("hear", "my parcel", key="ana", wait="20s") == ["a parcel", "my parcel"]
        assert await run("hear", "his parcel", key="bob", wait="20s") == ["his parcel"]
    entries = [one async for one in client.memory.export()]
    assert {(one.agent, one.session, one.seq) for one in entries} == {
        ("clerk", "ana", 1),
        ("clerk", "ana", 2),
        ("clerk", "bob", 1),
    }


async def test_without_a_key_the_conversation_is_the_family_of_tasks(
    client: Client, working: Working
) -> None:
    agent = Agent("family")

    @agent.task("child")
    async def child(data: None, ctx: Context) -> str:
        return (await ctx.memory.put("from the child", scope="session")).session

    @agent.task("parent")
    async def parent(data: None, ctx: Context) -> list[str]:
        return [ctx.root, await ctx.run("child", type=str)]

    async with working(agent):
        root, session = await client.run("parent", type=list[str], wait="20s")
    assert root == session


async def test_a_search_takes_no_longer_than_the_task(client: Client, working: Working) -> None:
    agent = Agent("late")
    given: list[float] = []

    @agent.task("ask", retries=0)
    async def ask(data: None, ctx: Context) -> None:
        given.append(ctx.memory._gate("search", 30.0))

    async with working(agent):
        await client.run("ask", timeout="5s", wait="20s")
        await client.run("ask", wait="20s")
    assert 0 < given[0] <= 5
    assert given[1] == 30


async def test_a_handler_in_a_thread_uses_the_same_memory(client: Client, working: Working) -> None:
    agent = Agent("threads")

    @agent.task("note")
    def note(text: str, ctx: BlockingContext) -> list[str]:
        entry = ctx.memory.put(text, scope="agent")
        other = ctx.memory.within(session="other").put("other")
        return [entry.agent, other.session, *(one.text for one in ctx.memory.export())]

    async with working(agent):
        said = await client.run("note", "a parcel", type=list[str], wait="20s")
    assert said[:2] == ["threads", "other"]
    assert set(said[2:]) == {"a parcel", "other"}


async def test_a_shadow_reads_at_most_and_writes_nothing(client: Client, working: Working) -> None:
    live, same, other = Agent("live"), Agent("same"), Agent("other")

    async def noting(data: str, ctx: Context) -> str:
        entry = await ctx.step("note", ctx.memory.put, data, id="note")
        return str(entry.text)

    async def asking(data: str, ctx: Context) -> str:
        return str((await ctx.memory.get("note")).text)

    async def writing(data: str, ctx: Context) -> str:
        return (await ctx.memory.put("a shadow was here", id="shadow")).text

    live.task("note")(noting)
    same.task("note")(noting)
    other.task("note")(asking)
    async with working(live), Shadow(client, same, "note") as shadow:
        await client.submit("note", "Hi.")
        assert (await shadow.next()).verdict == "equal"
    async with working(live), Shadow(client, other, "note") as shadow:
        await client.submit("note", "Hi.")
        told = await shadow.next()
        assert (told.verdict, "asked in no step" in told.reason) == ("diverged", True)
    async with working(live), Shadow(client, other, "note", does_steps=True) as shadow:
        await client.submit("note", "Hi.")
        assert (await shadow.next()).verdict == "equal"
    other = Agent("other")
    other.task("note")(writing)
    async with working(live), Shadow(client, other, "note", does_steps=True) as shadow:
        await client.submit("note", "Hi.")
        told = await shadow.next()
        assert "which a shadow leaves to the live task" in told.reason
    with pytest.raises(NotFound):
        await client.memory.get("shadow")
