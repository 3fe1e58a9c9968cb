"""Graphs from the builder and as plain JSON, run by the stock agent."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from pepperpy import Agent, Client, Context, Graph, Group, PepperError
from pepperpy_agents.graphs.orchestrator import agent as orchestrator
from pepperpy_bus.tasks.journal import Journal
from pepperpy_schemas.errors import BadGraph, GraphFailed
from pepperpy_schemas.graphs import GraphSpec

Working = Callable[..., contextlib.AbstractAsyncContextManager[Any]]
Eventually = Callable[..., Awaitable[Any]]


class Shop:
    """Handlers that note what they were given."""

    def __init__(self) -> None:
        self.given: list[tuple[str, Any]] = []
        self.now = self.most = 0
        self.agent = Agent("shop", capabilities=["shop"])
        for topic in ("research", "write", "undo_write", "undo_research"):
            self.agent.task(topic, retries=0)(self._noting(topic))

        @self.agent.task("count", retries=0)
        async def count(n: int) -> int:
            self.now += 1
            self.most = max(self.most, self.now)
            await asyncio.sleep(0.02)
            self.now -= 1
            return n * 10

        @self.agent.task("break", retries=0)
        async def break_(what: Any) -> None:
            raise ValueError(f"{what} is broken")

        @self.agent.task("hang", retries=0, timeout=None)
        async def hang(_: Any) -> None:
            self.given.append(("hang", None))
            await asyncio.sleep(60)

    def _noting(self, topic: str) -> Callable[[Any], Awaitable[Any]]:
        async def note(given: Any) -> Any:
            self.given.append((topic, given))
            return {"by": topic, "got": given}

        return note

    def topics(self) -> list[str]:
        return [topic for topic, _ in self.given]


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
async def running(client: Client, shop: Shop, working: Working) -> AsyncIterator[None]:
    async with working(orchestrator), working(shop.agent):
        yield


async def names(seen: Any, task_id: str) -> list[str]:
    await seen.named(task_id, "graph.completed")
    return [one.name for one in await seen.events(f"graph.*.*.{task_id}")]


@pytest.mark.usefixtures("running")
async def test_results_feed_the_inputs_of_the_nodes_that_need_them(
    client: Client, shop: Shop, seen: Any
) -> None:
    g = Graph("launch")
    research = g.task("research", {"topic": "otters", "items": [1, 2]})
    write = g.task(
        "write",
        {
            "first": research.result.got["items"][0],
            "title": g.text("On {}!", research.result.got.topic),
            "code": "plain ${text}",
        },
    )
    g.task("write", after=write, name="proofread")
    task_id = await client.submit(g)
    assert await client.result(task_id, wait=20) == {"proofread": {"by": "write", "got": None}}
    assert shop.given == [
        ("research", {"topic": "otters", "items": [1, 2]}),
        ("write", {"first": 1, "title": "On otters!", "code": "plain ${text}"}),
        ("write", None),
    ]
    told = await seen.events(f"graph.*.launch.{task_id}")
    assert {one.scope for one in told} == {"launch"}
    assert await names(seen, task_id) == [
        "graph.started",
        *["graph.node_started", "graph.node_completed"] * 3,
        "graph.completed",
    ]


@pytest.mark.usefixtures("running")
async def test_independent_nodes_run_at_the_same_time_and_within_the_bound(
    client: Client, shop: Shop
) -> None:
    g = Graph("wide", parallel=4)
    for n in range(12):
        g.task("count", n, name=f"n{n}")
    assert await client.run(g, wait=30) == {f"n{n}": n * 10 for n in range(12)}
    assert 2 <= shop.most <= 4


@pytest.mark.usefixtures("running")
async def test_a_list_fans_out_in_order_and_an_empty_one_is_done_at_once(
    client: Client, shop: Shop
) -> None:
    g = Graph("fan")
    counted = g.task("count", each=g.input.numbers, parallel=2)
    nothing = g.task("count", each=[], name="nothing")
    labels = g.task("research", {"n": g.item, "i": g.index}, each=counted.result, name="label")
    g.output({"counted": counted.result, "got": labels.result[...].got, "none": nothing.result})
    assert await client.run(g, {"numbers": [1, 2, 3, 4]}, wait=20) == {
        "counted": [10, 20, 30, 40],
        "got": [{"n": n * 10, "i": n - 1} for n in range(1, 5)],
        "none": [],
    }
    assert shop.most <= 2


@pytest.mark.usefixtures("running")
async def test_tasks_of_one_key_run_one_after_the_other(client: Client, shop: Shop) -> None:
    g = Graph("keyed")
    g.task("count", g.item.n, each=[{"n": n, "who": "ana"} for n in range(4)], key=g.item.who)
    assert await client.run(g, wait=30) == {"count": [0, 10, 20, 30]}
    assert shop.most == 1


@pytest.mark.usefixtures("running")
async def test_a_graph_is_a_node_of_another_one(client: Client, shop: Shop) -> None:
    inner = Graph("inner")
    inner.output(inner.task("count", inner.input.n).result)
    outer = Graph("outer")
    one = outer.graph(inner, {"n": 7})
    outer.output(outer.task("count", one.result, name="again").result)
    assert await client.run(outer, wait=20) == 700


@pytest.mark.usefixtures("running")
async def test_a_graph_is_submitted_by_a_bare_publish(client: Client, shop: Shop) -> None:
    body = (
        b'{"name":"plain","input":{"n":4},"nodes":{'
        b'"a":{"topic":"count","input":"${input.n}"},'
        b'"b":{"topic":"count","input":{"$ref":"a.result"}}}}'
    )
    await client.connection.publish(f"{client.prefix}.task.orchestrate.plain-1", body)
    assert await client.result("plain-1", wait=20) == {"b": 400}


async def test_a_cycle_is_refused_with_its_name_before_and_after_sending(
    client: Client, working: Working
) -> None:
    g = Graph("round")
    g.task("a", after=["c"], name="a")
    g.task("b", after="a", name="b")
    g.task("c", after="b", name="c")
    with pytest.raises(BadGraph, match="a -> b -> c -> a"):
        await client.submit(g)
    async with working(orchestrator):
        with pytest.raises(BadGraph, match="a -> a") as refused:
            await client.run(
                "orchestrate",
                {"name": "own", "nodes": {"a": {"topic": "t", "after": ["a"]}}},
                wait=10,
            )
    assert refused.value.context["cycle"] == ["a", "a"]


@pytest.mark.usefixtures("running")
async def test_a_condition_skips_a_node_and_its_dependents_see_null(
    client: Client, shop: Shop
) -> None:
    g = Graph("maybe")
    research = g.task("research", {"score": 3})
    write = g.task("write", research.result, when="research.result.got.score > 5")
    g.output({"write": write.result, "state": write.state, "deep": write.result.got})
    assert await client.run(g, wait=20) == {"write": None, "state": "skipped", "deep": None}
    assert shop.topics() == ["research"]


# --- failures -------------------------------------------------------------------------------------


@pytest.mark.usefixtures("running")
async def test_the_error_of_a_node_reaches_the_caller_with_its_chain(
    client: Client, shop: Shop, seen: Any
) -> None:
    inner = Graph("inner")
    inner.task("break", "the pump")
    outer = Graph("outer")
    bad = outer.graph(inner)
    outer.task("write", after=bad)
    task_id = await client.submit(outer)
    with pytest.raises(GraphFailed, match="graph outer: node inner failed") as failed:
        await client.result(task_id, wait=20)
    chain: list[BaseException] = []
    error: BaseException | None = failed.value
    while error is not None:
        chain.append(error)
        error = error.__cause__
    assert [getattr(one, "code", "") for one in chain] == [
        "graph_failed",
        "graph_failed",
        "handler_error",
    ]
    assert str(chain[-1]) == "ValueError: the pump is broken"
    assert shop.topics() == []
    (told,) = await seen.named(task_id, "graph.node_failed")
    assert told.data["node"] == "inner"


@pytest.mark.usefixtures("running")
async def test_what_goes_on_sees_null_and_the_error(client: Client, shop: Shop) -> None:
    g = Graph("lenient")
    bad = g.task("break", "it", on_failure="continue")
    g.task("write", {"result": bad.result.deep, "why": bad.error.message, "state": bad.state})
    await client.run(g, wait=20)
    assert shop.given == [
        ("write", {"result": None, "why": "ValueError: it is broken", "state": "failed"})
    ]


@pytest.mark.usefixtures("running")
async def test_what_has_completed_is_undone_the_last_first(
    client: Client, shop: Shop, seen: Any
) -> None:
    g = Graph("saga")
    research = g.task("research", "r", compensate="undo_research")
    write = g.task("write", "w", after=research, compensate="undo_write", undo_with=research.result)
    third = g.task("research", "x", after=write, name="third", compensate="break")
    bad = g.task("break", "it", after=third)
    g.task("write", after=bad, name="never", compensate="undo_write")
    task_id = await client.submit(g)
    with pytest.raises(GraphFailed) as failed:
        await client.result(task_id, wait=20)
    assert failed.value.context["compensated"] == ["write", "research"]
    assert failed.value.context["not_compensated"] == ["third"]
    assert shop.given[3:] == [
        ("undo_write", {"by": "research", "got": "r"}),
        ("undo_research", {"input": "r", "result": {"by": "research", "got": "r"}}),
    ]
    told = await seen.named(task_id, "graph.node_compensated", 2)
    assert [one.data["node"] for one in told] == ["write", "research"]


@pytest.mark.usefixtures("running")
async def test_fail_leaves_what_has_completed(client: Client, shop: Shop) -> None:
    g = Graph("stay")
    research = g.task("research", "r", compensate="undo_research")
    g.task("break", "it", after=research, on_failure="fail")
    with pytest.raises(GraphFailed):
        await client.run(g, wait=20)
    assert shop.topics() == ["research"]


@pytest.mark.usefixtures("running")
async def test_what_still_runs_is_canceled_when_the_graph_fails(client: Client, shop: Shop) -> None:
    g = Graph("stop")
    g.task("hang")
    slow = g.task("count", 1)
    g.task("break", "it", after=slow)
    with pytest.raises(GraphFailed, match="node break failed"):
        await client.run(g, wait=20)
    assert shop.topics() == ["hang"]


@pytest.mark.usefixtures("running")
async def test_a_path_that_is_not_there_fails_the_node_with_its_name(client: Client) -> None:
    g = Graph("lost")
    research = g.task("research", "r")
    g.task("write", {"title": research.result.title})
    with pytest.raises(GraphFailed) as failed:
        await client.run(g, wait=20)
    assert "node write" in str(failed.value)
    assert "research.result has no .title, it is an object with by, got" in str(failed.value)


@pytest.mark.usefixtures("running")
async def test_a_node_whose_result_never_comes_fails_at_its_time(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pepperpy_agents.graphs.orchestration.GRACE", 0.2)
    g = Graph("silent")
    lost = g.task("nobody-works-here", timeout=0.5, on_failure="continue", name="lost")
    g.output(lost.error.code)
    assert await client.run(g, wait=20) == "deadline_exceeded"


# --- groups ---------------------------------------------------------------------------------------


def writers(name: str, version: str, wrote: list[str]) -> Agent:
    agent = Agent(name, version=version, capabilities=["write"])

    @agent.task(f"{name}-write")
    async def write(text: str) -> str:
        wrote.append(name)
        return f"{name}: {text}"

    return agent


async def test_a_group_sends_each_task_to_the_next_of_its_members(
    client: Client, working: Working
) -> None:
    wrote: list[str] = []
    both = Group("writers", capability="write", version=">=1,<3")
    g = Graph("letters")
    g.task(both, each=[str(n) for n in range(6)])
    caller = Agent("caller")

    @caller.task("call")
    async def call(text: str, ctx: Context) -> str:
        return str(await ctx.run(both, text))

    async with (
        working(orchestrator),
        working(writers("ana", "1.0.0", wrote)),
        working(writers("bob", "2.1.0", wrote)),
        working(writers("old", "0.9.0", wrote)),
        working(caller),
    ):
        await client.run(g, wait=20)
        assert sorted(wrote) == ["ana"] * 3 + ["bob"] * 3
        answers = {await client.run(both, "hi", wait=10) for _ in range(2)}
        assert answers == {"ana: hi", "bob: hi"}
        assert (await client.run("call", "hi", wait=10)).endswith(": hi")


# --- the journal ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("running")
async def test_the_journal_of_a_long_graph_grows_with_its_nodes_not_with_their_square(
    client: Client, shop: Shop
) -> None:
    sizes = []
    for count in (20, 80):
        g = Graph("long", parallel=8)
        for n in range(count):
            g.task("research", n, name=f"n{n}")
        task_id = await client.submit(g)
        await client.result(task_id, wait=60)
        journal = Journal(client.connection, client.prefix, task_id, "test")
        await journal.read()
        sizes.append(sum(len(str(one)) for one in journal.history.entries[1:]))
    assert sizes[1] < 6 * sizes[0]


async def test_a_graph_goes_on_in_another_worker(
    client: Client, working: Working, eventually: Eventually
) -> None:
    shop = Shop()
    g = Graph("moving")
    asked = g.task("ask", "sure?")
    g.task("write", asked.result)

    @shop.agent.task("ask")
    async def ask(text: str, ctx: Context) -> str:
        return str(await ctx.ask(text))

    async with working(shop.agent):
        async with working(orchestrator):
            task_id = await client.submit(g)
            (question,) = await eventually(client.questions)
        await client.answer(question.task_id, "yes")
        async with working(orchestrator):
            assert await client.result(task_id, wait=20) == {"write": {"by": "write", "got": "yes"}}


def test_the_same_name_twice_and_a_wrong_number_of_references_are_refused() -> None:
    g = Graph("names")
    a = g.task("a-b", name="a")
    with pytest.raises(BadGraph, match="has a node 'a' already"):
        g.task("a", name="a")
    assert g.task("a-b").name == "a_b"
    assert g.task("a-b").name == "a_b_2"
    with pytest.raises(BadGraph, match="2 places for 1 references"):
        g.text("{} {}", a.result)
    with pytest.raises(TypeError, match=r"graph\.text"):
        f"{a.result}"
    with pytest.raises(TypeError):
        list(a.result)


def test_what_the_builder_makes_survives_the_wire() -> None:
    import msgspec

    g = Graph("wire")
    a = g.task("a", {"$ref": "kept as it is", "s": "${kept}"})
    g.task("b", [a.result["x y"][-1], a.error.code], when="a.state == 'failed'", timeout="5m")
    sent = msgspec.json.encode(g.declared)
    assert msgspec.json.decode(sent, type=GraphSpec) == g.declared
    assert g.declared.nodes["a"].input == {"$$ref": "kept as it is", "s": "$${kept}"}
    assert g.declared.nodes["b"].input == [
        {"$ref": 'a.result["x y"][-1]'},
        {"$ref": "a.error.code"},
    ]


async def test_a_graph_without_agents_of_its_group_fails_the_node(
    client: Client, working: Working, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pepperpy_bus.routing.PATIENCE", 0.1)
    g = Graph("alone")
    g.task(Group("nobody", capability="fly"))
    async with working(orchestrator):
        with pytest.raises(PepperError, match="no agent of group nobody is up: capability fly"):
            await client.run(g, wait=20)


@pytest.mark.usefixtures("running")
async def test_a_canceled_graph_cancels_its_tasks(
    client: Client, shop: Shop, eventually: Eventually, seen: Any
) -> None:
    g = Graph("endless")
    g.task("hang")
    g.task("count", 1, compensate="undo_write")
    task_id = await client.submit(g)
    await eventually(lambda: shop.topics() == ["hang"])
    (started,) = [
        one
        for one in await seen.named(task_id, "graph.node_started", 2)
        if one.data["node"] == "hang"
    ]
    assert await client.cancel(task_id, reason="enough")
    with pytest.raises(PepperError, match="canceled"):
        await client.result(started.data["task"], wait=10)
    assert shop.topics() == ["hang"]
