"""The stock agent `router` on a real broker: routes, learns, is switched, and lives."""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from pepperpy import Client
from pepperpy.stack.broker import Broker
from pepperpy_agents.agent import Agent
from pepperpy_agents.context import Context
from pepperpy_bus.learned_groups import LearnedGroup
from pepperpy_bus.routing import Group
from pepperpy_bus.state.cells import Cells
from pepperpy_capabilities.learning.routing.learned import Kept, Router
from pepperpy_capabilities.learning.routing.router_agent import agent as router
from pepperpy_capabilities.learning.routing.settings import RouterSettings
from pepperpy_capabilities.learning.states import Keeper
from pepperpy_schemas.catalog.state import LEARNER_STATE
from pepperpy_schemas.errors import (
    BadExample,
    BadName,
    BadPayload,
    BadProblem,
    ChildFailed,
    NotFound,
    PepperError,
)
from pepperpy_schemas.learned_routes import (
    ROUTE,
    ROUTE_RATING,
    RewardWeights,
    RouteAnswer,
    RouteChoice,
    RouteRated,
    RouteRating,
    RouterSetting,
    RouteTask,
)
from pepperpy_schemas.learning_bandits import BanditOptions
from tests.capabilities.learning.fleet import AFTER, BEFORE, KINDS, MODELS, Gained, tasks
from tests.capabilities.learning.routing.conftest import Working

ROUTER = "pepperpy_capabilities.learning.routing.router_agent:agent"
CHOICES = [RouteChoice(name=one, topic="answer", set={"model": one}) for one in MODELS]

fleet = Agent("fleet")


@fleet.task("answer", retries=0)
async def answer(data: dict[str, Any], ctx: Context) -> str:
    """Succeeds as the task says, by the model that was set."""
    if random.Random(ctx.task_id).random() >= data["chances"][data["model"]]:
        raise ValueError("it does not know")
    return f"by {data['model']}"


def task(kind: str, *, chances: Any = BEFORE, **more: Any) -> RouteTask:
    return RouteTask(
        choices=CHOICES, task={"chances": chances[kind]}, features={"kind": kind}, **more
    )


def sure(model: str, **more: Any) -> RouteTask:
    """A task at which one model succeeds and the others fail."""
    return task("x", chances={"x": {one: float(one == model) for one in MODELS}}, **more)


async def learned(client: Client, name: str = "default") -> Kept:
    async with Keeper(
        client.connection, client.prefix, "router", load=Router, save=Router.save
    ) as keeper:
        found = (await keeper.read(name, lambda one: one.copied())).outcome
        assert found is not None
        return found


async def test_a_task_comes_back_with_its_result_and_with_why_it_went_there(
    client: Client, working: Working
) -> None:
    async with working(router, fleet):
        setting = RouterSetting(default="large", reward=RewardWeights(latency=1, cost=1))
        choices = [msgspec.structs.replace(one, usd=0.01) for one in CHOICES]
        one = msgspec.structs.replace(sure("large", setting=setting), choices=choices)
        got = await client.run(ROUTE, one, type=RouteAnswer, wait="30s")
        assert got.result == "by large"
        assert (got.picked.choice, got.picked.mode) == ("large", "shadow")
        assert got.learned.parts["cost"] == 0.5
        assert 0 < got.learned.seconds < 20
        assert got.learned.reward is not None
        assert "large as the default" in got.explanation
        assert "value 0.5 ± 0.29 after 0 pulls" in got.explanation
        child = await client.results.get(got.child)
        assert child is not None
        assert child.topic == "answer"
        with pytest.raises(ChildFailed, match="does not know"):
            await client.run(ROUTE, sure("small"), wait="30s")
        figures = await learned(client)
        assert (figures.choices["large"].chosen, figures.choices["large"].succeeded) == (2, 1)
        assert figures.choices["large"].usd == pytest.approx(0.01)


