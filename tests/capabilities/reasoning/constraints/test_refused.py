"""What cannot be solved is refused by a typed error that names its place."""

import time
from typing import Any

import pytest

from pepperpy_bus.bodies import to_json
from pepperpy_capabilities.reasoning.constraints.solving import solve
from pepperpy_schemas.codec import decode
from pepperpy_schemas.constraints import (
    AllDifferent,
    ConstraintProblem,
    Linear,
    NoOverlap,
)
from pepperpy_schemas.errors import BadPayload, BadProblem, PepperError, TooBig, Unbounded
from tests.capabilities.reasoning.constraints.puzzles import problem, queens, whole

X = {"x": whole(0, 3)}
WORDS = {"kind": "enum", "values": ["red", "blue"]}
SPAN = {"kind": "interval", "low": 0, "high": 5, "size": 2}


def of_kind(kind: str, **more: Any) -> dict[str, Any]:
    return {"kind": kind, **more}


WRONG: dict[str, tuple[ConstraintProblem, type[PepperError], str]] = {
    "no end of a relation": (problem(X, ["x <="]), BadProblem, "constraints[0].holds"),
    "parentheses": (problem(X, ["2*(x + 1) <= 3"]), BadProblem, "constraints[0].holds"),
    "a product": (problem(X, ["x*x <= 3"]), BadProblem, "constraints[0].holds"),
    "code": (problem(X, ["__import__('os')"]), BadProblem, "constraints[0].holds"),
    "no variable": (problem(X, ["3 <= 2"]), BadProblem, "constraints[0].holds"),
    "a variable that is not there": (problem(X, ["y <= 3"]), BadProblem, "constraints[0].holds"),
    "no high": (problem({"x": of_kind("int", low=0)}, []), Unbounded, "variables.x"),
    "no low": (problem({"x": of_kind("int", high=0)}, []), Unbounded, "variables.x"),
    "an interval without end": (
        problem({"x": of_kind("interval", low=0, size=1)}, []),
        Unbounded,
        "variables.x",
    ),
    "an empty domain": (problem({"x": whole(3, 0)}, []), BadProblem, "variables.x"),
    "values and bounds": (
        problem({"x": of_kind("int", low=0, values=[1])}, []),
        BadProblem,
        "variables.x",
    ),
    "not as a name": (problem({"not": whole(0, 1)}, []), BadProblem, "variables.not"),
    "a bound beyond all": (problem({"x": whole(0, 10**13)}, []), TooBig, "variables.x"),
    "a value beyond all": (
        problem({"x": of_kind("int", values=[-(10**13)])}, []),
        TooBig,
        "variables.x",
    ),
    "a factor beyond all": (
        problem(X, [f"{'9' * 5000}*x <= 3"]),
        TooBig,
        "constraints[0].holds",
    ),
    "a sum beyond all": (
        problem({"x": whole(0, 10**12)}, ["1000000*x <= 3"]),
        TooBig,
        "constraints[0].holds",
    ),
    "an interval without room": (
        problem({"a": of_kind("interval", low=0, high=1, size=2)}, []),
        BadProblem,
        "variables.a",
    ),
    "a word in a sum": (
        problem({"c": WORDS, **X}, ["c + x <= 3"]),
        BadProblem,
        "constraints[0].holds",
    ),
    "words in an order": (
        problem({"c": WORDS, "d": WORDS}, ["c < d"]),
        BadProblem,
        "constraints[0].holds",
    ),
    "a word that it cannot be": (
        problem({"c": WORDS}, ["c == 'green'"]),
        BadProblem,
        "constraints[0].holds",
    ),
    "a word for a number": (problem(X, ["x == 'red'"]), BadProblem, "constraints[0].holds"),
    "a number for a word": (problem({"c": WORDS}, ["c == 1"]), BadProblem, "constraints[0].holds"),
    "a number as a condition": (
        problem(X, [of_kind("or", any=["x"])]),
        BadProblem,
        "constraints[0].any[0]",
    ),
    "a number that is to be true": (
        problem(X, [of_kind("linear", holds="x <= 1", reified="x")]),
        BadProblem,
        "constraints[0].reified",
    ),
    "an interval that is none": (
        problem(X, [of_kind("no_overlap", intervals=["x"])]),
        BadProblem,
        "constraints[0].intervals[0]",
    ),
    "too few demands": (
        problem({"a": SPAN}, [of_kind("cumulative", intervals=["a"], demands=[1, 2], capacity=3)]),
        BadProblem,
        "constraints[0].demands",
    ),
    "a negative demand": (
        problem({"a": SPAN}, [of_kind("cumulative", intervals=["a"], demands=[-1], capacity=3)]),
        BadProblem,
        "constraints[0].demands[0]",
    ),
    "a negative capacity": (
        problem({"a": SPAN}, [of_kind("cumulative", intervals=["a"], demands=[1], capacity=-3)]),
        BadProblem,
        "constraints[0].capacity",
    ),
    "a row of another length": (
        problem(X, [of_kind("table", of=["x"], rows=[[1], [1, 2]])]),
        BadProblem,
        "constraints[0].rows[1]",
    ),
    "a number where a word is": (
        problem({"c": WORDS}, [of_kind("table", of=["c"], rows=[[1]])]),
        BadProblem,
        "constraints[0].rows[0]",
    ),
    "a row beyond all": (
        problem(X, [of_kind("table", of=["x"], rows=[[10**13]])]),
        TooBig,
        "constraints[0].rows[0]",
    ),
    "a table beyond all": (
        problem(X, [of_kind("table", of=["x"] * 11, rows=[[0] * 11] * 100_000)]),
        TooBig,
        "constraints[0].rows",
    ),
    "a word for a sum": (
        problem(X, [of_kind("table", of=["2*x + 1"], rows=[["red"]])]),
        BadProblem,
        "constraints[0].rows[0]",
    ),
    "words and numbers that differ": (
        problem({"c": WORDS, **X}, [of_kind("all_different", of=["x", "c"])]),
        BadProblem,
        "constraints[0].of",
    ),
    "a word among numbers": (
        problem({"c": WORDS, **X}, [of_kind("element", index="x", of=[1, 2], equals="c")]),
        BadProblem,
        "constraints[0].of",
    ),
    "a word as a place": (
        problem({"c": WORDS, **X}, [of_kind("element", index="c", of=[1, 2], equals="x")]),
        BadProblem,
        "constraints[0].index",
    ),
    "a word as a capacity": (
        problem(
            {"c": WORDS, "a": SPAN},
            [of_kind("cumulative", intervals=["a"], demands=[1], capacity="c")],
        ),
        BadProblem,
        "constraints[0].capacity",
    ),
    "twice the same name": (
        problem(X, [("limit", "x <= 1"), ("limit", "x >= 1")]),
        BadProblem,
        "constraints[1].name",
    ),
    "two goals": (problem(X, [], minimize="x", maximize="x"), BadProblem, "maximize"),
    "an optimum of nothing": (problem(X, [], ask="optimal"), BadProblem, "ask"),
    "all of the best": (problem(X, [], ask="all", minimize="x"), BadProblem, "ask"),
    "more solutions than fit": (
        problem({f"x{n}": whole(0, 1) for n in range(300)}, [], ask="all", limit=10_000),
        TooBig,
        "limit",
    ),
    "a goal that cannot be read": (problem(X, [], minimize="x +"), BadProblem, "minimize"),
    "a goal that is a relation": (problem(X, [], maximize="x <= 1"), BadProblem, "maximize"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_it_is_refused_by_its_place(wrong: str) -> None:
    model, error, place = WRONG[wrong]
    with pytest.raises(error) as refused:
        solve(model, 60, time.time() + 60)
    assert refused.value.context["field"] == place
    assert place in refused.value.message or place in ("maximize", "ask", "constraints[1].name")
    assert len(refused.value.message) < 400


def test_a_slip_is_answered_with_what_may_have_been_meant() -> None:
    with pytest.raises(BadProblem, match="there is no variable colour1") as refused:
        solve(problem({"color1": WORDS}, ["colour1 == 'red'"]), 60, time.time() + 60)
    assert refused.value.hint == "did you mean color1?"


def test_a_text_says_where_it_cannot_be_read() -> None:
    with pytest.raises(BadProblem) as refused:
        solve(problem(X, ["2*x + ? <= 3"]), 60, time.time() + 60)
    assert refused.value.message == (
        "constraints[0].holds: '?' has no meaning here, at column 7 of: 2*x + ? <= 3"
    )
    assert refused.value.context["column"] == 7


@pytest.mark.parametrize(
    "body",
    [
        b'{"variables": {}}',
        b'{"variables": {"x y": {"kind": "bool"}}}',
        b'{"variables": {"x": {"kind": "real"}}}',
        b'{"variables": {"x": {"kind": "int", "low": 0.5, "high": 2}}}',
        b'{"variables": {"x": {"kind": "int", "low": 0, "high": 1e400}}}',
        b'{"variables": {"x": {"kind": "bool"}}, "constraints": [{"kind": "linear"}]}',
        b'{"variables": {"x": {"kind": "bool"}}, "constraints": [{"kind": "unlike"}]}',
        b'{"variables": {"x": {"kind": "bool"}}, "limit": 0}',
        b'{"variables": {"x": {"kind": "bool"}}, "seconds": 1e9}',
        b'{"variables": {"x": {"kind": "bool"}}, "minimize": ["x"]}',
    ],
)
def test_what_is_no_problem_at_all_does_not_come_in(body: bytes) -> None:
    with pytest.raises(BadPayload):
        decode(body, ConstraintProblem)


def test_more_than_may_be_does_not_come_in() -> None:
    big = ConstraintProblem(
        variables={"x": problem(X, []).variables["x"]},
        constraints=[Linear(holds="x <= 1")] * 20_001,
    )
    with pytest.raises(BadPayload, match="constraints"):
        decode(to_json(big), ConstraintProblem)
    long = ConstraintProblem(variables=big.variables, minimize="x" + " + x" * 100_000)
    with pytest.raises(BadPayload, match="minimize"):
        decode(to_json(long), ConstraintProblem)


def test_constraints_that_are_written_in_python_come_back_from_the_wire() -> None:
    model = queens(4)
    assert isinstance(model.constraints[0], AllDifferent)
    assert decode(to_json(model), ConstraintProblem) == model
    intervals = problem({"a": SPAN, "b": SPAN}, [of_kind("no_overlap", intervals=["a", "b"])])
    assert intervals.constraints == [NoOverlap(intervals=["a", "b"])]
    assert decode(to_json(intervals), ConstraintProblem) == intervals


def test_what_only_the_solver_sees_is_refused_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """We know of no such problem: the solver is told to find fault with one that has none."""
    monkeypatch.setattr("ortools.sat.python.cp_model.CpModel.validate", lambda self: "no sense")
    with pytest.raises(BadProblem, match="the solver refuses it: no sense"):
        solve(problem(X, []), 60, time.time() + 60)
