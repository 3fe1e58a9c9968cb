"""Running a task again, from its beginning or from a step on."""

import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from pepperpy import Agent, Client, Context, PepperError
from pepperpy_bus.streams.jetstream import purge
from pepperpy_bus.streams.reading import all_on
from pepperpy_bus.tasks.journal import Journal
from pepperpy_schemas import headers as h
from pepperpy_schemas.catalog.tasks import STEP
from pepperpy_schemas.errors import BadPayload, NotFound
from pepperpy_schemas.messages import CheckpointEntry, InputEntry, StepEntry, WaitedEntry
from pepperpy_schemas.subjects import stream_name

Working = Callable[..., contextlib.AbstractAsyncContextManager[Any]]
Eventually = Callable[..., Awaitable[Any]]


class Shop:
    """An agent with three steps, the last of which fails while it is broken."""

    def __init__(self) -> None:
        self.agent = Agent("shop")
        self.done: list[str] = []
        self.broken = True
        self.agent.task("order", retries=0)(self.order)

    async def order(self, order: dict[str, Any], ctx: Context) -> dict[str, Any]:
        stock = await ctx.step("reserve", self.do, "reserve", order["sku"])
        price = await ctx.step("price", self.do, "price", order.get("amount", 1))
        paid = await ctx.step("charge", self.charge, order["customer"]["name"])
        return {"stock": stock, "price": price, "paid": paid}

    async def do(self, name: str, value: Any) -> str:
        self.done.append(name)
        return f"{name} {value}"

    async def charge(self, customer: str) -> str:
        self.done.append("charge")
        if self.broken:
            raise RuntimeError("no connection to the bank")
        return f"charged {customer}"


ORDER = {"sku": "tea", "customer": {"name": "Ana"}}


@pytest.fixture
def shop() -> Shop:
    return Shop()


async def failed_order(client: Client) -> str:
    task_id = await client.submit("order", ORDER)
    assert not (await client.ended(task_id, wait=10)).result.ok
    return task_id


async def history_of(client: Client, task_id: str) -> Any:
    journal = Journal(client.connection, client.prefix, task_id, "test")
    await journal.read()
    return journal.history


async def test_a_failed_task_goes_on_at_its_failing_step_when_the_code_is_fixed(
    client: Client, working: Working, shop: Shop
) -> None:
    async with working(shop.agent):
        old = await failed_order(client)
        shop.broken = False
        new = await client.rerun(old, unfinished=True)
        paid = await client.result(new, wait=10)
    assert paid == {"stock": "reserve tea", "price": "price 1", "paid": "charged Ana"}
    assert shop.done == ["reserve", "price", "charge", "charge"]
    assert new != old
    assert not (await client.ended(old)).result.ok
    story = await client.explain(new)
    assert (story.replay_of, story.from_step) == (old, 3)
    assert [(step.name, step.copied) for step in story.steps] == [
        ("reserve", True),
        ("price", True),
        ("charge", False),
    ]


async def test_a_completed_task_is_done_again_from_a_step_with_another_input(
    client: Client, working: Working, shop: Shop
) -> None:
    shop.broken = False
    async with working(shop.agent):
        old = await client.submit("order", ORDER, timeout="10m")
        await client.ended(old, wait=10)
        changes = {"customer.name": "Ben", "amount": 3}
        by_name = await client.rerun(old, from_step="price", changes=changes)
        assert (await client.result(by_name, wait=10))["paid"] == "charged Ben"
        by_place = await client.rerun(old, from_step=2, changes=changes)
        assert (await client.result(by_place, wait=10))["price"] == "price 3"
        whole = await client.rerun(old)
        assert (await client.result(whole, wait=10))["paid"] == "charged Ana"
    again = ["price", "charge"]
    assert shop.done == ["reserve", *again, *again, *again, "reserve", *again]
    given = (await history_of(client, by_name)).input
    assert given.headers[h.TIMEOUT_MS.lower()] == "600000"
    assert given.headers[h.REPLAY_OF.lower()] == old


async def test_a_rerun_that_fails_is_repeated_and_rerun_like_any_task(
    client: Client, working: Working
) -> None:
    agent, done = Agent("twice"), []

    @agent.task("twice", retries=1, retry_delay=0.01)
    async def twice(_: None, ctx: Context) -> int:
        await ctx.step("one", done.append, "one")
        await ctx.step("two", done.append, "two")
        if len(done) < 5:
            raise ValueError("not yet")
        return ctx.attempt

    async with working(agent):
        old = await client.submit("twice")
        await client.ended(old, wait=10)
        new = await client.rerun(old, from_step="two")
        assert not (await client.ended(new, wait=10)).result.ok
        last = await client.rerun(new, from_step=1)
        assert await client.result(last, wait=10) == 1
    assert done == ["one", "two", "two", "one", "two"]
    assert [one.number for one in (await client.explain(new)).attempts] == [1, 2]


