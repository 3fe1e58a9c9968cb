"""Plans that a model writes, over HTTP: repaired, carried out, and written anew after a failure."""

import contextlib
import json
from collections import Counter
from typing import Any

import msgspec
import pytest
from llmock.pytest_plugin import LLMock
from llmock.scenarios import Reply

from pepperpy import Agent
from pepperpy.stack.broker import Broker
from pepperpy_agents.graphs.orchestrator import agent as orchestrator
from pepperpy_capabilities.planning.planner_agent import agent as planner
from pepperpy_schemas.errors import BadOutput, PlanFailed
from pepperpy_schemas.task_plans import PLAN_TASKS, TaskPlan, TaskProblem
from tests.capabilities.planning.test_task_plans import at_work
from tests.provider_svc.gateway.conftest import Serving, serving  # noqa: F401 - a fixture

DECLARATION = """
[providers.mock]
kind = "openai"
base_url = "{url}"
keys = [{{env = "MOCK_KEY"}}]

[models.default]
targets = ["mock/gpt-4o"]
"""


class Person(msgspec.Struct):
    name: str


class Found(msgspec.Struct):
    city: str


class Trip(msgspec.Struct):
    city: str
    days: int


class Agency:
    """Handlers that count what they do; trains go nowhere."""

    def __init__(self) -> None:
        self.done: Counter[str] = Counter()
        self.agent = Agent("agency")

        @self.agent.task("locate", retries=0)
        async def locate(person: Person) -> Found:
            """Finds the city of a person."""
            self.done["locate"] += 1
            return Found("Rome")

        @self.agent.task("train", retries=0)
        async def train(trip: Trip) -> str:
            """Books a train."""
            raise ValueError("no train goes there")

        @self.agent.task("flight", retries=0)
        async def flight(trip: Trip) -> str:
            """Books a flight."""
            self.done["flight"] += 1
            return f"flight to {trip.city} for {trip.days} days"


def says(output: Any, **tasks: dict[str, Any]) -> Reply:
    """A plan as a model writes it."""
    written = [{"name": name, **one} for name, one in tasks.items()]
    return Reply(text=json.dumps({"tasks": written, "output": output}))


LOCATE = {"topic": "locate", "input": {"name": "${input.who}"}}
TRIP = {"city": "${where.result.city}", "days": 3}
GOAL = TaskProblem(
    goal="Book a trip to where Ana lives.",
    input={"who": "Ana"},
    by="model",
    topics=["locate", "train", "flight"],
    run=True,
    seconds=60,
)


@contextlib.asynccontextmanager
async def agency(broker: Broker, prefix: str, serving: Serving, llmock: LLMock) -> Any:  # noqa: F811
    one = Agency()
    declaration = DECLARATION.format(url=llmock.base_url("openai"))
    async with (
        serving(declaration=declaration, environ={"MOCK_KEY": "k"}),
        at_work(broker, prefix, one.agent, orchestrator, planner) as client,
    ):
        yield one, client


async def test_a_models_plan_is_repaired_run_and_written_anew_when_a_task_fails(
    broker: Broker,
    prefix: str,
    serving: Serving,  # noqa: F811 - the fixture
    llmock: LLMock,
) -> None:
    llmock.add(
        Reply(text="First I would …"),
        says(None, where=LOCATE, book={"topic": "trian", "input": TRIP}),
        says(None, where=LOCATE, book={"topic": "train", "input": {"city": 5}}),
        says("${book.result}", where=LOCATE, book={"topic": "train", "input": TRIP}),
        says(
            "${book.result}",
            where=LOCATE,
            book={"topic": "flight", "input": TRIP, "after": ["where"]},
        ),
    )
    async with agency(broker, prefix, serving, llmock) as (one, client):
        problem = msgspec.structs.replace(GOAL, repairs=3)
        plan = await client.run(PLAN_TASKS, problem, type=TaskPlan, wait="60s")
    assert plan.result == "flight to Rome for 3 days"
    assert one.done == {"locate": 1, "flight": 1}
    assert [(task.topic, task.plan) for task in plan.tasks] == [("locate", 1), ("flight", 2)]
    assert plan.replanned[0].failed[0].topic == "train"
    asked = [body["messages"][-1]["content"] for body in (each.body for each in llmock.requests)]
    assert len(asked) == 5
    assert "Finds the city of a person." in asked[0]
    assert "does not fit the JSON schema" in asked[1]
    assert "did you mean train?" in asked[2]
    assert "input.days: is missing" in asked[3]
    assert 'where (locate) returned {"city":"Rome"}' in asked[4]
    assert "no train goes there" in asked[4]


async def test_a_model_that_never_writes_a_plan_ends_in_an_error_that_says_why(
    broker: Broker,
    prefix: str,
    serving: Serving,  # noqa: F811 - the fixture
    llmock: LLMock,
) -> None:
    circle = says(
        None,
        a={"topic": "locate", "input": {"name": "x"}, "after": ["b"]},
        b={"topic": "locate", "input": {"name": "x"}, "after": ["a"]},
    )
    llmock.add(circle, circle, circle)
    async with agency(broker, prefix, serving, llmock) as (one, client):
        with pytest.raises(BadOutput, match="cycle") as caught:
            await client.run(PLAN_TASKS, GOAL, wait="60s")
    assert "after 2 repairs" in str(caught.value)
    assert not one.done


async def test_a_model_without_another_plan_ends_the_run(
    broker: Broker,
    prefix: str,
    serving: Serving,  # noqa: F811 - the fixture
    llmock: LLMock,
) -> None:
    nothing = Reply(text="I cannot.")
    llmock.add(
        says(None, where=LOCATE, book={"topic": "train", "input": TRIP}),
        nothing,
        nothing,
        nothing,
    )
    async with agency(broker, prefix, serving, llmock) as (one, client):
        with pytest.raises(PlanFailed) as caught:
            await client.run(PLAN_TASKS, GOAL, wait="60s")
    assert caught.value.context["completed"] == ["where"]
    assert one.done == {"locate": 1}
