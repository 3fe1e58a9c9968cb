"""Premises translated for a solver: its answer wins, both are shown, and what cannot be is told."""

import json
from typing import Any

import msgspec
import pytest
from llmock.pytest_plugin import LLMock

from pepperpy_bus.bodies import to_json
from pepperpy_capabilities.means import Means
from pepperpy_capabilities.reasoning.models import kinds
from pepperpy_capabilities.reasoning.models.reasoner import ModelReasoner
from pepperpy_capabilities.workshop import Workshop
from pepperpy_schemas.model_reasoning import DeductiveAnswer, DeductiveProblem
from tests.capabilities.reasoning.constraints.puzzles import knapsack, zebra
from tests.capabilities.reasoning.models.conftest import Served
from tests.capabilities.reasoning.models.saying import HOLDS, MORTAL, MORTAL_RULES, SOCRATES, says


async def reason(served: Served, problem: DeductiveProblem) -> DeductiveAnswer:
    async with served() as client, Workshop() as workshop:
        means = Means(workshop, seconds=problem.seconds, llm=client.llm)
        answer: DeductiveAnswer = await ModelReasoner(kinds.DEDUCTIVE).reason(problem, means)
        return answer


def thinks(verdict: str, conclusion: str, *values: str, sure: float = 0.8) -> dict[str, Any]:
    """A model's own answer."""
    return {
        "conclusion": conclusion,
        "confidence": sure,
        "verdict": verdict,
        "values": list(values),
        "steps": [{"says": conclusion, "uses": ["G1"]}],
    }


def rules(text: str, query: str, *wanted: str) -> dict[str, Any]:
    """A translation into rules."""
    return {"rules": text, "query": query, "wanted": list(wanted)}


def told(llmock: LLMock, n: int) -> str:
    """The last message of a request, from 0."""
    text: str = llmock.requests[n].body["messages"][-1]["content"]
    return text


async def test_what_model_and_solver_say_alike_is_proved_and_sure(
    served: Served, llmock: LLMock
) -> None:
    llmock.add(*says(MORTAL, MORTAL_RULES, HOLDS))
    answer = await reason(served, SOCRATES)
    assert (answer.verdict, answer.proved, answer.confidence) == ("yes", True, 1.0)
    assert answer.conclusion == MORTAL["conclusion"]
    assert answer.proof is not None
    assert answer.proof.deduced is not None
    assert "proved by rules" in answer.explanation
    assert "mortal(socrates)   rule 1\n" in answer.explanation
    looked_at = json.loads(told(llmock, 2))
    assert looked_at["answer"]["translation"]["query"] == "mortal(socrates)"


# Lewis Carroll, Symbolic Logic (1896), book VIII, example 1: no ducks waltz, no officers ever
# decline to waltz, all my poultry are ducks. Carroll's answer: my poultry are not officers.
DUCKS = DeductiveProblem(
    premises=[
        "No ducks waltz.",
        "No officers ever decline to waltz.",
        "All my poultry are ducks.",
        "Hansel is of my poultry.",
    ],
    question="Is Hansel an officer?",
)
BOTH_WAYS = """\
-waltzes(X) :- duck(X).  waltzes(X) :- officer(X).  -officer(X) :- -waltzes(X).
duck(X) :- poultry(X).  poultry(hansel)."""
ONE_WAY = BOTH_WAYS.replace("-officer(X) :- -waltzes(X).", "")


@pytest.mark.parametrize(
    ("text", "assumed"), [(BOTH_WAYS, ""), (ONE_WAY, "officer(hansel)")], ids=["derived", "assumed"]
)
async def test_the_solvers_answer_wins_over_the_models_and_both_are_shown(
    served: Served, llmock: LLMock, text: str, assumed: str
) -> None:
    wrong = thinks("yes", "Hansel is an officer.", sure=0.8)
    llmock.add(*says(wrong, rules(text, "officer(hansel)"), HOLDS))
    answer = await reason(served, DUCKS)
    assert (answer.verdict, answer.conclusion, answer.proved) == ("no", "No.", True)
    assert answer.confidence == pytest.approx(0.6)  # one of the two is wrong
    assert answer.thought.verdict == "yes"
    assert answer.proof is not None
    assert answer.proof.assumed == assumed
    assert "the model itself would have said: Hansel is an officer." in answer.explanation
    found = "officer(hansel): no: the rules" if assumed else "-officer(hansel): yes"
    assert f"\n  {found}" in answer.explanation, "it is said what was asked of the rules"


async def test_what_is_not_said_is_unknown_unless_all_is_said(
    served: Served, llmock: LLMock
) -> None:
    text = rules("bird(tweety). flies(X) :- bird(X), healthy(X).", "flies(tweety)")
    guess = thinks("yes", "Birds fly.")
    llmock.add(*says(guess, text, HOLDS, guess, text, HOLDS))
    open_world = DeductiveProblem(premises=["Tweety is a bird."], question="Does Tweety fly?")
    closed = msgspec.structs.replace(open_world, closed=True)
    assert (await reason(served, open_world)).verdict == "unknown"
    assert (await reason(served, closed)).verdict == "no"


async def test_a_question_that_asks_who_has_names_for_an_answer(
    served: Served, llmock: LLMock
) -> None:
    text = rules(
        'parent("Ana", bo). parent(bo, cy). parent(bo, dan). '
        "grandchild(Z, X) :- parent(X, Y), parent(Y, Z).",
        "?- grandchild(Z, X).",
        "Z",
    )
    llmock.add(*says(thinks("values", "Dan and Mr Cy.", "Dan", "Mr Cy"), text, HOLDS))
    family = DeductiveProblem(premises=["…"], question="Who is a grandchild?")
    answer = await reason(served, family)
    assert (answer.verdict, answer.values, answer.confidence) == ("values", ["cy", "dan"], 1.0)