async def test_a_fleet_is_routed_nearly_as_well_as_by_who_knows_it(
    client: Client, working: Working
) -> None:
    async with working(router, fleet):
        setting = RouterSetting(mode="live", exploration=0.05)
        count, chances = 400, BEFORE
        got: list[float] = []
        best: list[float] = []
        gate = asyncio.Semaphore(8)

        async def one(kind: str) -> None:
            async with gate:
                try:
                    sent = task(kind, chances=chances, setting=setting)
                    ended = await client.run(ROUTE, sent, type=RouteAnswer, wait="60s")
                    succeeded = ended.picked.choice
                except ChildFailed:
                    succeeded = ""
                # What chance gave: a failed task does not say where it went.
                got.append(float(bool(succeeded)))
                best.append(max(chances[kind].values()))

        await asyncio.gather(*(one(kind) for kind in tasks(1, count)))
        assert Gained(got, best).share(0, count) >= 0.8
        assert Gained(got, best).share(count // 2, count) >= 0.8
        before = await learned(client)
        chances = AFTER
        await asyncio.gather(*(one(kind) for kind in tasks(2, count)))
        assert Gained(got, best).share(2 * count - 150, 2 * count) >= 0.7
        after = await learned(client)
        chosen = {name: after.choices[name].chosen - before.choices[name].chosen for name in MODELS}
        assert sum(chosen.values()) == count
        assert sum(one.chosen for one in after.choices.values()) == 2 * count


async def test_replicas_route_at_once_and_no_reward_is_lost(
    client: Client, working: Working
) -> None:
    async with working(router, router, router, fleet):
        await asyncio.gather(*(client.run(ROUTE, sure("small"), wait="60s") for _ in range(60)))
        figures = await learned(client)
        assert figures.choices["small"].chosen == 60
        kept = Router(msgspec.msgpack.encode(figures))
        assert kept.bandit(RouterSetting()).learned == 60


async def test_it_is_switched_while_it_runs(client: Client, working: Working) -> None:
    settings = RouterSettings(client.connection, client.prefix)

    async def switch(**to: Any) -> None:
        await settings.change(
            "default", lambda there: msgspec.structs.replace(there or RouterSetting(), **to)
        )

    async def where(count: int = 12) -> Counter[str]:
        sent = task("x", chances={"x": dict.fromkeys(MODELS, 1.0)})
        got = await asyncio.gather(
            *(client.run(ROUTE, sent, type=RouteAnswer, wait="30s") for _ in range(count))
        )
        return Counter(one.picked.choice for one in got)

    async with working(router, fleet):
        await switch(mode="live", exploration=1.0)
        assert set(await where(30)) == set(MODELS)
        await switch(mode="off", default="medium")
        version = (await learned(client)).choices
        assert await where() == {"medium": 12}
        assert (await learned(client)).choices == version
        await switch(mode="shadow")
        assert await where() == {"medium": 12}
        assert (await learned(client)).choices["medium"].chosen == version["medium"].chosen + 12


async def test_the_kill_switch_needs_nothing_that_was_learned(
    client: Client, working: Working
) -> None:
    """Nor does a task: with a state that nobody can read it goes to the default."""
    settings = RouterSettings(client.connection, client.prefix)
    cells = Cells(client.connection, client.prefix)
    await cells.bucket.put(cells.key(LEARNER_STATE, kind="router", name="default"), b"{}")
    async with working(router, fleet):
        got = await client.run(ROUTE, sure("small"), type=RouteAnswer, wait="30s")
        assert got.result == "by small"
        assert got.learned.reward is None
        assert "not learned" in got.explanation
        await settings.change("default", lambda _: RouterSetting(mode="off", default="large"))
        got = await client.run(ROUTE, sure("large"), type=RouteAnswer, wait="30s")
        assert got.result == "by large"
        assert "the router is off" in got.explanation


async def test_a_setting_is_changed_by_compare_and_set(client: Client) -> None:
    settings = RouterSettings(client.connection, client.prefix)
    others = RouterSettings(client.connection, client.prefix)

    def longer(there: RouterSetting | None) -> RouterSetting:
        before = there or RouterSetting()
        return msgspec.structs.replace(before, default=before.default + "x")

    await asyncio.gather(*(one.change("r", longer) for one in (settings, others) * 8))
    assert (await settings.get("r")).default == "x" * 16
    begun = await asyncio.gather(
        *(one.begin("new", RouterSetting(default=str(n))) for n, one in enumerate([settings] * 5))
    )
    assert len({one.default for one in begun}) == 1
    assert await settings.names() == ["new", "r"]
    with pytest.raises(NotFound):
        await settings.get("other")
    with pytest.raises(BadProblem):
        await settings.change("r", lambda _: RouterSetting(reward=RewardWeights(success=0)))
    with pytest.raises(BadProblem, match="exploration"):
        await settings.change("r", lambda _: RouterSetting(exploration=float("nan")))
    assert (await settings.get("r")).default == "x" * 16


async def test_a_rating_counts_however_late_it_comes_and_as_an_event_too(
    client: Client, working: Working
) -> None:
    setting = RouterSetting(mode="live", reward=RewardWeights(success=1, rating=3))
    async with working(router, fleet):
        ended: dict[bool, str] = {}
        while len(ended) < 2:
            one = sure("small", setting=setting, router="r")
            task_id = await client.submit(ROUTE, one)
            try:
                await client.result(task_id, wait="30s")
                ended[True] = task_id
            except ChildFailed:
                ended[False] = task_id
        task_id = ended[True]
        rated = await client.run(
            ROUTE_RATING, RouteRating(task=task_id, rating=0.0), type=RouteRated, wait="30s"
        )
        assert (rated.router, rated.choice, rated.was, rated.reward) == ("r", "small", 1.0, 0.25)
        async with client.emitter() as emitter:
            for data in ({"rating": 1.0}, {"rating": 1.5}, {"rating": "much"}, {}):
                await emitter.emit("route", "rated", scope="r", id=task_id, data=data, certain=True)
        async with asyncio.timeout(20):
            while (await learned(client, "r")).choices["small"].rating != 1.0:
                await asyncio.sleep(0.05)
        figures = (await learned(client, "r")).choices["small"]
        assert figures.ratings == 1
        for unknown, error in ((ended[False], BadExample), ("never", NotFound)):
            with pytest.raises(error):
                await client.run(ROUTE_RATING, {"task": unknown, "rating": 1}, wait="30s")
        with pytest.raises(BadPayload):
            await client.run(ROUTE_RATING, {"task": task_id, "rating": 1.5}, wait="30s")


ONE = {"name": "a", "topic": "answer"}
MALFORMED: list[tuple[dict[str, Any], type[PepperError]]] = [
    ({}, BadPayload),
    ({"choices": []}, BadPayload),
    ({"choices": [ONE] * 33}, BadPayload),
    ({"choices": [ONE, ONE]}, BadProblem),
    ({"choices": [{"name": "a", "topic": "no topic"}]}, BadName),
    ({"choices": [{**ONE, "set": {"model": "m"}}], "task": "text"}, BadProblem),
    ({"choices": [{**ONE, "usd": -1}]}, BadPayload),
    ({"choices": [ONE], "router": "no token"}, BadPayload),
    ({"choices": [ONE], "features": {"size": 1e7}}, BadExample),
    ({"choices": [ONE], "features": {"size": 3}}, BadExample),
    ({"choices": [ONE], "features": {"size": [3]}}, BadPayload),
    ({"choices": [ONE], "features": {f"f{n}": True for n in range(33)}}, BadExample),
    ({"choices": [ONE], "features": {"kind": "x" * 1000}}, BadExample),
    ({"choices": [ONE], "setting": {"mode": "on"}}, BadPayload),
    ({"choices": [ONE], "setting": {"exploration": 2}}, BadPayload),
    ({"choices": [ONE], "setting": {"reward": {"success": 0}}}, BadProblem),
    ({"choices": [ONE], "setting": {"reward": {"success": "NaN"}}}, BadPayload),
    ({"choices": [ONE], "setting": {"bandit": {"window": 5, "discount": 0.5}}}, BadProblem),
    ({"choices": [ONE], "timeout": -1}, BadPayload),
]


async def test_nothing_that_is_sent_takes_the_worker_down(client: Client, working: Working) -> None:
    async with working(router, fleet):
        for body, error in MALFORMED:
            with pytest.raises(error):
                await client.run(ROUTE, body, wait="30s")
        big = {"choices": [ONE], "task": "x" * 10_000_000, "features": {"size": 3}}
        with pytest.raises(PepperError) as caught:
            await client.run(ROUTE, big, wait="60s")
        assert caught.value.category == "input"
        got = await client.run(ROUTE, sure("small"), type=RouteAnswer, wait="30s")
        assert got.result == "by small"


async def test_a_child_that_takes_too_long_has_failed(client: Client, working: Working) -> None:
    slow = Agent("slow")

    @slow.task("slow", retries=0)
    async def wait(_: dict[str, Any]) -> None:
        await asyncio.sleep(60)

    async with working(router, slow):
        sent = RouteTask(choices=[RouteChoice(name="slow", topic="slow")], task={}, timeout=0.5)
        with pytest.raises(ChildFailed):
            await client.run(ROUTE, sent, wait="30s")
        figures = (await learned(client)).choices["slow"]
        assert (figures.chosen, figures.succeeded, figures.reward) == (1, 0, 0.0)


async def test_a_group_may_learn_who_of_it_is_best(client: Client, working: Working) -> None:
    quick, broken, asking = Agent("quick"), Agent("broken"), Agent("asking")

    @quick.task("quick", retries=0)
    async def write(about: str) -> str:
        return about.upper()

    @broken.task("broken", retries=0)
    async def fail(about: str) -> str:
        raise ValueError(about)

    group = Group("writers", agents=["quick", "broken"], topics=["quick", "broken"])

    @asking.task("ask", retries=0)
    async def ask(about: str, ctx: Context) -> str:
        sent = LearnedGroup(group, features={"lang": "en"})
        answer = await ctx.run(sent, about, type=RouteAnswer)
        return str(answer.result)

    async with working(router, quick, broken, asking):
        async with asyncio.timeout(20):
            while len(await client.registry.instances()) < 4:
                await asyncio.sleep(0.05)
        learning = LearnedGroup(group, features={"lang": "en"}, setting=RouterSetting(mode="live"))
        for _ in range(25):
            with contextlib.suppress(ChildFailed):
                await client.run(learning, "otters", wait="30s")
        figures = (await learned(client, "writers")).choices
        assert sum(one.chosen for one in figures.values()) == 25
        assert figures["quick"].chosen > 15
        for _ in range(20):
            with contextlib.suppress(ChildFailed):
                assert await client.run("ask", "otters", wait="30s") == "OTTERS"
                break
        else:
            pytest.fail("no task of the group ended well")


async def test_routers_that_are_killed_submit_each_child_once_and_learn_it_once(
    client: Client, broker: Broker, working: Working, workers: Callable[..., Any]
) -> None:
    done: Counter[int] = Counter()
    counted = Agent("counted")

    @counted.task("count", retries=0)
    async def count(data: dict[str, int]) -> int:
        done[data["n"]] += 1
        await asyncio.sleep(0.3)
        return data["n"]

    choices = [RouteChoice(name=one, topic="count") for one in ("a", "b")]
    async with working(counted):
        ids = [
            await client.submit(
                ROUTE,
                RouteTask(
                    choices=choices,
                    task={"n": n},
                    setting=RouterSetting(mode="live", bandit=BanditOptions(discount=0.99)),
                ),
            )
            for n in range(24)
        ]
        for _ in range(3):
            one = workers(broker.url, ROUTER, "-c", "8")
            await asyncio.sleep(0.4)
            one.kill()
        workers(broker.url, ROUTER, "-c", "8", ready=False)
        ends = [await client.result(one, type=RouteAnswer, wait="90s") for one in ids]
        assert sorted(one.result for one in ends) == list(range(24))
        assert set(done.values()) == {1}
        figures = await learned(client)
        assert sum(one.chosen for one in figures.choices.values()) == 24
        assert Router(msgspec.msgpack.encode(figures)).bandit(RouterSetting()).learned == 24


def test_each_kind_of_the_fleet_has_another_best_model_after_the_drift() -> None:
    assert all(
        max(MODELS, key=BEFORE[kind].__getitem__) != max(MODELS, key=AFTER[kind].__getitem__)
        for kind in KINDS
    )
