import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from pepperpy.stack.broker import Broker
from pepperpy_bus.link.connection import Connection
from pepperpy_bus.state import meter
from pepperpy_bus.state.budget import Budgets, TaskBudget
from pepperpy_bus.state.cells import Cells
from pepperpy_bus.state.meter import metered
from pepperpy_bus.streams.clock import ServerClock
from pepperpy_bus.streams.reading import last_on
from pepperpy_schemas.budgets import MAX_ABOVE, Allowance, Budget, Owner, write_budget
from pepperpy_schemas.errors import BadHeader, BadPayload, BudgetExceeded, NotFound
from pepperpy_schemas.shared import Amounts, Limits

Streams = Callable[..., Awaitable[None]]
Connect = Callable[..., Awaitable[Connection]]
SPENDER = Path(__file__).with_name("spending.py")


def budgets_on(connection: Connection, prefix: str) -> Budgets:
    return Budgets(Cells(connection, prefix), ServerClock(connection, prefix))


@pytest.fixture
async def budgets(connection: Connection, prefix: str, streams: Streams) -> Budgets:
    await streams(connection, prefix, "state", "TASKS")
    return budgets_on(connection, prefix)


@pytest.fixture
async def processes(budgets: Budgets, connect: Connect, prefix: str) -> list[Budgets]:
    """Four of them, as far as the broker can tell."""
    return [budgets_on(await connect(), prefix) for _ in range(4)]


async def spend(budget: TaskBudget, reserve: int, use: int | None = None) -> None:
    async with budget.spend(tokens=reserve) as spending:
        if use is not None:
            spending.settle(tokens=use)


async def test_what_was_really_spent_counts(budgets: Budgets) -> None:
    budget = budgets.of("t1", '{"tokens":1000,"usd":1.0}')
    assert await budget.left() == Allowance(tokens=1000, usd=1.0)
    async with budget.spend(tokens=500, usd=0.4) as spending:
        assert await budget.left() == Allowance(tokens=500, usd=0.6)
        spending.settle(tokens=312, usd=0.25)
    assert await budget.left() == Allowance(tokens=688, usd=0.75)
    ledger = await budgets.ledger("t1")
    assert ledger.spent == Amounts(tokens=312, nano_usd=250_000_000)
    assert ledger.reserved == {}


async def test_without_a_settlement_all_that_was_reserved_counts(budgets: Budgets) -> None:
    budget = budgets.of("t1", '{"tokens":1000}')
    await spend(budget, 400)
    with pytest.raises(ZeroDivisionError):
        async with budget.spend(tokens=100):
            raise ZeroDivisionError
    assert (await budget.left()).tokens == 500


async def test_more_than_is_left_is_refused_before_the_work(budgets: Budgets) -> None:
    budget = budgets.of("t1", '{"tokens":1000}')
    await spend(budget, 900)
    worked = False
    with pytest.raises(BudgetExceeded, match="task t1 has 100 tokens left, not 101") as refused:
        async with budget.spend(tokens=101):
            worked = True
    assert not worked
    assert refused.value.info().category == "control"
    assert refused.value.context == {"owner": "t1", "unit": "tokens", "left": 100, "wanted": 101}
    await spend(budget, 100)


async def test_a_task_without_a_budget_spends_freely_and_writes_nothing(budgets: Budgets) -> None:
    budget = budgets.of("t1", "")
    await spend(budget, 10**9)
    async with metered(budget):
        pass
    assert await budget.left() == Allowance()
    assert budget.for_child() is None
    with pytest.raises(NotFound, match="task t1 has no ledger"):
        await budgets.ledger("t1")


async def test_a_child_spends_from_its_own_budget_and_from_those_above(budgets: Budgets) -> None:
    parent = budgets.of("parent", '{"tokens":1000,"tasks":3}')
    given = parent.for_child({"tokens": 600, "usd": 2})
    assert given == Budget(tokens=600, usd=2.0, above=[Owner(id="parent", tokens=1000, tasks=3)])
    child = budgets.of("child", write_budget(given))
    grandchild = budgets.of("grandchild", write_budget(child.for_child() or Budget()))
    await spend(parent, 500)
    await spend(grandchild, 450)
    assert await child.left() == await grandchild.left() == Allowance(tokens=50, usd=2.0, tasks=3)
    with pytest.raises(BudgetExceeded, match="task parent has 50 tokens left"):
        await spend(child, 60)
    # What the one refused, the other has not kept.
    assert (await budgets.ledger("child")).reserved == {}
    await spend(child, 50)
    assert (await budgets.ledger("parent")).spent.tokens == 1000
    assert (await budgets.ledger("child")).spent.tokens == 500


