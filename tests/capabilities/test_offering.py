"""Users' own reasoners, learners and planners, by entry point."""

from importlib.metadata import EntryPoint
from typing import Any

import pytest

from pepperpy_agents.agent import Agent
from pepperpy_capabilities.conformance import ReasonerConformance
from pepperpy_capabilities.means import Means
from pepperpy_capabilities.offering import LEARNERS, PLANNERS, REASONERS, answer_problems, every
from pepperpy_capabilities.reasoning.built_in import BUILT_IN
from pepperpy_capabilities.workshop import Workshop
from pepperpy_schemas.errors import BadConfig, BadProblem
from pepperpy_schemas.problems import Answer, Problem


class Sum(Problem, frozen=True, kw_only=True):
    """Numbers that shall be added up."""

    numbers: list[int]


class Total(Answer, frozen=True, kw_only=True):
    total: int


class Sums:
    name = "sums"
    problem = Sum
    answer = Total

    async def reason(self, problem: Sum, means: Means) -> Total:
        if not problem.numbers:
            raise BadProblem("numbers is empty", context={"field": "numbers"})
        total = await means.run(sum, problem.numbers)
        return Total(total=total, explanation=" + ".join(map(str, problem.numbers)))


class TestSums(ReasonerConformance):
    """What the page of reasoning shows: a user's own passes the same tests."""

    problem = Sum(numbers=[1, 2])
    malformed = (Sum(numbers=[]),)

    def make(self) -> Sums:
        return Sums()


class Nameless:
    problem = Sum


class Broken:
    def __init__(self) -> None:
        raise RuntimeError("no licence")


@pytest.fixture
def entry_points(monkeypatch: pytest.MonkeyPatch) -> Any:
    def declare(**names: str) -> None:
        def points(*, group: str) -> list[EntryPoint]:
            if group != REASONERS.group:
                return []
            return [EntryPoint(name, f"{__name__}:{what}", group) for name, what in names.items()]

        monkeypatch.setattr("importlib.metadata.entry_points", points)

    return declare


def test_an_installed_one_stands_beside_the_built_in(entry_points: Any) -> None:
    entry_points(sums="Sums")
    names = [one.name for one in every(REASONERS, BUILT_IN)]
    assert names == [*(one.name for one in BUILT_IN), "sums"]
    assert every(PLANNERS, ()) == []


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("Missing", "cannot be made: AttributeError"),
        ("Broken", "cannot be made: RuntimeError: no licence"),
        ("Nameless", "has no name, answer, reason"),
    ],
)
def test_one_that_cannot_be_used_is_named(entry_points: Any, what: str, said: str) -> None:
    entry_points(mine=what)
    with pytest.raises(BadConfig, match=said) as caught:
        every(REASONERS, BUILT_IN)
    assert "mine of pepperpy.reasoners" in caught.value.message


def test_two_of_one_name_are_refused(entry_points: Any) -> None:
    entry_points(one="Sums", other="Sums")
    with pytest.raises(BadConfig, match="named sums"):
        every(REASONERS, BUILT_IN)


def test_its_topic_has_its_types() -> None:
    agent, workshop, one = Agent("mine"), Workshop(), Sums()
    answer_problems(
        agent,
        workshop,
        topic=REASONERS.topic(one.name),
        problem=one.problem,
        answer=one.answer,
        solve=one.reason,
    )
    spec = agent.tasks["reason-sums"]
    assert (spec.handler.input, spec.handler.output) == (Sum, Total)
    assert spec.handler.doc == "Numbers that shall be added up."
    assert LEARNERS.topic("online") == "learn-online"