async def test_answers_and_children_before_the_step_are_taken_over(
    client: Client, working: Working, eventually: Eventually
) -> None:
    agent, asked = Agent("asker"), []

    @agent.task("child")
    async def child(n: int) -> int:
        asked.append("child")
        return n * 2

    @agent.task("asks", retries=0)
    async def asks(text: str, ctx: Context) -> list[Any]:
        answer = await ctx.ask("Go on?")
        doubled = await ctx.run("child", 21)
        return [answer, doubled, await ctx.step("end", asked.append, text)]

    async with working(agent):
        old = await client.submit("asks", "first")
        await eventually(lambda: client.question(old))
        await client.answer(old, "yes", by="ana")
        assert await client.result(old, wait=10) == ["yes", 42, None]
        new = await client.rerun(old, from_step="end")
        assert await client.result(new, wait=10) == ["yes", 42, None]
    assert asked == ["child", "first", "first"]
    entries = (await history_of(client, new)).entries
    assert [type(one) for one in entries].count(WaitedEntry) == 2


async def test_a_question_that_was_open_is_asked_anew(
    client: Client, working: Working, eventually: Eventually
) -> None:
    agent, done = Agent("open"), []

    @agent.task("open")
    async def asks(_: None, ctx: Context) -> Any:
        await ctx.step("before", done.append, 1)
        return await ctx.ask("Go on?")

    async with working(agent):
        old = await client.submit("open")
        await eventually(lambda: client.question(old))
        new = await client.rerun(old, unfinished=True)
        await eventually(lambda: client.question(new))
        await client.answer(new, "now")
        assert await client.result(new, wait=10) == "now"
    assert done == [1]


async def test_large_results_and_inputs_are_taken_over_by_reference(
    client: Client, working: Working
) -> None:
    agent, done = Agent("large"), []

    def make(text: str) -> str:
        done.append("make")
        return text.upper()

    @agent.task("large", retries=0)
    async def large(given: dict[str, str], ctx: Context) -> list[int]:
        text = await ctx.step("make", make, given["text"])
        return [len(text), len(await ctx.step("cut", lambda: text[:10])), len(given["more"])]

    async with working(agent):
        old = await client.submit("large", {"text": "x" * 700_000, "more": ""})
        assert await client.result(old, wait=10) == [700_000, 10, 0]
        new = await client.rerun(old, from_step="cut", changes={"more": "abc"})
        assert await client.result(new, wait=10) == [700_000, 10, 3]
        same = await client.rerun(old, from_step="cut")
        assert await client.result(same, wait=10) == [700_000, 10, 0]
    assert done == ["make"]


async def test_a_long_journal_is_taken_over_in_pieces_whose_last_has_the_input(
    client: Client, working: Working
) -> None:
    agent, done = Agent("long"), []

    @agent.task("long", retries=0)
    async def long(fail: bool, ctx: Context) -> int:
        for n in range(6):
            await ctx.step(f"s{n}", lambda n=n: done.append(n) or "x" * 250_000)
        if fail:
            raise ValueError("at the end")
        return len(done)

    async with working(agent):
        old = await client.submit("long", True)
        assert not (await client.ended(old, wait=10)).result.ok
        new = await client.rerun(old, unfinished=True, changes={})
        assert not (await client.ended(new, wait=10)).result.ok
    assert len(done) == 6
    subject, steps = STEP.of(client.prefix, id=new), stream_name(client.prefix, "STEPS")
    stored = [STEP.decode(one.body) for one in await all_on(client.connection, steps, subject)]
    pieces = [one for one in stored if isinstance(one, CheckpointEntry)]
    assert len(pieces) > 2
    kinds = [[type(STEP.decode(bytes(one))) for one in piece.entries] for piece in pieces]
    assert [InputEntry in piece for piece in kinds] == [False] * (len(pieces) - 1) + [True]


async def test_what_a_dead_worker_had_begun_to_take_over_is_completed(
    client: Client, working: Working, shop: Shop
) -> None:
    async with working(shop.agent):
        old = await failed_order(client)
    shop.broken = False
    new = await client.rerun(old, unfinished=True)
    # A worker that died in the middle of it has written the first step and no input.
    (first,) = [one for one in (await history_of(client, old)).entries[:2] if hasattr(one, "n")]
    journal = Journal(client.connection, client.prefix, new, "dead/worker")
    await journal.adopt([StepEntry(1, first.n, first.name, first.ts, first.data)])
    async with working(shop.agent):
        assert (await client.result(new, wait=10))["paid"] == "charged Ana"
    assert shop.done == ["reserve", "price", "charge", "charge"]