async def test_the_outer_budget_is_given_back_when_the_inner_one_refuses(budgets: Budgets) -> None:
    child = budgets.of("child", '{"tokens":10,"above":[{"id":"parent","tokens":1000}]}')
    with pytest.raises(BudgetExceeded, match="task child has 10 tokens left"):
        await spend(child, 11)
    ledger = await budgets.ledger("parent")
    assert (ledger.spent, ledger.reserved) == (Amounts(), {})


async def test_budgets_do_not_lie_below_each_other_without_end(budgets: Budgets) -> None:
    budget = budgets.of("t0", '{"tokens":1}')
    for n in range(1, MAX_ABOVE + 1):
        budget = budgets.of(f"t{n}", write_budget(budget.for_child({"tokens": 1}) or Budget()))
    with pytest.raises(BadHeader, match=f"{MAX_ABOVE + 1} tasks with budgets"):
        budget.for_child()


async def test_wrong_amounts_are_refused_by_name(budgets: Budgets) -> None:
    budget = budgets.of("t1", '{"tokens":1000}')
    with pytest.raises(BadPayload, match="tokens"):
        await spend(budget, -1)
    with pytest.raises(BadPayload, match="tokens"):
        await spend(budget, 1, -1)
    with pytest.raises(BadHeader, match="dollars"):
        budgets.of("t1", '{"dollars":1}')
    with pytest.raises(BadHeader, match="dollars"):
        budget.for_child({"dollars": 1})


async def test_a_later_attempt_means_the_same_spending_by_the_same_name(budgets: Budgets) -> None:
    """A worker died between the reservation and the submit."""
    first = budgets.of("t1", '{"tasks":2}', 1)
    await first.reserve("t1.child-1", Amounts(tasks=1), named=True)
    second = budgets.of("t1", '{"tasks":2}', 2)
    async with second.spend(tasks=1, name="child-1"):
        pass
    assert await second.left() == Allowance(tasks=1)


async def test_a_reservation_of_a_dead_attempt_counts_as_spent(budgets: Budgets) -> None:
    await budgets.of("t1", '{"tokens":10}', 1).reserve("r", Amounts(tokens=4))
    second = budgets.of("t1", '{"tokens":10}', 2)
    assert (await second.left()).tokens == 6
    await spend(second, 6, 1)
    ledger = await budgets.ledger("t1")
    assert (ledger.spent.tokens, ledger.reserved) == (5, {})


async def test_many_spenders_in_several_processes_never_overdraw(
    budgets: Budgets, processes: list[Budgets]
) -> None:
    header = '{"tokens":100,"above":[{"id":"root","usd":1.0}]}'
    granted, refused = 0, 0

    async def one(n: int) -> None:
        nonlocal granted, refused
        budget = processes[n % 4].of("t1", header)
        try:
            async with budget.spend(tokens=7, usd=0.05) as spending:
                granted += 1
                await asyncio.sleep(0.001)
                spending.settle(tokens=5, usd=0.05)
        except BudgetExceeded:
            refused += 1

    async with asyncio.timeout(60):
        await asyncio.gather(*(one(n) for n in range(60)))
    ledger, root = await budgets.ledger("t1"), await budgets.ledger("root")
    assert ledger.spent.tokens == 5 * granted <= 100
    assert root.spent.nano_usd == granted * 50_000_000
    assert (ledger.reserved, root.reserved) == ({}, {})
    assert granted + refused == 60
    assert 14 <= granted <= 20


async def test_processes_of_their_own_spend_no_more_than_there_is(
    budgets: Budgets, broker: Broker, prefix: str
) -> None:
    """300 tokens, and three processes that each try to spend 50 times 3."""
    header = '{"tokens":300}'
    command = [sys.executable, str(SPENDER), broker.url, prefix, header]
    started = [
        await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        for _ in range(3)
    ]
    async with asyncio.timeout(60):
        told = [(await one.communicate())[0] for one in started]
    assert [one.returncode for one in started] == [0, 0, 0]
    assert sum(int(out) for out in told) == 300
    ledger = await budgets.ledger("t1")
    assert (ledger.spent.tokens, ledger.reserved) == (300, {})


async def test_a_ledger_is_forgotten_a_month_after_its_last_change(
    budgets: Budgets, connection: Connection, prefix: str
) -> None:
    await spend(budgets.of("t1", '{"tokens":10}'), 1)
    stored = await last_on(connection, f"KV_{prefix}_state", f"$KV.{prefix}_state.budget.t1")
    assert stored is not None
    assert stored.headers["nats-ttl"] == "2592000s"


