"""What has no solution names constraints that exclude each other, each of which is needed."""

import time
from itertools import count, pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pepperpy_capabilities.reasoning.constraints.conflicts import conflict
from pepperpy_capabilities.reasoning.constraints.explaining import explain
from pepperpy_capabilities.reasoning.constraints.searching import UNKNOWN, Search
from pepperpy_capabilities.reasoning.constraints.solving import solve
from pepperpy_schemas.constraints import ConstraintAnswer, ConstraintProblem
from tests.capabilities.reasoning.constraints.puzzles import (
    FT06,
    different,
    job_shop,
    problem,
    queens,
    whole,
)


def solved(model: ConstraintProblem, seconds: float = 60.0) -> ConstraintAnswer:
    return solve(model, seconds, time.time() + seconds)


def test_the_conflict_of_a_rota_is_the_one_that_was_put_in() -> None:
    """Three people, of whom two must be there, and each of whom has reasons; one is too many."""
    answer = solved(
        problem(
            {name: {"kind": "bool"} for name in ("ann", "bob", "cy")} | {"beds": whole(0, 9)},
            [
                ("two on duty", "ann + bob + cy >= 2"),
                ("beds", "beds >= 4"),
                ("ann is away", "ann == 0"),
                ("bob or cy", {"kind": "or", "any": ["not bob", "not cy"]}),
                ("few beds", "beds <= 6"),
            ],
        )
    )
    assert answer.status == "infeasible"
    assert answer.conflict == ["two on duty", "ann is away", "bob or cy"]
    assert answer.minimal
    assert answer.explanation.splitlines() == [
        "No solution meets these 3 constraints; each is needed for it, the others of them can be"
        " met together:",
        "  two on duty: ann + bob + cy >= 2",
        "  ann is away: ann == 0",
        "  bob or cy: not bob or not cy",
    ]


def test_what_no_value_meets_is_a_conflict_of_its_own() -> None:
    answer = solved(problem({"x": whole(0, 3), "y": whole(0, 3)}, ["x <= y", ("big", "x >= 9")]))
    assert (answer.conflict, answer.minimal) == (["big"], True)
    assert answer.explanation == "No solution meets this constraint:\n  big: x >= 9"


def test_a_constraint_without_a_name_is_called_by_its_place() -> None:
    answer = solved(problem({"x": whole(0, 3)}, ["x >= 0", "x >= 2", "x <= 1"]))
    assert answer.conflict == ["constraints[1]", "constraints[2]"]


ALONE: dict[str, tuple[dict[str, Any], list[Any]]] = {
    "all_different": ({n: whole(0, 1) for n in "xyz"}, [different("x", "y", "z")]),
    "element": (
        {"i": whole(0, 1)},
        [{"kind": "element", "index": "i", "of": [3, 4], "equals": 5}],
    ),
    "table": ({"x": whole(0, 1)}, [{"kind": "table", "of": ["x"], "rows": [[5], [6]]}]),
    "no rows": ({"x": whole(0, 1)}, [{"kind": "table", "of": ["x"], "rows": []}]),
    "forbidden": (
        {"x": whole(0, 1)},
        [{"kind": "table", "of": ["x"], "rows": [[0], [1]], "forbidden": True}],
    ),
    "implication": (
        {"b": {"kind": "bool"}, "x": whole(0, 1)},
        [{"kind": "implication", "when": ["x >= 0"], "then": ["b", "not b"]}],
    ),
    "or": ({"x": whole(0, 1)}, [{"kind": "or", "any": ["x > 1", "x < 0"]}]),
    "and": ({"x": whole(0, 1)}, [{"kind": "and", "all": ["x > 0", "x < 1"]}]),
    "reified": (
        {"b": {"kind": "bool"}, "x": whole(0, 1)},
        [{"kind": "linear", "holds": "x + b == 3", "reified": "b"}, "b == 1"],
    ),
    "no_overlap": (
        {n: {"kind": "interval", "low": 0, "high": 3, "size": 2} for n in "ab"},
        [{"kind": "no_overlap", "intervals": ["a", "b"]}],
    ),
    "cumulative": (
        {"a": {"kind": "interval", "low": 0, "high": 3, "size": 2}},
        [{"kind": "cumulative", "intervals": ["a"], "demands": [3], "capacity": 2}],
    ),
    "no way": (
        {"a": whole(5, 5), "b": whole(5, 5)},
        [{"kind": "circuit", "next": ["a", "b"]}],
    ),
    "circuit": (
        {"a": whole(0, 1), "b": whole(1, 1)},
        [{"kind": "circuit", "next": ["a", "b"]}],
    ),
}


