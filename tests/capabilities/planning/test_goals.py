"""Goals measured by events on a real broker, and watched by a worker that is killed."""

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import msgspec
import pytest
from llmock.pytest_plugin import LLMock
from llmock.scenarios import Reply

from pepperpy import Client
from pepperpy.stack.broker import Broker
from pepperpy_bus.composites.composite import declare
from pepperpy_bus.composites.matcher import Matcher
from pepperpy_bus.services.service import Service
from pepperpy_bus.streams.consumers import resume_consumer, task_consumer
from pepperpy_bus.streams.provision import ensure_consumer
from pepperpy_capabilities.conformance import PlannerConformance
from pepperpy_capabilities.planning.goals.measuring import Look, Tally
from pepperpy_capabilities.planning.goals.planner import GoalPlanner
from pepperpy_capabilities.planning.goals.progress import is_over, next_moment, report
from pepperpy_capabilities.planning.planner_agent import agent as planner
from pepperpy_monitor_svc.endpoints import NAME, Views
from pepperpy_schemas.errors import BadOutput, BadPayload, BadProblem
from pepperpy_schemas.goal_plans import PLAN_GOAL, GoalProblem, GoalReport, Source, SubGoal
from pepperpy_schemas.problems import Problem
from pepperpy_schemas.subjects import stream_name
from tests.capabilities.planning.test_task_models import DECLARATION
from tests.capabilities.planning.test_task_plans import at_work
from tests.monitor_svc.metrics.conftest import Watching, watching  # noqa: F401 - a fixture
from tests.provider_svc.gateway.conftest import Serving, serving  # noqa: F401 - a fixture
from tests.worker_processes import Start, workers  # noqa: F401 - a fixture

AT = datetime(2026, 11, 1, tzinfo=UTC)
ORDERS = Source(events="order.paid", description="Paid orders.")
TAKINGS = Source(events="order.paid", where="data.amount > 0", take="sum", field="data.amount")
PRICE = Source(events="price.set", take="last", field="data.euro")
SOURCES = {"orders": ORDERS, "takings": TAKINGS, "price": PRICE}
TEN = SubGoal(name="ten", source="orders", target=10)


def goal(*parts: SubGoal, **more: Any) -> GoalProblem:
    return GoalProblem(goal="Sell.", name="sell", sources=SOURCES, sub_goals=list(parts), **more)


class TestGoalPlanner(PlannerConformance):
    problem = goal(TEN)
    malformed: ClassVar[list[Problem]] = [
        goal(),
        goal(TEN, TEN),
        goal(SubGoal(name="a", source="nothing", target=1)),
        *(
            GoalProblem(goal="Sell.", sources={"a": one}, sub_goals=[TEN])
            for one in (
                Source(),
                Source(events="a.b", figure="usd"),
                Source(events="a.b", take="sum"),
                Source(events="a.b", field="data.x"),
                Source(events="a.b", where="data.x ==="),
                Source(events="a..b"),
                Source(events="a.b", take="last", field="1 + 1"),
                Source(figure="usd", where="a == 1"),
            )
        ),
    ]

    def make(self) -> GoalPlanner:
        return GoalPlanner()

    def comparable(self, answer: Any) -> Any:
        return answer


def measured(
    *parts: SubGoal, hours: float = 0.0, since: datetime = AT, **values: float
) -> GoalReport:
    tallies = {name: Tally(value, 1, changed=AT) for name, value in values.items()}
    return report(goal(*parts, since=since), parts, Look(AT + timedelta(hours=hours), tallies), 1)


DAY = AT + timedelta(days=1)


@pytest.mark.parametrize(
    ("part", "hours", "value", "state", "fraction"),
    [
        (SubGoal(name="a", source="orders", target=10), 1, 4, "open", 0.4),
        (SubGoal(name="a", source="orders", target=10), 1, 10, "reached", 1.0),
        (SubGoal(name="a", source="orders", target=10, by=DAY), 24, 9, "late", 0.9),
        (SubGoal(name="a", source="orders", target=10, stalled_after=60), 1, 9, "stalled", 0.9),
        (SubGoal(name="a", source="orders", target=10, start=5), 1, 4, "open", 0.0),
        (
            SubGoal(name="a", source="orders", target=10, start=50, direction="at_most"),
            1,
            20,
            "open",
            0.75,
        ),
        (
            SubGoal(name="a", source="orders", target=10, start=50, direction="at_most"),
            1,
            9,
            "reached",
            1.0,
        ),
        (SubGoal(name="a", source="orders", target=3, direction="at_most"), 1, 3, "kept", 1.0),
        (SubGoal(name="a", source="orders", target=3, direction="at_most"), 1, 4, "exceeded", 0.0),
        (
            SubGoal(name="a", source="orders", target=3, direction="at_most", by=DAY),
            24,
            3,
            "reached",
            1.0,
        ),
        (SubGoal(name="a", source="orders", target=5, start=5), 1, 4, "open", 0.0),
    ],
)
def test_a_sub_goal_has_a_state_and_a_part_of_its_way(
    part: SubGoal, hours: float, value: float, state: str, fraction: float
) -> None:
    told = measured(part, hours=hours, orders=value)
    assert (told.sub_goals[0].state, told.sub_goals[0].fraction) == (state, fraction)


