"""The stock agent `planner` on a real broker: plans, and lives whatever it is sent."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from pepperpy import Client
from pepperpy.stack.broker import Broker
from pepperpy_agents.worker import Worker, WorkerOptions
from pepperpy_bus.opening import connect
from pepperpy_capabilities.planning.planner_agent import agent
from pepperpy_schemas.action_plans import (
    MAX_PDDL,
    PLAN_ACTIONS,
    ActionPlan,
    ActionProblem,
    ActionSpec,
)
from pepperpy_schemas.errors import BadPayload, BadProblem, Infeasible, TooBig, TooLong
from pepperpy_schemas.resource_plans import (
    PLAN_SCHEDULE,
    JobSpec,
    SchedulePlan,
    ScheduleProblem,
    TaskSpec,
)
from tests.capabilities.planning.planning import ROOMS, job_shop, pddl, sliding_puzzle

LARGE = [{"name": f"task {number}", "duration": 1} for number in range(200_000)]
"""Eight million bytes of tasks."""


@pytest.fixture
async def client(broker: Broker, prefix: str) -> AsyncIterator[Client]:
    async with connect(broker.url, bus__prefix=prefix) as one:
        yield one


@pytest.fixture(autouse=True)
async def planner(broker: Broker, prefix: str) -> AsyncIterator[None]:
    async with connect(broker.url, bus__prefix=prefix) as own:
        worker = Worker(agent, own, WorkerOptions(concurrency=4, grace=1.0))
        running = asyncio.create_task(worker.run(), name="planner")
        try:
            async with asyncio.timeout(20):
                while not worker.ready and not running.done():
                    await asyncio.sleep(0.01)
            yield
        finally:
            worker.stop()
            await running


async def test_actions_and_schedules_are_planned_on_their_topics(client: Client) -> None:
    plan = await client.run(PLAN_ACTIONS, ROOMS, type=ActionPlan, wait="60s")
    assert [step.arguments for step in plan.steps] == [["Hall", "Küche"], ["Küche", "Garden"]]
    schedule = await client.run(PLAN_SCHEDULE, job_shop("ft06"), type=SchedulePlan, wait="60s")
    assert (schedule.makespan, schedule.optimal) == (55, True)


async def test_what_is_wrong_is_said_and_the_worker_goes_on(client: Client) -> None:
    late = TaskSpec(name="t", duration=9, deadline=8)
    circle = TaskSpec(name="t", duration=1, after=["t"])
    unusable: list[tuple[str, Any, Any]] = [
        (PLAN_ACTIONS, ActionProblem(), BadProblem),
        (PLAN_ACTIONS, ActionProblem(domain="(define", problem="()"), BadProblem),
        (PLAN_ACTIONS, ActionProblem(domain="x" * (MAX_PDDL + 1), problem="()"), BadPayload),
        (PLAN_ACTIONS, {"domain": 1}, BadPayload),
        (
            PLAN_ACTIONS,
            {"objects": {str(number): "object" for number in range(500_000)}},
            BadPayload,
        ),
        (PLAN_SCHEDULE, ScheduleProblem(jobs=[JobSpec(name="a", tasks=[late])]), Infeasible),
        (PLAN_SCHEDULE, ScheduleProblem(jobs=[JobSpec(name="a", tasks=[circle])]), BadProblem),
        (PLAN_SCHEDULE, {"jobs": [{"name": "a", "tasks": LARGE}]}, TooBig),
        (PLAN_SCHEDULE, {"jobs": [], "seconds": -1}, BadPayload),
        (
            PLAN_SCHEDULE,
            {"jobs": [{"name": "a", "tasks": [{"name": "t", "duration": -1}]}]},
            BadPayload,
        ),
    ]
    # Of fifty objects there are more than a billion ways to choose six.
    many = ActionSpec(
        name="many",
        parameters={f"p{number}": "object" for number in range(6)},
        then=[" ".join(["all", *(f"p{number}" for number in range(6))])],
    )
    endless = ActionProblem(
        objects={f"o{number}": "object" for number in range(50)},
        actions=[many],
        goal=["all o0 o1 o2 o3 o4 o5"],
        seconds=5.0,
    )
    unusable.append((PLAN_ACTIONS, endless, (TooLong, TooBig)))
    for topic, problem, error in unusable:
        with pytest.raises(error):
            await client.run(topic, problem, wait="60s")
    plan = await client.run(PLAN_ACTIONS, pddl("blocks-4-0"), type=ActionPlan, wait="60s")
    assert plan.cost == 6


async def test_a_problem_without_an_end_ends_in_its_time(client: Client) -> None:
    problem = msgspec.structs.replace(sliding_puzzle(), seconds=3.0)
    with pytest.raises(TooLong) as raised:
        await client.run(PLAN_ACTIONS, problem, wait="60s")
    assert raised.value.context["seconds"] <= 3.0


async def test_the_best_that_was_found_arrives_when_the_time_is_over(client: Client) -> None:
    # Fisher and Thompson's ten by ten: open for 26 years, then found to be 930.
    problem = job_shop("ft10", seconds=6.0)
    plan = await client.run(PLAN_SCHEDULE, problem, type=SchedulePlan, wait="60s")
    assert plan.bound <= 930 <= plan.makespan
    assert not plan.optimal
    assert f"the end is not below {plan.bound}" in plan.explanation


async def test_of_many_problems_at_once_none_loses_its_time_by_waiting(client: Client) -> None:
    problem = msgspec.structs.replace(pddl("blocks-4-0"), seconds=60.0)
    asked = [client.run(PLAN_ACTIONS, problem, type=ActionPlan, wait="120s") for _ in range(12)]
    assert {plan.cost for plan in await asyncio.gather(*asked)} == {6}
