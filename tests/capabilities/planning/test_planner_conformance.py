"""The built-in planners do what every planner must."""

from typing import ClassVar

import msgspec

from pepperpy_capabilities.conformance import PlannerConformance
from pepperpy_capabilities.planning.actions.planner import ActionPlanner
from pepperpy_capabilities.planning.schedule.planner import SchedulePlanner
from pepperpy_schemas.action_plans import ActionProblem
from pepperpy_schemas.problems import Problem
from pepperpy_schemas.resource_plans import JobSpec, ResourceSpec, ScheduleProblem, TaskSpec
from tests.capabilities.planning.planning import ROOMS, job_shop, pddl, sliding_puzzle


class TestActionPlanner(PlannerConformance):
    problem = pddl("blocks-sussman")
    malformed: ClassVar[list[Problem]] = [
        ActionProblem(),
        ActionProblem(domain="(define (domain d)", problem="(define (problem p) (:domain d))"),
        ActionProblem(domain="(" * 5000 + ")" * 5000, problem="()"),
        msgspec.structs.replace(ROOMS, goal=["at Cellar"]),
        msgspec.structs.replace(ROOMS, goal=["at Hall", "at Garden"]),
        msgspec.structs.replace(ROOMS, types={"room": "room"}),
    ]
    endless = sliding_puzzle()

    def make(self) -> ActionPlanner:
        return ActionPlanner()


LONG = [3 + number * 7 % 11 for number in range(1500)]
ONE = TaskSpec(name="t", duration=1)


class TestSchedulePlanner(PlannerConformance):
    problem = job_shop("ft06")
    malformed: ClassVar[list[Problem]] = [
        ScheduleProblem(jobs=[]),
        ScheduleProblem(jobs=[JobSpec(name="a", tasks=[ONE, ONE])]),
        ScheduleProblem(
            jobs=[JobSpec(name="a", tasks=[TaskSpec(name="t", duration=1, after=["t"])])]
        ),
        ScheduleProblem(
            jobs=[JobSpec(name="a", tasks=[TaskSpec(name="t", duration=9, deadline=8)])]
        ),
        ScheduleProblem(
            jobs=[JobSpec(name="a", tasks=[TaskSpec(name="t", duration=1, uses={"ann": 1})])]
        ),
    ]
    # Nothing is left over on any of the resources if all is done by then.
    endless = ScheduleProblem(
        resources={f"r{number}": ResourceSpec() for number in range(20)},
        jobs=[
            JobSpec(
                name="a",
                ordered=False,
                deadline=sum(LONG) // 20 + 1,
                tasks=[
                    TaskSpec(
                        name=f"t{number}",
                        duration=duration,
                        one_of=[f"r{n}" for n in range(20)],
                    )
                    for number, duration in enumerate(LONG)
                ],
            )
        ],
    )

    def make(self) -> SchedulePlanner:
        return SchedulePlanner()
