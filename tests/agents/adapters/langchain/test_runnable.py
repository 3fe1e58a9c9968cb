"""An agent on the bus as a runnable of LangChain; the memory as a retriever."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from typing import Any, cast

import pytest
from langchain.agents import create_agent
from langchain_core.documents import Document
from langchain_core.messages import HumanMessage
from langchain_core.runnables import Runnable, RunnableLambda

from pepperpy import Agent, Client, Context, connect_sync
from pepperpy.stack.broker import Broker
from pepperpy_agents.adapters.langchain import (
    BusRunnable,
    ChatPepperPy,
    MemoryRetriever,
    langchain_agent,
)
from pepperpy_schemas.errors import BudgetExceeded, Canceled, Rejected, StreamBroken
from tests.agents.conftest import Seen, Working, wait_until
from tests.agents.thinking.speaking import calls, says
from tests.memory_svc.memory_service import remembering
from tests.provider_svc.asking import Planned

agent = Agent("desk")
waiting_for: list[str] = []


@agent.task("triage", retries=0)
async def triage(ticket: dict[str, Any], ctx: Context) -> str:
    if ticket["text"] == "spam":
        raise Rejected("no ticket")
    for word in ("We ", "are ", "on it."):
        await ctx.stream(word)
    return "We are on it."


@agent.task("count")
async def count(text: Any) -> int:
    return len(text)


@agent.task("wait")
async def wait(text: str, ctx: Context) -> str:
    await ctx.stream("waiting ")
    waiting_for.append(text)
    await asyncio.Event().wait()
    return text


@agent.task("twice", retries=1, retry_delay=0)
async def twice(text: str, ctx: Context) -> str:
    await ctx.stream("again ")
    if ctx.attempt == 1:
        raise ValueError("once")
    return text


async def test_an_agent_is_a_link_of_a_chain(client: Client, working: Working) -> None:
    chain: Runnable[Any, Any] = (
        RunnableLambda(lambda text: {"text": text})
        | BusRunnable("triage", client=client)
        | RunnableLambda(str.upper)
    )
    async with working(agent):
        assert await chain.ainvoke("late") == "WE ARE ON IT."
        pieces = [one async for one in BusRunnable("triage", client=client).astream({"text": "x"})]
        assert pieces == ["We ", "are ", "on it."]
        assert [one async for one in BusRunnable("count", client=client).astream("four")] == [4]
        assert await BusRunnable("count", client=client).abatch(["a", "bb"]) == [1, 2]
        messages = [HumanMessage("Hello."), HumanMessage("You?")]
        assert await BusRunnable("count", client=client).ainvoke(messages) == 2


async def test_the_error_of_the_task_is_raised(client: Client, working: Working) -> None:
    asking = BusRunnable("triage", client=client)
    async with working(agent):
        with pytest.raises(Rejected, match="no ticket"):
            await asking.ainvoke({"text": "spam"})
        with pytest.raises(Rejected, match="no ticket"):
            [one async for one in asking.astream({"text": "spam"})]


async def test_who_stops_waiting_cancels_the_task(client: Client, working: Working) -> None:
    waiting_for.clear()
    asking = BusRunnable("wait", client=client, options={"id": "w1"})
    async with working(agent):
        waiting = asyncio.create_task(asking.ainvoke("?"))
        await wait_until(lambda: waiting_for)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        with pytest.raises(Canceled, match="nobody waits"):
            await client.result("w1", wait="20s")


async def test_who_leaves_a_stream_cancels_the_task(client: Client, working: Working) -> None:
    asking = BusRunnable("wait", client=client, options={"id": "w2"})
    async with working(agent):
        pieces = cast("AsyncGenerator[Any, None]", asking.astream("?"))
        assert await anext(pieces) == "waiting "
        await pieces.aclose()
        with pytest.raises(Canceled):
            await client.result("w2", wait="20s")


async def test_who_stops_before_the_task_is_known_to_be_there_cancels_it(
    client: Client, working: Working, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting_for.clear()
    submit = Client.submit

    async def stored_and_not_known(self: Client, *given: Any, **options: Any) -> str:
        await submit(self, *given, **options)
        await asyncio.Event().wait()
        return ""

    monkeypatch.setattr(Client, "submit", stored_and_not_known)
    pieces = cast(
        "AsyncGenerator[Any, None]",
        BusRunnable("wait", client=client, options={"id": "w3"}).astream("?"),
    )
    async with working(agent):
        waiting = asyncio.ensure_future(anext(pieces))
        await wait_until(lambda: waiting_for)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        with pytest.raises(Canceled):
            await client.result("w3", wait="20s")


@pytest.mark.parametrize("stream", [False, True])
async def test_an_agent_in_a_chain_has_the_budget_and_the_time_of_the_task(
    client: Client, working: Working, stream: bool
) -> None:
    spender, left = Agent("spender"), []

    @spender.task("spend", retries=0)
    async def spend(_: Any, ctx: Context) -> str:
        assert ctx.deadline is not None
        left.append((ctx.deadline - ctx.now).total_seconds())
        async with ctx.budget.spend(tokens=600):
            return "spent"

    async def asked(given: Any) -> Any:
        asking = BusRunnable("spend")
        return [one async for one in asking.astream(given)] if stream else await asking.ainvoke(0)

    front = langchain_agent("front", RunnableLambda(asked), retries=0)
    async with working(spender), working(front):
        refused: list[dict[str, float]] = [{"tokens": 500}, {"tokens": 1000, "tasks": 0}]
        for allowed in refused:
            with pytest.raises(BudgetExceeded):
                await client.run("front", "?", budget=allowed, timeout="1m", wait="20s")
        allowed = {"tokens": 1000, "tasks": 1}
        result = await client.run("front", "?", budget=allowed, timeout="1m", wait="20s")
        assert result in ("spent", ["spent"])
    # The deadline counts by the server's clock, what is left by the worker's estimate of it.
    assert all(0 < one <= 61 for one in left)
    assert len(left) == 2


async def test_text_that_begins_anew_breaks_the_stream_and_not_the_task(
    client: Client, working: Working
) -> None:
    asking = BusRunnable("twice", client=client, options={"id": "t1"})
    async with working(agent):
        with pytest.raises(StreamBroken, match="began anew"):
            [one async for one in asking.astream("done")]
        assert await client.result("t1", wait="20s") == "done"


async def test_scripts_ask_agents_without_await(
    broker: Broker, prefix: str, working: Working
) -> None:
    def script() -> tuple[Any, list[Any]]:
        with connect_sync(broker.url, bus__prefix=prefix) as bus:
            asking = BusRunnable("triage", client=bus)
            return asking.invoke({"text": "x"}), list(asking.stream({"text": "x"}))

    async with working(agent):
        assert await asyncio.to_thread(script) == ("We are on it.", ["We ", "are ", "on it."])


async def test_an_agent_is_a_tool_of_a_graph_and_its_task_a_child(
    client: Client, working: Working, model: Planned, seen: Seen
) -> None:
    model.plan = deque([calls(("triage", {"text": "late"})), says("They are on it.")])
    asking = BusRunnable("triage").tool("Sends a ticket to the desk.")
    graph = create_agent(ChatPepperPy(), [asking])
    async with working(agent), working(langchain_agent("front", graph)):
        task_id = await client.submit("front", "My parcel is late.")
        assert await client.result(task_id, wait="20s") == "They are on it."
    assert model.asked[0][1].tools[0].description == "Sends a ticket to the desk."
    children = await seen.events("task.completed.triage.*")
    assert [one.event.correlation for one in children] == [task_id]


async def test_a_canceled_graph_cancels_the_agent_that_it_waits_for(
    client: Client, working: Working, model: Planned, seen: Seen
) -> None:
    waiting_for.clear()
    front = langchain_agent("front", BusRunnable("wait"))
    async with working(agent), working(front):
        task_id = await client.submit("front", "?")
        await wait_until(lambda: waiting_for)
        assert await client.cancel(task_id)
        await wait_until(lambda: seen.events("task.canceled.wait.*"))


def texts(documents: list[Document]) -> list[str]:
    return [one.page_content for one in documents]


async def test_the_memory_is_a_retriever(
    client: Client, broker: Broker, prefix: str, working: Working
) -> None:
    async with remembering(broker.url, prefix):
        await client.memory.put("Otters hold hands.", metadata={"page": 3}, source="book.md")
        await client.memory.put("Parcels are late on Mondays.")
        asking = MemoryRetriever(client=client, limit=1, options={"mode": "text"})
        [found] = await asking.ainvoke("otters")
        assert found.page_content == "Otters hold hands."
        assert found.metadata["page"] == 3
        assert found.metadata["pepperpy"]["source"] == "book.md"
        assert found.id

        chain = MemoryRetriever(options={"mode": "text"}) | RunnableLambda(texts)
        async with working(langchain_agent("finder", chain)):
            assert await client.run("finder", "parcels", wait="20s") == [
                "Parcels are late on Mondays."
            ]

        def script() -> list[str]:
            with connect_sync(broker.url, bus__prefix=prefix) as bus:
                asking = MemoryRetriever(client=bus, limit=1, options={"mode": "text"})
                return [one.page_content for one in asking.invoke("otters")]

        assert await asyncio.to_thread(script) == ["Otters hold hands."]