def test_a_goal_is_the_weighted_part_of_its_sub_goals_and_as_bad_as_the_worst() -> None:
    half = SubGoal(name="half", source="takings", target=100, weight=3)
    late = SubGoal(name="late", source="price", target=1, by=DAY)
    told = measured(half, late, hours=24, takings=50)
    assert told.fraction == pytest.approx(3 * 0.5 / 4)
    assert told.state == "late"
    assert not is_over(told)
    assert "half: open, 50%: 50 from 1 event, wanted at least 100." in told.explanation
    assert "late: late, 0%: not measured yet, wanted at least 1 by" in told.explanation


def test_the_next_look_is_when_a_time_is_over() -> None:
    still = SubGoal(name="still", source="orders", target=5, stalled_after=7200)
    by = SubGoal(name="by", source="orders", target=5, by=DAY)
    parts = [by, still]
    assert next_moment(parts, measured(*parts, hours=1, orders=1)) == AT + timedelta(hours=2)
    assert next_moment(parts, measured(*parts, hours=3, orders=1)) == DAY
    assert next_moment(parts, measured(*parts, hours=30, orders=1)) is None


def test_a_limit_without_an_end_keeps_no_watch_alone() -> None:
    limit = SubGoal(name="limit", source="takings", target=5, direction="at_most")
    assert is_over(measured(TEN, limit, orders=10, takings=5))
    assert not is_over(measured(TEN, limit, orders=9, takings=5))


# --- on a broker --------------------------------------------------------------------------------


async def sell(client: Client, amounts: Sequence[Any], name: str = "order.paid") -> None:
    entity, verb = name.split(".")
    field = "euro" if entity == "price" else "amount"
    async with client.emitter() as emitter:
        for number, amount in enumerate(amounts):
            await emitter.emit(
                entity, verb, scope="shop", id=str(number), data={field: amount}, certain=True
            )


async def test_counts_sums_and_last_values_of_events_are_measured(
    broker: Broker, prefix: str
) -> None:
    parts = [
        TEN,
        SubGoal(name="takings", source="takings", target=100),
        SubGoal(name="price", source="price", target=5, start=9, direction="at_most"),
    ]
    async with at_work(broker, prefix, planner) as client:
        before = datetime.now(UTC) - timedelta(seconds=1)
        await sell(client, [10, 15.5, -3, "x", True, 4])
        await sell(client, [9, 6, 7], "price.set")
        told = await client.run(PLAN_GOAL, goal(*parts, since=before), type=GoalReport, wait="30s")
    values = [(one.value, one.events, one.unusable) for one in told.sub_goals]
    assert values == [(6, 6, 0), (29.5, 3, 1), (7, 3, 0)]
    assert [one.fraction for one in told.sub_goals] == [0.6, 0.295, 0.5]
    assert told.state == "open"
    assert told.looks == 1


async def test_figures_of_the_monitor_are_measured(
    broker: Broker,
    prefix: str,
    watching: Watching,  # noqa: F811 - the fixture
) -> None:
    problem = GoalProblem(
        goal="Keep up.",
        sources={"letters": Source(figure="letters"), "odd": Source(figure="health")},
        sub_goals=[
            SubGoal(name="none", source="letters", target=0, direction="at_most"),
            SubGoal(name="odd", source="odd", target=1),
        ],
    )
    async with (
        at_work(broker, prefix, planner) as client,
        watching() as monitor,
        Service(
            client.connection, prefix, NAME, version="1.0.0", endpoints=Views(monitor).endpoints()
        ),
    ):
        told = await client.run(PLAN_GOAL, problem, type=GoalReport, wait="30s")
    assert [(one.state, one.value, one.unusable) for one in told.sub_goals] == [
        ("kept", 0, 0),
        ("open", None, 1),
    ]


