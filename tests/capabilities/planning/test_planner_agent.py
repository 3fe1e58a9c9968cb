"""The stock agent `planner` on a real broker: plans, and lives whatever it is sent."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from pepperpy import Client
from pepperpy.stack.broker import Broker
from pepperpy_agents.worker import Worker, WorkerOptions
from pepperpy_bus.opening import connect
from pepperpy_capabilities.planning.planner_agent import agent
from pepperpy_schemas.action_plans import MAX_PDDL, PLAN_ACTIONS, ActionPlan, ActionProblem
from pepperpy_schemas.errors import BadPayload, BadProblem, Infeasible, TooLong
from pepperpy_schemas.resource_plans import (
    PLAN_SCHEDULE,
    JobSpec,
    SchedulePlan,
    ScheduleProblem,
    TaskSpec,
)
from tests.capabilities.planning.planning import ROOMS, job_shop, pddl, sliding_puzzle


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
    unusable = [
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
        (PLAN_SCHEDULE, {"jobs": [], "seconds": -1}, BadPayload),
        (
            PLAN_SCHEDULE,
            {"jobs": [{"name": "a", "tasks": [{"name": "t", "duration": -1}]}]},
            BadPayload,
        ),
    ]
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
