"""Models as handlers ask them: `ctx.llm`, the task's budget and its deadline."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from pepperpy import Agent, BlockingContext, Client, Context, connect
from pepperpy.stack.broker import Broker
from pepperpy_agents.shadowing.shadow import Shadow
from pepperpy_schemas.chat import Ack, ChatReply, Delta, End
from pepperpy_schemas.errors import BudgetExceeded, DeadlineExceeded, RequestRefused
from tests.bus.model_service import MODEL, USAGE, Models

Working = Callable[..., contextlib.AbstractAsyncContextManager[Any]]


@pytest.fixture
async def models(broker: Broker, prefix: str) -> AsyncIterator[Models]:
    """A provider service that says what the test wants."""
    one = Models()
    async with (
        connect(broker.url, bus__prefix=prefix) as own,
        one.service(own.connection, prefix),
    ):
        yield one


async def test_an_answer_is_a_step_that_is_not_asked_for_again(
    client: Client, working: Working, models: Models
) -> None:
    agent = Agent("writing")

    @agent.task("write", retry_delay=0.01)
    async def write(subject: str, ctx: Context) -> str:
        draft = await ctx.step("draft", ctx.llm.chat, f"Write about {subject}.", max_tokens=9)
        assert isinstance(draft, ChatReply)
        if ctx.attempt == 1:
            raise RuntimeError("crashed after the draft")
        return f"{draft.text} {draft.usage.total_tokens} {draft.usd}"

    async with working(agent):
        assert await client.run("write", "otters", wait="20s") == "Write about otters. 12 0.002"
    assert len(models.asked) == 1


async def test_what_models_cost_is_spent_from_the_budget(
    client: Client, working: Working, models: Models
) -> None:
    agent = Agent("spending")

    @agent.task("ask")
    async def ask(data: None, ctx: Context) -> list[Any]:
        reply = await ctx.llm.chat("Hi.", max_tokens=50)
        pieces = [one async for one in ctx.llm.stream("Hi.", max_tokens=50)]
        vectors = await ctx.llm.embed(["a", "b"])
        counted = await ctx.llm.count("Hi.")
        return [reply.text, len(pieces), vectors.vectors, counted.tokens]

    async with working(agent):
        task_id = await client.submit("ask", budget={"tokens": 1000, "usd": 1.0})
        assert await client.result(task_id, wait="20s") == ["Hi.", 3, [[1.0], [1.0]], 3]
    ledger = await client.budgets.ledger(task_id)
    assert (ledger.spent.tokens, ledger.reserved) == (12 + 12 + 3, {})
    assert ledger.spent.nano_usd == 2_000_000 + 2_000_000 + 100_000


async def test_every_question_says_for_which_task_it_is(
    client: Client, working: Working, models: Models
) -> None:
    agent = Agent("asking")

    @agent.task("ask")
    async def ask(data: None, ctx: Context) -> str:
        await ctx.llm.chat("Hi.")
        async for _ in ctx.llm.stream("Hi."):
            pass
        return ctx.task_id

    @agent.task("above")
    async def above(data: None, ctx: Context) -> str:
        return str(await ctx.run("ask"))

    async with working(agent):
        root = await client.submit("above")
        child = await client.result(root, wait="20s")
    await client.llm.chat("Hi.")
    assert models.families == [(child, root), (child, root), ("", "")]


async def test_a_budget_that_is_too_small_stops_the_question_before_it_is_asked(
    client: Client, working: Working, models: Models
) -> None:
    agent = Agent("poor")

    @agent.task("ask", retries=0)
    async def ask(data: None, ctx: Context) -> str:
        return (await ctx.llm.chat("Hi.", max_tokens=500)).text

    @agent.task("stream", retries=0)
    async def stream(data: None, ctx: Context) -> int:
        return len([one async for one in ctx.llm.stream("Hi.")])

    async with working(agent):
        for topic in ("ask", "stream"):
            with pytest.raises(BudgetExceeded, match="tokens"):
                await client.run(topic, budget={"tokens": 100}, wait="20s")
        with pytest.raises(BudgetExceeded, match="usd"):
            await client.run("ask", budget={"usd": 0.0}, wait="20s")
    assert models.asked == []


async def test_a_refusal_costs_nothing_and_a_broken_answer_what_was_reserved(
    client: Client, working: Working, models: Models
) -> None:
    agent = Agent("failing")

    @agent.task("ask", retries=0)
    async def ask(data: None, ctx: Context) -> str:
        return (await ctx.llm.chat("Hi.", max_tokens=50)).text

    @agent.task("stream", retries=0)
    async def stream(data: None, ctx: Context) -> int:
        return len([one async for one in ctx.llm.stream("Hi.", max_tokens=50)])

    async with working(agent):
        models.items = [Ack(1), Delta(2, text="Once")]
        broken = await client.submit("stream", budget={"tokens": 1000})
        with pytest.raises(Exception, match="before its end"):
            await client.result(broken, wait="20s")
        models.error = RequestRefused("no such parameter")
        refused = await client.submit("ask", budget={"tokens": 1000})
        with pytest.raises(RequestRefused):
            await client.result(refused, wait="20s")
    assert (await client.budgets.ledger(refused)).spent.tokens == 0
    assert (await client.budgets.ledger(broken)).spent.tokens > 50


async def test_a_stored_answer_costs_nothing(
    client: Client, working: Working, models: Models
) -> None:
    models.items = [Ack(1), Delta(2, text="Hi"), End(3, "stop", USAGE, MODEL, 0.0, cached=True)]
    agent = Agent("cached")

    @agent.task("stream")
    async def stream(data: None, ctx: Context) -> int:
        return len([one async for one in ctx.llm.stream("Hi.")])

    async with working(agent):
        task_id = await client.submit("stream", budget={"tokens": 5000})
        assert await client.result(task_id, wait="20s") == 2
    assert (await client.budgets.ledger(task_id)).spent.tokens == 0


async def test_a_question_takes_no_longer_than_the_task(
    client: Client, working: Working, models: Models
) -> None:
    models.hold = True
    agent = Agent("late")
    told: list[BaseException] = []

    @agent.task("ask", retries=0)
    async def ask(data: None, ctx: Context) -> str:
        try:
            return (await ctx.llm.chat("Hi.")).text
        except BaseException as error:
            told.append(error)
            raise

    async with working(agent):
        with pytest.raises(DeadlineExceeded):
            await client.run("ask", timeout="1s", wait="20s")
        await asyncio.wait_for(models.canceled.wait(), 5)
    assert len(told) == 1


async def test_a_handler_in_a_thread_asks_the_same_models(
    client: Client, working: Working, models: Models
) -> None:
    agent = Agent("threads")

    @agent.task("ask")
    def ask(data: None, ctx: BlockingContext) -> list[Any]:
        reply = ctx.step("draft", ctx.llm.chat, "Hi.", max_tokens=50)
        text = "".join(one.text for one in ctx.llm.stream("Hi.") if isinstance(one, Delta))
        for one in ctx.llm.stream("Hi."):
            assert one == Delta(2, text="Hello")
            break
        return [reply.text, text, ctx.llm.embed("abc").vectors, ctx.llm.count("Hi.").tokens]

    async with working(agent):
        task_id = await client.submit("ask", budget={"tokens": 10_000})
        expected = ["Hi.", "Hello there.", [[3.0]], 3]
        assert await client.result(task_id, wait="20s") == expected


async def test_a_shadow_reads_what_the_model_said_and_asks_none_itself(
    client: Client, working: Working, models: Models
) -> None:
    live, same, other = Agent("live"), Agent("same"), Agent("other")

    async def draft(data: str, ctx: Context) -> str:
        reply: ChatReply = await ctx.step("draft", ctx.llm.chat, data)
        return reply.text

    async def beside(data: str, ctx: Context) -> str:
        return (await ctx.llm.chat(data)).text

    live.task("write")(draft)
    same.task("write")(draft)
    other.task("write")(beside)
    async with working(live), Shadow(client, same, "write") as shadow:
        await client.submit("write", "Hi.")
        async with asyncio.timeout(10):
            assert (await shadow.next()).verdict == "equal"
    async with working(live), Shadow(client, other, "write") as shadow:
        await client.submit("write", "Hi.")
        async with asyncio.timeout(10):
            told = await shadow.next()
    assert told.verdict == "diverged"
    assert "a question to a model" in told.reason
    assert len(models.asked) == 2