async def test_a_watched_goal_tells_its_progress_that_it_stalls_and_is_reached(
    broker: Broker, prefix: str
) -> None:
    part = SubGoal(name="four", source="orders", target=4, stalled_after=0.5)
    problem = goal(part, watch=True, every=0.2)
    async with at_work(broker, prefix, planner) as client:
        events = client.events("goal.>", since="1h")
        task = await client.submit(PLAN_GOAL, problem)

        async def until(name: str) -> Any:
            async with asyncio.timeout(20):
                while (event := await anext(events)).name != name:
                    pass
            return event

        stalled = await until("goal.stalled")
        # What an alert rule says of it: see the page about goals.
        alert = declare(
            "alert.goal", after="goal.stalled", missing="goal.progressed", within=60, by="scope"
        )
        matcher = Matcher(alert)
        assert matcher.feed(stalled, 0) == []
        assert len(matcher.advance(61_000_000_000)) == 1
        assert (stalled.scope, stalled.data["sub_goal"]) == ("sell", "four")
        await sell(client, [1, 1])
        progressed = await until("goal.progressed")
        assert progressed.data["fraction"] in (0.25, 0.5)
        await sell(client, [1, 1])
        reached = await until("goal.reached")
        assert reached.data["value"] == 4
        await until("goal.completed")
        told = msgspec.convert(await client.result(task), GoalReport)
    assert (told.state, told.fraction, told.sub_goals[0].events) == ("reached", 1.0, 4)


async def test_a_goal_whose_time_is_over_is_late(broker: Broker, prefix: str) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=1.5)
    part = SubGoal(name="ten", source="orders", target=10, by=soon)
    async with at_work(broker, prefix, planner) as client:
        told = await client.run(
            PLAN_GOAL, goal(part, watch=True, every=60), type=GoalReport, wait="30s"
        )
        late = await anext(client.events("goal.late", since="1h"))
    assert told.state == "late"
    assert late.data["sub_goal"] == "ten"


async def test_each_event_counts_once_though_the_watching_worker_is_killed(
    broker: Broker,
    prefix: str,
    workers: Start,  # noqa: F811 - the fixture
) -> None:
    problem = goal(SubGoal(name="all", source="takings", target=60), watch=True, every=0.3)
    stock = "pepperpy_capabilities.planning.planner_agent:agent"
    async with at_work(broker, prefix) as client:
        for stream, config in (
            ("TASKS", task_consumer(client.prefix, PLAN_GOAL, high=False)),
            ("RESUME", resume_consumer(client.prefix, PLAN_GOAL)),
        ):
            config["ack_wait"] = 1_000_000_000
            await ensure_consumer(client.connection, stream_name(client.prefix, stream), config)
        worker = workers(broker.url, stock)
        events = client.events("goal.progressed", since="1h")
        task = await client.submit(PLAN_GOAL, problem)
        await asyncio.sleep(0)
        for _ in range(3):
            await sell(client, [10, 10])
            async with asyncio.timeout(30):
                await anext(events)
            worker.kill()
            worker = workers(broker.url, stock)
        told = msgspec.convert(await client.result(task, wait="30s"), GoalReport)
    assert (told.state, told.sub_goals[0].value, told.sub_goals[0].events) == ("reached", 60, 6)


async def test_a_model_takes_a_goal_apart_and_is_told_what_cannot_be_measured(
    broker: Broker,
    prefix: str,
    serving: Serving,  # noqa: F811 - the fixture
    llmock: LLMock,
) -> None:
    def says(source: str) -> Reply:
        part = {"name": "a", "source": source, "target": 10, "within_hours": 24}
        return Reply(text=json.dumps({"sub_goals": [part]}))

    llmock.add(says("visits"), says("orders"), *[says("visits")] * 3)
    declaration = DECLARATION.format(url=llmock.base_url("openai"))
    async with (
        serving(declaration=declaration, environ={"MOCK_KEY": "k"}),
        at_work(broker, prefix, planner) as client,
    ):
        told = await client.run(PLAN_GOAL, goal(by="model"), type=GoalReport, wait="60s")
        with pytest.raises(BadOutput, match="there is no source visits"):
            await client.run(PLAN_GOAL, goal(by="model"), wait="60s")
    assert [(one.name, one.source, one.target) for one in told.plan] == [("a", "orders", 10)]
    assert told.plan[0].by is not None
    assert "there is no source visits" in llmock.requests[1].body["messages"][-1]["content"]


async def test_bad_goals_are_typed_errors_and_the_worker_lives(broker: Broker, prefix: str) -> None:
    async with at_work(broker, prefix, planner) as client:
        for problem, error in (
            (goal(), BadProblem),
            ({"goal": "g", "sources": {}}, BadPayload),
            ({"goal": "g", "sources": {"a": {"events": "x" * 10_000_000}}}, BadPayload),
            (
                {
                    "goal": "g",
                    "sources": {"a": {"events": "a.b"}},
                    "sub_goals": [{"name": "a", "source": "a", "target": "NaN"}],
                },
                BadPayload,
            ),
        ):
            with pytest.raises(error):
                await client.run(PLAN_GOAL, problem, wait="30s")
        told = await client.run(PLAN_GOAL, goal(TEN), type=GoalReport, wait="30s")
        assert told.fraction == 0