# --- running time ---------------------------------------------------------------------------------


async def test_running_time_is_counted_and_the_rest_given_back(budgets: Budgets) -> None:
    budget = budgets.of("t1", '{"seconds":60}')
    begin = time.monotonic()
    async with metered(budget):
        assert (await budgets.ledger("t1")).reserved
        await asyncio.sleep(0.3)
    took = time.monotonic() - begin
    ledger = await budgets.ledger("t1")
    assert ledger.limits == Limits(ms=60_000)
    assert 300 <= ledger.spent.ms <= took * 1000 + 1
    assert ledger.reserved == {}


async def test_an_attempt_ends_when_no_time_is_left(budgets: Budgets) -> None:
    budget = budgets.of("t1", '{"seconds":0.5}')
    cleaned = False
    begin = time.monotonic()

    async def run() -> None:
        nonlocal cleaned
        async with metered(budget):
            try:
                await asyncio.Event().wait()
            finally:
                cleaned = True

    with pytest.raises(BudgetExceeded, match=r"task t1 has 0\.0 seconds left"):
        await run()
    assert cleaned
    assert 0.45 <= time.monotonic() - begin < 5
    ledger = await budgets.ledger("t1")
    assert (ledger.spent, ledger.reserved) == (Amounts(ms=500), {})
    with pytest.raises(BudgetExceeded):
        async with metered(budget):
            pytest.fail("there was no time to begin")


async def test_attempts_that_run_together_never_use_more_time_than_there_is(
    processes: list[Budgets],
) -> None:
    used = 0.0

    async def run(n: int) -> None:
        nonlocal used
        child = processes[n].of(f"c{n}", '{"above":[{"id":"root","seconds":1.5}]}')
        async with metered(child):
            begin = time.monotonic()
            try:
                await asyncio.Event().wait()
            finally:
                used += time.monotonic() - begin

    async with asyncio.timeout(30):
        ends = await asyncio.gather(*(run(n) for n in range(4)), return_exceptions=True)
    assert [str(one)[:23] for one in ends] == ["the budget of task root"] * 4
    ledger = await processes[0].ledger("root")
    assert ledger.spent == Amounts(ms=1500)
    assert ledger.reserved == {}
    assert used >= 1.4


async def test_the_shortest_of_several_budgets_ends_the_attempt(budgets: Budgets) -> None:
    child = budgets.of("c", '{"seconds":0.3,"above":[{"id":"root","seconds":100}]}')
    with pytest.raises(BudgetExceeded, match="task c "):
        async with metered(child):
            await asyncio.Event().wait()
    assert (await budgets.ledger("root")).spent == Amounts(ms=300)


async def test_a_broker_that_restarts_ends_no_attempt(
    own_broker: Broker,
    own: Connection,
    prefix: str,
    streams: Streams,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(meter, "LONGEST", 200)
    await streams(own, prefix, "state", "TASKS")
    budgets = budgets_on(own, prefix)
    budget = budgets.of("t1", '{"seconds":60}')
    begin = time.monotonic()
    async with metered(budget):
        own_broker.kill()
        await asyncio.sleep(0.5)
        await own_broker.start()
        await own.wait_connected(10)
        async with asyncio.timeout(20):
            while not (await budgets.ledger("t1")).reserved:
                await asyncio.sleep(0.05)
    took = time.monotonic() - begin
    ledger = await budgets.ledger("t1")
    assert ledger.reserved == {}
    assert 500 <= ledger.spent.ms <= took * 1000 + 1


async def test_a_second_cancellation_loses_no_settlement(
    budgets: Budgets, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget = budgets.of("t1", '{"tokens":1000}')
    settling, slow = asyncio.Event(), asyncio.Event()
    change = budgets.change

    async def spend_on() -> None:
        async with budget.spend(tokens=500) as spending:
            spending.settle(tokens=10)
            monkeypatch.setattr(budgets, "change", changes_slowly)
            await asyncio.Event().wait()

    async def changes_slowly(*args: Any) -> None:
        settling.set()
        await slow.wait()
        await change(*args)

    task = asyncio.create_task(spend_on())
    while budgets.change == change:
        await asyncio.sleep(0)
    task.cancel()
    await settling.wait()
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
    assert not task.done()
    slow.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    ledger = await budgets.ledger("t1")
    assert (ledger.spent.tokens, ledger.reserved) == (10, {})
