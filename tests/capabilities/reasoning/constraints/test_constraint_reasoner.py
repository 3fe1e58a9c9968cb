"""The reasoner of constraint problems does what every reasoner must."""

import random
from typing import ClassVar

import pytest

from pepperpy_capabilities.conformance import ReasonerConformance
from pepperpy_capabilities.means import Means
from pepperpy_capabilities.reasoning.constraints.reasoner import ConstraintReasoner
from pepperpy_capabilities.workshop import Workshop
from pepperpy_schemas.constraints import Constraint, ConstraintProblem, IntVariable, Linear
from pepperpy_schemas.errors import BadConfig
from pepperpy_schemas.problems import Problem
from tests.capabilities.reasoning.constraints.puzzles import FT06, job_shop, problem, queens, zebra
from tests.capabilities.reasoning.constraints.test_refused import WRONG


def market_split(rows: int, columns: int, seed: int = 1) -> ConstraintProblem:
    """Cornuejols and Dawande, 1998: small equations that no solver of this kind solves soon."""
    chance = random.Random(seed)
    equations = []
    for _ in range(rows):
        factors = [chance.randrange(100) for _ in range(columns)]
        text = " + ".join(f"{factor}*x{n}" for n, factor in enumerate(factors))
        equations.append(f"{text} == {sum(factors) // 2}")
    return problem({f"x{n}": {"kind": "bool"} for n in range(columns)}, list(equations))


class TestConstraints(ReasonerConformance):
    problem = zebra(ask="all")
    malformed: ClassVar[list[Problem]] = [model for model, _, _ in WRONG.values()]
    endless = market_split(5, 40)

    def make(self) -> ConstraintReasoner:
        return ConstraintReasoner()


class TestOptimum(ReasonerConformance):
    """The same schedule each time, though there are many that take 55."""

    problem = job_shop(FT06, 200, seed=7)

    def make(self) -> ConstraintReasoner:
        return ConstraintReasoner()


async def test_the_best_that_was_found_in_time_is_an_answer_with_its_bound() -> None:
    """What is left of equations that cannot all be met is made small: zero is never proved."""
    hard = market_split(6, 60)
    rows = range(len(hard.constraints))
    gap = IntVariable(low=0, high=100_000)
    constraints: list[Constraint] = []
    for n, one in enumerate(hard.constraints):
        assert isinstance(one, Linear)
        left, _, right = one.holds.partition(" == ")
        constraints.append(Linear(holds=f"{left} + under{n} - over{n} == {right}"))
    soft = ConstraintProblem(
        variables={
            **hard.variables,
            **{f"{way}{n}": gap for way in ("over", "under") for n in rows},
        },
        constraints=constraints,
        minimize=" + ".join(f"over{n} + under{n}" for n in rows),
    )
    async with Workshop(places=1) as workshop:
        # The process has the solver by now, so that all of the time is for the search.
        await ConstraintReasoner().reason(queens(4), Means(workshop, seconds=60))
        answer = await ConstraintReasoner().reason(soft, Means(workshop, seconds=8))
    assert answer.status == "feasible"
    assert answer.objective is not None
    assert answer.bound is not None
    assert 0 <= answer.bound < answer.objective
    assert answer.explanation.startswith("The best that was found in time is")


async def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pepperpy_bus.installing.find_spec", lambda name: None)
    async with Workshop() as workshop:
        with pytest.raises(BadConfig, match="solving constraints needs ortools") as refused:
            await ConstraintReasoner().reason(zebra(), Means(workshop, seconds=5))
    assert "[reasoning]" in refused.value.hint