async def test_a_translation_is_mended_by_what_the_solver_says_of_it(
    served: Served, llmock: LLMock
) -> None:
    llmock.add(
        *says(
            MORTAL,
            rules("mortal(X) :- not god(X).", "mortal(socrates)"),
            rules("mortal(X) :- man(X)", "mortal(socrates)"),
            MORTAL_RULES,
            HOLDS,
        )
    )
    answer = await reason(served, SOCRATES)
    assert answer.proved
    assert answer.proof is not None
    assert answer.proof.repairs == 2
    assert "mortal(X) :- not god(X)." in told(llmock, 2)
    assert "positive condition" in told(llmock, 2)
    assert "syntax error" in told(llmock, 3)
    assert "mended 2 times" in answer.explanation


UNUSABLE = [
    (rules("mortal(X) :- ", "mortal(socrates)"), "syntax error"),
    (rules("#script (lua) os.exit(1) #end.", "mortal(socrates)"), "not allowed"),
    (rules("man(socrates).", "mortal(X)", "Y"), "no variable of the query"),
    (rules("n(0). n(X+1) :- n(X).", "n(-1)"), "not solved within"),
    ({"query": "mortal(socrates)"}, "rules"),
]


@pytest.mark.parametrize(("text", "why"), UNUSABLE)
async def test_without_a_translation_that_can_be_used_the_models_answer_is_unproved(
    served: Served, llmock: LLMock, text: dict[str, Any], why: str
) -> None:
    # The provider service has asked for the form again by itself.
    texts = [text] if "rules" in text else [text, text]
    llmock.add(*says(MORTAL, *texts, HOLDS))
    asked = msgspec.structs.replace(SOCRATES, repairs=0, seconds=9)
    answer = await reason(served, asked)
    assert (answer.verdict, answer.proved) == ("yes", False)
    assert answer.proof is not None
    assert answer.proof.verdict == "unknown"
    assert why in "; ".join(answer.proof.problems)
    assert "unproved: no translation into rules could be used" in answer.explanation
    assert answer.confidence == answer.thought.confidence == 0.9


async def test_a_contradiction_is_asked_about_once_and_then_believed(
    served: Served, llmock: LLMock
) -> None:
    text = rules("man(socrates). -man(X) :- man(X).", "mortal(socrates)")
    llmock.add(*says(MORTAL, text, text, HOLDS, MORTAL, text, MORTAL_RULES, HOLDS))
    answer = await reason(served, SOCRATES)
    assert "Is that what is given?" in told(llmock, 2)
    assert (answer.verdict, answer.conclusion) == (
        "contradiction",
        "What is given cannot all be so.",
    )
    assert (await reason(served, SOCRATES)).verdict == "yes"


ZEBRA = DeductiveProblem(
    premises=["There are five houses …", "The Englishman lives in the red house.", "…"],
    question="In which house, counted from the left, is the zebra?",
    solver="constraints",
)


def constraints(problem: Any, *wanted: str) -> dict[str, Any]:
    """A translation into constraints."""
    return {"problem": json.loads(to_json(problem)), "wanted": list(wanted)}


async def test_a_puzzle_in_words_is_solved_by_constraints_and_no_other_solution_says_otherwise(
    served: Served, llmock: LLMock
) -> None:
    guess = thinks("values", "It is in the third house.", "3")
    llmock.add(*says(guess, constraints(zebra(), "zebra"), HOLDS))
    answer = await reason(served, ZEBRA)
    assert (answer.verdict, answer.values, answer.proved) == ("values", ["5"], True)
    assert answer.thought.values == ["3"]
    assert answer.proof is not None
    assert answer.proof.constraints is not None


async def test_what_several_solutions_say_differently_is_unknown(
    served: Served, llmock: LLMock
) -> None:
    left_out = zebra()
    less = msgspec.structs.replace(left_out, constraints=left_out.constraints[:-1])
    guess = thinks("values", "It is in the fifth house.", "5")
    llmock.add(*says(guess, constraints(less, "zebra"), HOLDS))
    answer = await reason(served, ZEBRA)
    assert (answer.verdict, answer.values) == ("unknown", [])
    assert answer.proof is not None
    assert len({*map(tuple, answer.proof.possible)}) == 2


async def test_the_best_is_proved_to_be_the_best(served: Served, llmock: LLMock) -> None:
    # P01 of Burkardt's collection of knapsack problems: its best profit is 309.
    best = knapsack(
        [23, 31, 29, 44, 53, 38, 63, 85, 89, 82], [92, 57, 49, 68, 60, 43, 67, 84, 87, 72], 165
    )
    llmock.add(*says(thinks("values", "It is 300.", "300"), constraints(best), HOLDS))
    answer = await reason(served, msgspec.structs.replace(ZEBRA, question="What is most?"))
    assert answer.values == ["309"]


async def test_what_cannot_be_is_no(served: Served, llmock: LLMock) -> None:
    text = {
        "problem": {
            "variables": {"x": {"kind": "int", "low": 0, "high": 1}},
            "constraints": [{"kind": "linear", "name": "G1", "holds": "x >= 2"}],
        },
        "wanted": [],
    }
    unbounded = {"problem": {"variables": {"x": {"kind": "int"}}}, "wanted": []}
    strange = {"problem": {"variables": {"x": {"kind": "number"}}}, "wanted": []}
    llmock.add(*says(thinks("no", "No."), strange, unbounded, text, HOLDS))
    answer = await reason(served, ZEBRA)
    assert (answer.verdict, answer.proved) == ("no", True)
    assert "variables" in told(llmock, 2)
    assert "variables.x has no low" in told(llmock, 3)