async def test_a_step_that_is_not_there_is_refused_with_those_that_are(
    client: Client, working: Working, shop: Shop
) -> None:
    async with working(shop.agent):
        old = await failed_order(client)
    with pytest.raises(NotFound, match="no step named 'charge'") as unknown:
        await client.rerun(old, from_step="charge")
    assert "1 reserve, 2 price" in unknown.value.hint
    with pytest.raises(NotFound, match="no place 4"):
        await client.rerun(old, from_step=4)
    with pytest.raises(BadPayload, match=r"customer\.name\.first"):
        await client.rerun(old, changes={"customer.name.first": "A"})
    with pytest.raises(NotFound, match="no task never"):
        await client.rerun("never")


async def test_a_name_that_two_steps_have_is_refused_with_their_places(
    client: Client, working: Working
) -> None:
    agent = Agent("same")

    @agent.task("same")
    async def same(_: None, ctx: Context) -> None:
        for _ in range(2):
            await ctx.step("again", lambda: 1)

    async with working(agent):
        old = await client.submit("same")
        await client.ended(old, wait=10)
    with pytest.raises(NotFound, match="2 steps named 'again'") as twice:
        await client.rerun(old, from_step="again")
    assert "1, 2" in twice.value.hint


async def test_a_task_without_steps_is_rerun_from_its_dead_letter_or_not_at_all(
    client: Client, working: Working
) -> None:
    agent, seen = Agent("plain"), []

    @agent.task("plain", retries=0)
    async def plain(n: int) -> int:
        seen.append(n)
        if n == 1:
            raise ValueError("one")
        return n

    async with working(agent):
        bad = await client.submit("plain", 1)
        await client.ended(bad, wait=10)
        await client.ended(await client.rerun(bad), wait=10)
        assert seen == [1, 1]
        with pytest.raises(NotFound, match="has no journal"):
            await client.rerun(bad, unfinished=True)
        good = await client.submit("plain", 2)
        await client.ended(good, wait=10)
        with pytest.raises(NotFound, match="is not kept any more") as gone:
            await client.rerun(good)
    assert "submit it anew" in gone.value.hint


async def test_an_expired_journal_is_an_error_of_the_caller_and_of_the_worker(
    client: Client, working: Working, shop: Shop
) -> None:
    steps = stream_name(client.prefix, "STEPS")
    async with working(shop.agent):
        old = await failed_order(client)
    queued = await client.rerun(old, unfinished=True)
    await purge(client.connection, steps, STEP.of(client.prefix, id=old))
    with pytest.raises(NotFound, match="has no journal"):
        await client.rerun(old, unfinished=True)
    async with working(shop.agent):
        with pytest.raises(PepperError, match=f"the journal of task {old} has expired"):
            await client.result(queued, wait=10)
    assert shop.done == ["reserve", "price", "charge"]


async def test_the_steps_of_another_topic_are_not_taken_over(
    client: Client, working: Working, shop: Shop
) -> None:
    other = Agent("other")

    @other.task("other")
    async def do(_: Any, ctx: Context) -> Any:
        return await ctx.step("reserve", lambda: "mine")

    async with working(shop.agent), working(other):
        old = await failed_order(client)
        forged = {h.REPLAY_OF: old, h.FROM_STEP: "2"}
        with pytest.raises(PepperError, match="is of topic order, not other"):
            await client.run("other", headers=forged, wait=10)
        with pytest.raises(PepperError, match="Pp-From-Step needs Pp-Replay-Of"):
            await client.run("other", headers={h.FROM_STEP: "2"}, wait=10)


async def test_key_priority_and_budget_go_with_a_rerun(client: Client, working: Working) -> None:
    agent, seen = Agent("kept"), []

    @agent.task("kept", retries=0)
    async def kept(_: None, ctx: Context) -> None:
        await ctx.step("one", lambda: 1)
        seen.append((ctx.key, ctx.headers.get(h.PRIORITY.lower()), ctx.headers.get("mine")))

    async with working(agent):
        keyed = await client.submit("kept", key="customer 7", headers={"Mine": "x"})
        await client.ended(keyed, wait=10)
        again = await client.rerun(keyed, from_step="one")
        await client.ended(again, wait=10)
        high = await client.submit("kept", priority="high", budget={"tokens": 5})
        await client.ended(high, wait=10)
        last = await client.rerun(high)
        await client.ended(last, wait=10)
    assert seen == [("customer 7", None, "x")] * 2 + [("", "high", None)] * 2
    story = await client.explain(again)
    assert (story.key, story.replay_of, story.priority) == ("customer 7", keyed, "normal")
    given = (await history_of(client, last)).input
    assert given.headers[h.BUDGET.lower()] == '{"tokens":5}'
