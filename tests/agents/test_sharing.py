"""State, resources and budgets as handlers have them."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import pytest

from pepperpy import Agent, BlockingContext, Client, Context
from pepperpy_bus.streams.jetstream import store
from pepperpy_schemas.errors import BadHeader, BudgetExceeded, ChildFailed

Working = Callable[..., contextlib.AbstractAsyncContextManager[Any]]


async def test_state_outlives_the_worker_and_is_shared_by_its_scope(
    client: Client, working: Working
) -> None:
    agent = Agent("counting")

    @agent.task("count")
    async def count(key: str, ctx: Context) -> list[int]:
        def one_more(old: int | None) -> int:
            return (old or 0) + 1

        return [
            await ctx.state.update("count", one_more),
            await ctx.state.family.update("count", one_more),
            await ctx.state.keyed(key).update("count", one_more),
        ]

    async with working(agent):
        assert await client.run("count", "a") == [1, 1, 1]
    async with working(agent):
        assert await client.run("count", "b") == [2, 1, 1]
        assert await client.run("count", "a", root="family-1") == [3, 1, 2]
        assert await client.run("count", "a", root="family-1") == [4, 2, 3]
    assert (await client.agent_state("counting").get("count")).value == 4


async def test_no_more_tasks_hold_a_resource_than_it_has_room_for(
    client: Client, working: Working
) -> None:
    agent = Agent("training")
    at_once = most = 0

    @agent.task("train", concurrency=8)
    async def train(gpus: int, ctx: Context) -> int:
        nonlocal at_once, most
        async with ctx.resources.acquire("gpu", gpus) as lease:
            at_once += gpus
            most = max(most, at_once)
            held = (await ctx.resources.get("gpu")).held
            assert all(one.holder.startswith("training/") for one in held)
            at_once -= gpus
            return lease.token

    await client.resources.define("gpu", capacity=4)
    async with working(agent), working(agent):
        ids = [await client.submit("train", 1 + n % 3) for n in range(24)]
        tokens = [await client.result(one, wait="30s") for one in ids]
    assert len(set(tokens)) == 24
    assert 3 <= most <= 4


async def test_a_handler_in_a_thread_shares_the_same(client: Client, working: Working) -> None:
    agent = Agent("threads")

    @agent.task("work")
    def work(data: None, ctx: BlockingContext) -> list[Any]:
        ctx.state.set("seen", 3)
        with ctx.resources.acquire("gpu") as lease:
            ctx.resources.check("gpu", lease.token)
        with ctx.budget.spend(tokens=5) as spending:
            spending.settle(tokens=2)
        left = ctx.budget.left()
        return [ctx.state.get("seen").value, left.tokens]

    await client.resources.define("gpu", capacity=1)
    async with working(agent):
        assert await client.run("work", budget={"tokens": 10}) == [3, 8]


async def test_a_budget_is_shared_by_all_descendants_and_never_overdrawn(
    client: Client, working: Working
) -> None:
    agent = Agent("spending")

    @agent.task("leaf", concurrency=8)
    async def leaf(tokens: int, ctx: Context) -> int:
        async with ctx.budget.spend(tokens=tokens):
            return tokens

    @agent.task("tree")
    async def tree(data: None, ctx: Context) -> list[int]:
        children = [await ctx.submit("leaf", 30) for _ in range(5)]
        ends = await ctx.gather(*children, return_exceptions=True)
        return sorted(30 if end == 30 else 0 for end in ends)

    async with working(agent), working(agent):
        task_id = await client.submit("tree", budget={"tokens": 100, "tasks": 10})
        assert await client.result(task_id, wait="30s") == [0, 0, 30, 30, 30]
    ledger = await client.budgets.ledger(task_id)
    assert (ledger.spent.tokens, ledger.spent.tasks, ledger.reserved) == (90, 5, {})


async def test_a_child_counts_once_in_all_attempts_and_the_limit_ends_the_task(
    client: Client, working: Working
) -> None:
    agent = Agent("parents")

    @agent.task("leaf")
    async def leaf(data: None) -> None: ...

    @agent.task("parent", retry_delay=0.01)
    async def parent(count: int, ctx: Context) -> int:
        children = [await ctx.submit("leaf") for _ in range(count)]
        await ctx.gather(*children)
        if ctx.attempt < 3:
            raise ValueError("once more")
        return ctx.attempt

    async with working(agent):
        task_id = await client.submit("parent", 2, budget={"tasks": 2})
        assert await client.result(task_id, wait="30s") == 3
        assert (await client.budgets.ledger(task_id)).spent.tasks == 2
        with pytest.raises(BudgetExceeded, match="has 0 tasks left, not 1"):
            await client.run("parent", 3, budget={"tasks": 2}, wait="30s")


async def test_a_child_with_a_budget_of_its_own_is_bound_by_both(
    client: Client, working: Working
) -> None:
    agent = Agent("both")

    @agent.task("leaf")
    async def leaf(tokens: int, ctx: Context) -> None:
        async with ctx.budget.spend(tokens=tokens):
            pass

    @agent.task("parent", retries=0)
    async def parent(tokens: int, ctx: Context) -> None:
        await ctx.run("leaf", tokens, budget={"tokens": 50})

    async with working(agent):
        for tokens, owner in ((60, "the budget of task"), (45, "has 40 tokens left, not 45")):
            with pytest.raises(ChildFailed) as failed:
                await client.run("parent", tokens, budget={"tokens": 40}, wait="30s")
            cause = failed.value.__cause__
            assert isinstance(cause, BudgetExceeded)
            assert owner in str(cause)


async def test_running_time_is_metered_and_ends_the_attempt(
    client: Client, working: Working
) -> None:
    agent, cleaned = Agent("slow"), []

    @agent.task("slow")
    async def slow(data: None, ctx: Context) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            cleaned.append(ctx.attempt)

    async with working(agent):
        task_id = await client.submit("slow", budget={"seconds": 0.4})
        with pytest.raises(BudgetExceeded, match="seconds left"):
            await client.result(task_id, wait="30s")
    assert cleaned == [1]
    assert (await client.budgets.ledger(task_id)).spent.ms == 400


async def test_a_budget_that_cannot_be_read_rejects_the_task(
    client: Client, working: Working
) -> None:
    agent = Agent("strict")

    @agent.task("strict")
    async def strict(data: Any) -> None: ...

    async with working(agent):
        subject = f"{client.prefix}.task.strict.t1"
        await store(client.connection, subject, b"1", headers={"Pp-Budget": '{"euro":1}'})
        with pytest.raises(BadHeader, match="unknown field `euro`"):
            await client.result("t1", wait="30s")