@pytest.mark.parametrize("kind", ALONE)
def test_each_kind_of_constraint_can_be_what_excludes_and_can_be_spared(kind: str) -> None:
    variables, constraints = ALONE[kind]
    spared = {"spare": whole(0, 5), **variables}
    answer = solved(problem(spared, ["spare >= 2", *constraints, "spare <= 3"]))
    assert answer.conflict == [f"constraints[{n + 1}]" for n in range(len(constraints))]
    assert answer.minimal


NAMES = ["x", "y", "z"]
DIFFERENCES = st.builds(
    lambda one, other, least: f"{one} - {other} >= {least}",
    st.sampled_from(NAMES),
    st.sampled_from(["0", *NAMES]),
    st.integers(-3, 4),
)


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(DIFFERENCES.filter(lambda t: t[0] != t[4]), min_size=4, max_size=10))
def test_a_conflict_has_no_solution_and_has_one_without_any_of_its_parts(texts: list[str]) -> None:
    model = problem({name: whole(0, 4) for name in NAMES}, list(texts))
    answer = solved(model)
    if answer.status == "feasible":
        return
    assert answer.minimal
    numbers = [int(name[len("constraints[") : -1]) for name in answer.conflict]

    def status(kept: list[int]) -> str:
        constraints = [model.constraints[n] for n in kept]
        return solved(msgspec.structs.replace(model, constraints=constraints)).status

    assert status(numbers) == "infeasible"
    for one in numbers:
        assert status([n for n in numbers if n != one]) == "feasible"


def test_a_schedule_that_is_too_short_names_the_steps_of_which_it_consists() -> None:
    """ft06 takes 55: of its 48 constraints some exclude 54, and machine 3 and 5 are not needed."""
    model = job_shop(FT06, 54, minimize="")
    answer = solved(model)
    assert answer.minimal
    kept = [one for one in model.constraints if one.name in answer.conflict]
    assert solved(msgspec.structs.replace(model, constraints=kept)).status == "infeasible"
    fewer = msgspec.structs.replace(model, constraints=kept[1:])
    assert solved(fewer).status == "feasible"


def test_a_conflict_that_is_not_found_in_time_is_not_named() -> None:
    """The search is told to be over when it begins."""
    assert conflict(queens(3), until=0) == ([], False)
    answer = explain(ConstraintAnswer(status="infeasible"), queens(3))
    assert answer.explanation == (
        "No solution meets all constraints, as was proved; which of them exclude each other was not"
        " found in time."
    )


def test_a_conflict_whose_parts_were_not_all_tried_is_not_called_minimal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The time is over after the first proof."""
    search, runs = Search.run, count()

    def once(self: Search, collector: Any = None) -> Any:
        return UNKNOWN if next(runs) else search(self, collector)

    model = problem({"x": whole(0, 3)}, [("low", "x <= 1"), ("high", "x >= 2")])
    monkeypatch.setattr(Search, "run", once)
    assert conflict(model, time.time() + 60) == ([0, 1], False)
    answer = ConstraintAnswer(status="infeasible", conflict=["low", "high"])
    assert explain(answer, model).explanation.startswith(
        "No solution meets these 2 constraints; whether each is needed for it was not found out in"
        " time:"
    )


def test_a_long_conflict_is_shortened_in_words_and_whole_in_the_answer() -> None:
    """A chain of sixty, each less than the next, where there is room for fifty-nine."""
    names = [f"x{n}" for n in range(60)]
    answer = solved(
        problem(
            {name: whole(0, 58) for name in names},
            [f"{one} < {other}" for one, other in pairwise(names)],
        )
    )
    assert (len(answer.conflict), answer.minimal) == (59, True)
    assert answer.explanation.splitlines()[-1] == "  … and 9 more"
