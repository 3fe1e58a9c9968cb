"""The reasoner of decisions does what every reasoner must."""

from typing import ClassVar

from pepperpy_capabilities.conformance import ReasonerConformance
from pepperpy_capabilities.means import Means
from pepperpy_capabilities.reasoning.deciding.deciding import decide
from pepperpy_capabilities.reasoning.deciding.reasoner import DecisionReasoner
from pepperpy_capabilities.workshop import Workshop
from pepperpy_schemas.problems import Problem
from tests.capabilities.reasoning.deciding.problems import AIRCRAFT, decision
from tests.capabilities.reasoning.deciding.test_deciding import WRONG


class TestDecisions(ReasonerConformance):
    problem = AIRCRAFT
    malformed: ClassVar[list[Problem]] = [problem for problem, _ in WRONG.values()]

    def make(self) -> DecisionReasoner:
        return DecisionReasoner()


async def test_a_large_one_is_decided_in_another_process() -> None:
    rows: dict[str, list[float | None]] = {f"o{n}": [n % 37, n % 11] for n in range(400)}
    problem = decision({"a": ("more", 1), "b": ("less", 1)}, rows)
    async with Workshop() as workshop:
        answer = await DecisionReasoner().reason(problem, Means(workshop, seconds=60))
    assert answer == decide(problem)
