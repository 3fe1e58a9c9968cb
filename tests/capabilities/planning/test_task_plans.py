"""Plans of tasks carried out on a real broker: changed when tasks fail, nothing done twice."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from pepperpy import Agent, Client, connect
from pepperpy.stack.broker import Broker
from pepperpy_agents.graphs.orchestrator import agent as orchestrator
from pepperpy_agents.worker import Worker, WorkerOptions
from pepperpy_bus.graphs.graph import TOPIC as ORCHESTRATE
from pepperpy_bus.streams.consumers import resume_consumer, task_consumer
from pepperpy_bus.streams.provision import ensure_consumer
from pepperpy_capabilities.planning.planner_agent import agent as planner
from pepperpy_schemas.errors import (
    BadPayload,
    BadProblem,
    PlanFailed,
    TooBig,
    UnknownTopic,
)
from pepperpy_schemas.subjects import stream_name
from pepperpy_schemas.task_plans import PLAN_TASKS, Method, TaskPlan, TaskProblem
from tests.capabilities.planning.task_methods import method, step
from tests.worker_processes import Start, WorkerProcess, workers  # noqa: F401 - a fixture

STOCK = (
    "pepperpy_agents.graphs.orchestrator:agent",
    "pepperpy_capabilities.planning.planner_agent:agent",
)
TOPICS = ("fetch", "make_fast", "make_slow", "store", "count")


class Factory:
    """Handlers that count what they have done, and fail as often as they are told to."""

    def __init__(self, failures: dict[tuple[str, int], int] | None = None) -> None:
        self.done: Counter[tuple[str, int]] = Counter()
        self.failed: Counter[tuple[str, int]] = Counter()
        self.on_call: Callable[[str, int], Awaitable[None]] | None = None
        self._failures = failures or {}
        self.agent = Agent("factory")
        for topic in TOPICS[:4]:
            self.agent.task(topic, retries=0)(self._handler(topic))

        @self.agent.task("count", retries=0)
        async def count(parts: list[str]) -> int:
            return len(parts)

    def _handler(self, topic: str) -> Callable[[Any], Awaitable[str]]:
        async def work(n: int) -> str:
            if self.on_call is not None:
                await self.on_call(topic, n)
            if self.failed[topic, n] < self._failures.get((topic, n), 0):
                self.failed[topic, n] += 1
                raise ValueError(f"{topic} {n} is broken")
            self.done[topic, n] += 1
            return f"{topic} {n}"

        async def handle(data: dict[str, Any]) -> str:
            return await work(data["n"])

        handle.__name__ = topic
        return handle


def factory_methods() -> list[Method]:
    """Ten parts of three tasks each, whose second can be made in two ways; one counts them."""
    number = {"n": "${input}"}
    return [
        method(
            "build",
            "all_parts",
            step("part", "part", each="${input.numbers}"),
            output={"parts": "${part.result}"},
        ),
        method(
            "part",
            "in_three",
            step("fetch", input=number),
            step("make", input={**number, "of": "${fetch.result}"}),
            step("keep", input={**number, "of": "${make.result}"}),
            output="${keep.result}",
        ),
        method("make", "fast", step("make_fast", input="${input}"), output="${make_fast.result}"),
        method("make", "slow", step("make_slow", input="${input}"), output="${make_slow.result}"),
        method(
            "keep", "store", step("store", input="${input}"), output="${store.result}", attempts=3
        ),
    ]


BUILD = TaskProblem(
    goal="build", input={"numbers": list(range(10))}, methods=factory_methods(), run=True
)
FAILURES = {
    ("make_fast", 1): 1,
    ("make_fast", 4): 1,
    ("store", 2): 2,
    ("make_fast", 7): 1,
}
"""Five failures: three are made in another way, one is tried again twice."""


@contextlib.asynccontextmanager
async def at_work(broker: Broker, prefix: str, *agents: Agent) -> AsyncIterator[Client]:
    async with contextlib.AsyncExitStack() as stack:
        client = await stack.enter_async_context(connect(broker.url, bus__prefix=prefix))
        for agent in agents:
            own = await stack.enter_async_context(connect(broker.url, bus__prefix=prefix))
            worker = Worker(agent, own, WorkerOptions(concurrency=32, grace=1.0))
            running = asyncio.create_task(worker.run(), name=f"worker {agent.name}")

            async def end(worker: Worker = worker, running: "asyncio.Task[Any]" = running) -> None:
                worker.stop()
                await running

            stack.push_async_callback(end)
            async with asyncio.timeout(20):
                while not worker.ready and not running.done():
                    await asyncio.sleep(0.01)
        yield client


def once_each(factory: Factory) -> None:
    """Every effect was there once, those of tasks before and after a failure among them."""
    assert set(factory.done.values()) == {1}
    slow = {1, 4, 7}
    assert set(factory.done) == {
        *(("fetch", n) for n in range(10)),
        *(("store", n) for n in range(10)),
        *(("make_slow" if n in slow else "make_fast", n) for n in range(10)),
    }


def complete(plan: TaskPlan) -> None:
    """The plan of thirty tasks is done, and says how."""
    assert plan.done
    assert len(plan.tasks) == 30
    assert {one.state for one in plan.tasks} == {"completed"}
    assert plan.result == {"parts": [f"store {n}" for n in range(10)]}
    failed = [one.name for change in plan.replanned for one in change.failed]
    assert len(failed) == 5


async def test_a_plan_of_thirty_tasks_with_five_failures_is_changed_and_completes_once(
    broker: Broker, prefix: str
) -> None:
    factory = Factory(FAILURES)
    async with at_work(broker, prefix, factory.agent, orchestrator, planner) as client:
        events = client.events("plan.>", since="1h")
        plan = await client.run(PLAN_TASKS, BUILD, type=TaskPlan, wait="60s")
        complete(plan)
        once_each(factory)
        assert factory.failed == FAILURES
        told = [await anext(events) for _ in range(len(plan.replanned) + 1)]
    assert [one.name for one in told] == ["plan.made", *["plan.changed"] * len(plan.replanned)]
    changes = [line for change in plan.replanned for line in change.changes]
    assert "make_fast_2: make: slow instead of make: fast" in changes
    assert sum("keep: store (attempt 2) instead of keep: store" in one for one in changes) == 1
    assert "completed tasks were kept" in plan.explanation
    made = {one.name: one for one in plan.tasks}
    assert made["make_slow"].plan == 2
    assert made["make_slow"].made_by[-1] == "make: slow"


async def test_a_plan_goes_on_when_its_worker_is_killed_in_the_middle(
    broker: Broker,
    prefix: str,
    tmp_path: Path,
    workers: Start,  # noqa: F811 - the fixture
) -> None:
    factory, kills = Factory(FAILURES), [("fetch", 3), ("make_slow", 4), ("store", 2)]
    stock: list[WorkerProcess] = []

    async def kill(topic: str, n: int) -> None:
        if (topic, n) in kills:
            kills.remove((topic, n))
            stock[-1].kill()
            stock.append(workers(broker.url, *STOCK, ready=False))

    factory.on_call = kill
    async with at_work(broker, prefix, factory.agent) as client:
        for topic in (ORCHESTRATE, PLAN_TASKS):
            for stream, config in (
                ("TASKS", task_consumer(client.prefix, topic, high=False)),
                ("RESUME", resume_consumer(client.prefix, topic)),
            ):
                config["ack_wait"] = 1_000_000_000
                await ensure_consumer(client.connection, stream_name(client.prefix, stream), config)
        stock.append(workers(broker.url, *STOCK))
        plan = await client.run(PLAN_TASKS, BUILD, type=TaskPlan, wait="100s")
    complete(plan)
    once_each(factory)
    assert kills == []
    assert len(stock) == 4


async def test_what_is_completed_stands_for_the_same_task_of_another_method(
    broker: Broker, prefix: str
) -> None:
    factory = Factory({("make_fast", 1): 1})
    one = {"n": 1}
    problem = TaskProblem(
        goal="all",
        methods=[
            method(
                "all", "a", step("fetch", input=one), step("make_fast", input=one), ordered=True
            ),
            method(
                "all",
                "b",
                step("fetch", input=one),
                step("make_slow", input=one),
                ordered=True,
                output="${make_slow.result} of ${fetch.result}",
            ),
        ],
        run=True,
    )
    async with at_work(broker, prefix, factory.agent, orchestrator, planner) as client:
        plan = await client.run(PLAN_TASKS, problem, type=TaskPlan, wait="60s")
    assert plan.result == "make_slow 1 of fetch 1"
    assert factory.done == {("fetch", 1): 1, ("make_slow", 1): 1}


async def test_a_plan_without_another_way_says_what_failed_and_what_is_done(
    broker: Broker, prefix: str
) -> None:
    factory = Factory({("make_fast", 1): 9, ("make_slow", 1): 9})
    less = TaskProblem(goal="build", input={"numbers": [0, 1]}, methods=factory_methods(), run=True)
    async with at_work(broker, prefix, factory.agent, orchestrator, planner) as client:
        with pytest.raises(PlanFailed) as caught:
            await client.run(PLAN_TASKS, less, wait="60s")
    error = caught.value
    assert "no other way" in str(error)
    assert error.context["failed"] == ["make_slow"]
    assert len(error.context["completed"]) == 4
    assert factory.done["fetch", 1] == 1


async def test_a_plan_is_changed_as_often_as_it_may_be(broker: Broker, prefix: str) -> None:
    factory = Factory({("store", 0): 9})
    few = TaskProblem(
        goal="build", input={"numbers": [0]}, methods=factory_methods(), run=True, replans=1
    )
    async with at_work(broker, prefix, factory.agent, orchestrator, planner) as client:
        with pytest.raises(PlanFailed, match="changed 1 times"):
            await client.run(PLAN_TASKS, few, wait="60s")
    assert factory.failed == {("store", 0): 2}


async def test_bad_problems_are_typed_errors_and_the_worker_lives(
    broker: Broker, prefix: str
) -> None:
    factory = Factory()
    number = {"n": 1}
    unusable: list[tuple[Any, type[Exception]]] = [
        (TaskProblem(goal="g", methods=[method("g", "m", step("a", "fetsch"))]), UnknownTopic),
        (TaskProblem(goal="g", methods=[method("g", "m", step("a", "g"))]), BadProblem),
        (TaskProblem(goal="g", methods=[method("g", "m", step("fetch", input=[1]))]), BadProblem),
        (
            TaskProblem(goal="g", methods=[method("g", "m", step("b", "g", input=["${input}"]))]),
            BadProblem,
        ),
        (
            TaskProblem(
                goal="g", methods=[method("g", "m", step("fetch"))], input="x" * 10_000_000
            ),
            TooBig,
        ),
        ({"goal": "g", "methods": [{"name": "m", "task": "g", "when": 5}]}, BadPayload),
        ({"goal": "g", "seconds": float("1e9")}, BadPayload),
    ]
    async with at_work(broker, prefix, factory.agent, orchestrator, planner) as client:
        for problem, error in unusable:
            with pytest.raises(error):
                await client.run(PLAN_TASKS, problem, wait="60s")
        good = TaskProblem(goal="g", methods=[method("g", "m", step("fetch", input=number))])
        plan = await client.run(PLAN_TASKS, good, type=TaskPlan, wait="60s")
        assert [one.topic for one in plan.tasks] == ["fetch"]
        assert not factory.done
