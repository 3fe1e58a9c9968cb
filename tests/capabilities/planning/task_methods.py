"""Declared methods and topics that tests of task plans share."""

from typing import Any

from pepperpy_schemas.task_plans import Method, Step, TaskProblem, TopicShape

TEXT = {"type": "string"}


def method(task: str, name: str, *steps: Step, **more: Any) -> Method:
    return Method(task=task, name=name, steps=list(steps), **more)


def step(name: str, task: str = "", **more: Any) -> Step:
    return Step(name=name, task=task or name, **more)


def shape(topic: str, output: Any = None, **fields: Any) -> TopicShape:
    """A topic that takes an object with these fields, all of them needed."""
    taken = {"type": "object", "properties": fields, "required": list(fields)}
    return TopicShape(topic=topic, input=taken, output=output or {})


WAY = {"from": TEXT, "to": TEXT}
TAXI = "${get_taxi.result.taxi}"
WAY_INPUT = {"from": "${input.from}", "to": "${input.to}"}

# Nau, Ghallab, Traverso, "Automated Planning" (2004), chapter 11: travel from the University of
# Maryland to the MIT, by a flight and two taxis. The book tells long ways by distances.
TRAVEL = [
    method(
        "travel",
        "by_foot",
        step("walk", input=WAY_INPUT),
        when="input.far == 'no'",
    ),
    method(
        "travel",
        "by_taxi",
        step("get_taxi", input={"at": "${input.from}"}),
        step("ride", input={**WAY_INPUT, "taxi": TAXI}),
        step(
            "pay_driver", input={"taxi": "${get_taxi.result.taxi}", "fare": "${ride.result.fare}"}
        ),
        when="input.far == 'some'",
        ordered=True,
    ),
    method(
        "travel",
        "by_air",
        step("get_ticket", input={"from": "${input.airports[0]}", "to": "${input.airports[1]}"}),
        step(
            "to_airport",
            "travel",
            input={"from": "${input.from}", "to": "${input.airports[0]}", "far": "some"},
        ),
        step("fly", input={"ticket": "${get_ticket.result.ticket}"}),
        step(
            "from_airport",
            "travel",
            input={"from": "${input.airports[1]}", "to": "${input.to}", "far": "some"},
        ),
        when="input.far == 'yes'",
        ordered=True,
    ),
]
TRAVEL_TOPICS = [
    shape("walk", **WAY),
    shape("get_taxi", {"type": "object", "properties": {"taxi": TEXT}}, at=TEXT),
    shape("ride", {"type": "object", "properties": {"fare": {"type": "number"}}}, **WAY, taxi=TEXT),
    shape("pay_driver", taxi=TEXT, fare={"type": "number"}),
    shape("get_ticket", {"type": "object", "properties": {"ticket": TEXT}}, **WAY),
    shape("fly", ticket=TEXT),
]
TO_MIT = TaskProblem(
    goal="travel",
    input={"from": "UMD", "to": "MIT", "far": "yes", "airports": ["BWI", "Logan"]},
    methods=TRAVEL,
    shapes=TRAVEL_TOPICS,
)
