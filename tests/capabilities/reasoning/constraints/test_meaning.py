"""Each constraint means what it says: all solutions of small problems, beside all combinations."""

import itertools
import operator
import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pepperpy_capabilities.reasoning.constraints.explaining import explain
from pepperpy_capabilities.reasoning.constraints.solving import solve
from pepperpy_schemas.constraints import ConstraintAnswer, ConstraintProblem, Solution
from tests.capabilities.reasoning.constraints.puzzles import different, problem, queens, whole

Values = dict[str, Any]

COMPARISONS = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}


def found(model: ConstraintProblem) -> list[Values]:
    answer = solve(model, 60, time.time() + 60)
    assert answer.complete or answer.status == "infeasible"
    values = [one.values for one in answer.solutions]
    assert len({repr(one) for one in values}) == len(values), "a solution came twice"
    return values


def expected(domains: dict[str, list[Any]], *tests: Callable[[Values], bool]) -> list[Values]:
    """All combinations that pass all tests."""
    combinations = (
        dict(zip(domains, row, strict=True)) for row in itertools.product(*domains.values())
    )
    return [one for one in combinations if all(test(one) for test in tests)]


def same(one: list[Values], other: list[Values]) -> bool:
    return sorted(map(repr, one)) == sorted(map(repr, other))


def total(text: str, values: Values) -> int:
    """What a sum is: read here in another way than by the code."""
    result = 0
    for sign, factor, name, number in re.findall(r"([+-]?)\s*(?:(?:(\d+)\*)?([xyzb])|(\d+))", text):
        amount = int(factor or 1) * values[name] if name else int(number)
        result += -amount if sign == "-" else amount
    return result


def holds(text: str, values: Values) -> bool:
    left, comparison, right = re.split(r"(<=|>=|==|!=|<|>)", text)
    return bool(COMPARISONS[comparison](total(left, values), total(right, values)))


DOMAINS: dict[str, list[Any]] = {
    "x": [0, 1, 2, 3],
    "y": [-1, 0, 1, 2],
    "z": [1, 4],
    "b": [False, True],
}
VARIABLES = {
    "x": whole(0, 3),
    "y": whole(-1, 2),
    "z": {"kind": "int", "values": [4, 1]},
    "b": {"kind": "bool"},
}


def varies(text: str) -> bool:
    """Whether a relation depends on anything: what compares numbers alone is refused."""
    one, other = ({n: k * 7 + 1 for k, n in enumerate("xyzb")}, dict.fromkeys("xyzb", 0))
    left, _, right = re.split(r"(<=|>=|==|!=|<|>)", text)
    return len({total(left, v) - total(right, v) for v in (one, other)}) > 1


TERMS = st.one_of(
    st.integers(0, 5).map(str),
    st.sampled_from("xyzb"),
    st.tuples(st.integers(0, 4), st.sampled_from("xyzb")).map(lambda one: f"{one[0]}*{one[1]}"),
)
SUMS = st.builds(
    lambda first, terms, sign: sign + " ".join([first, *(f"{s} {t}" for s, t in terms)]),
    TERMS,
    st.lists(st.tuples(st.sampled_from("+-"), TERMS), max_size=3),
    st.sampled_from(["", "-"]),
)
RELATIONS = st.builds(
    lambda left, comparison, right: f"{left} {comparison} {right}",
    SUMS,
    st.sampled_from(sorted(COMPARISONS)),
    SUMS,
).filter(varies)


@settings(max_examples=60, deadline=None)
@given(relations=st.lists(RELATIONS, min_size=1, max_size=3))
def test_relations(relations: list[str]) -> None:
    model = problem(VARIABLES, list(relations), ask="all", limit=1000)
    wanted = expected(DOMAINS, *(lambda v, t=text: holds(t, v) for text in relations))
    assert same(found(model), wanted)


@settings(max_examples=60, deadline=None)
@given(relations=st.lists(RELATIONS, min_size=2, max_size=3), kind=st.sampled_from(["or", "and"]))
def test_conditions_and_what_stands_for_them(relations: list[str], kind: str) -> None:
    parts = {"or": "any", "and": "all"}
    truth = any if kind == "or" else all
    said = {"kind": kind, parts[kind]: [*relations, "not b"]}

    def is_true(values: Values) -> bool:
        return truth([*(holds(text, values) for text in relations), not values["b"]])

    model = problem(VARIABLES, [said], ask="all", limit=1000)
    assert same(found(model), expected(DOMAINS, is_true))
    standing = problem(
        {**VARIABLES, "t": {"kind": "bool"}}, [{**said, "reified": "t"}], ask="all", limit=1000
    )
    wanted = expected({**DOMAINS, "t": [False, True]}, lambda v: v["t"] is is_true(v))
    assert same(found(standing), wanted)


@settings(max_examples=40, deadline=None)
@given(
    when=st.lists(RELATIONS, min_size=1, max_size=2),
    then=st.lists(RELATIONS, min_size=1, max_size=2),
)
def test_an_implication(when: list[str], then: list[str]) -> None:
    model = problem(
        VARIABLES, [{"kind": "implication", "when": when, "then": then}], ask="all", limit=1000
    )
    wanted = expected(
        DOMAINS,
        lambda v: not all(holds(t, v) for t in when) or all(holds(t, v) for t in then),
    )
    assert same(found(model), wanted)


def test_a_reified_relation_is_true_exactly_if_it_holds() -> None:
    said = {"kind": "linear", "holds": "x + y >= 3", "reified": "b"}
    model = problem(VARIABLES, [said], ask="all", limit=1000)
    assert same(found(model), expected(DOMAINS, lambda v: v["b"] is (v["x"] + v["y"] >= 3)))


def test_all_different_takes_sums() -> None:
    model = problem(VARIABLES, [different("x", "y + 1", "x + y", 2)], ask="all", limit=1000)

    def is_true(v: Values) -> bool:
        return len({v["x"], v["y"] + 1, v["x"] + v["y"], 2}) == 4

    assert same(found(model), expected(DOMAINS, is_true))


def test_an_element_is_counted_from_0_and_is_one_of_the_list() -> None:
    said = {"kind": "element", "index": "x", "of": ["y", 2, "y + x"], "equals": "z"}
    model = problem({**VARIABLES, "z": whole(0, 4)}, [said], ask="all", limit=1000)
    wanted = expected(
        {**DOMAINS, "z": [0, 1, 2, 3, 4]},
        lambda v: v["x"] < 3 and [v["y"], 2, v["y"] + v["x"]][v["x"]] == v["z"],
    )
    assert same(found(model), wanted)


@pytest.mark.parametrize("forbidden", [False, True])
def test_a_table_has_rows_that_are_allowed_or_forbidden(forbidden: bool) -> None:
    rows = [[0, True], [3, False], [9, True]]
    said = {"kind": "table", "of": ["x", "b"], "rows": rows, "forbidden": forbidden}
    model = problem(VARIABLES, [said], ask="all", limit=1000)
    wanted = expected(DOMAINS, lambda v: ([v["x"], v["b"]] in rows) is not forbidden)
    assert same(found(model), wanted)


PAINTED: dict[str, list[Any]] = {"one": ["red", "blue"], "two": ["blue", "green", "red"]}
COLOURS = {name: {"kind": "enum", "values": values} for name, values in PAINTED.items()}


@pytest.mark.parametrize(
    ("said", "is_true"),
    [
        ("one == two", lambda v: v["one"] == v["two"]),
        ("one != two", lambda v: v["one"] != v["two"]),
        ("two == 'green'", lambda v: v["two"] == "green"),
        ('two != "green"', lambda v: v["two"] != "green"),
        (different("one", "two"), lambda v: v["one"] != v["two"]),
        (
            {"kind": "element", "index": 1, "of": ["one", "two"], "equals": "one"},
            lambda v: v["two"] == v["one"],
        ),
        (
            {"kind": "table", "of": ["one", "two"], "rows": [["red", "blue"], ["blue", "red"]]},
            lambda v: (v["one"], v["two"]) in [("red", "blue"), ("blue", "red")],
        ),
        (
            {"kind": "or", "any": ["one == 'red'", "two == 'green'"]},
            lambda v: v["one"] == "red" or v["two"] == "green",
        ),
        (
            {"kind": "implication", "when": ["one == 'red'"], "then": ["two != one"]},
            lambda v: v["one"] != "red" or v["two"] != v["one"],
        ),
    ],
)
def test_words_are_compared_whatever_the_order_in_which_they_stand(
    said: Any, is_true: Callable[[Values], bool]
) -> None:
    model = problem(COLOURS, [said], ask="all")
    assert same(found(model), expected(PAINTED, is_true))


def spans(model: ConstraintProblem) -> list[tuple[Any, ...]]:
    return sorted(
        tuple(None if one is None else (one.start, one.end) for one in values.values())
        for values in found(model)
    )


def interval(high: int, size: int, **more: Any) -> dict[str, Any]:
    return {"kind": "interval", "low": 0, "high": high, "size": size, **more}


def test_intervals_do_not_overlap_and_touch() -> None:
    variables = {"a": interval(4, 2), "b": interval(4, 1)}
    model = problem(variables, [{"kind": "no_overlap", "intervals": ["a", "b"]}], ask="all")
    wanted = [
        ((s, s + 2), (t, t + 1)) for s in range(3) for t in range(4) if t + 1 <= s or s + 2 <= t
    ]
    assert spans(model) == sorted(wanted)


def test_an_absent_interval_overlaps_nothing_and_is_one_solution() -> None:
    variables = {"a": interval(3, 2), "b": interval(3, 2, optional=True)}
    model = problem(variables, [{"kind": "no_overlap", "intervals": ["a", "b"]}], ask="all")
    assert sorted(spans(model), key=repr) == [((0, 2), None), ((1, 3), None)]
    present = problem(variables, ["b.present == 1"], ask="all")
    assert len(found(present)) == 4


def test_a_size_may_be_between_two() -> None:
    model = problem({"a": interval(3, 1, max_size=2)}, ["a.size >= 2"], ask="all")
    assert spans(model) == [((0, 2),), ((1, 3),)]
    assert len(found(problem({"a": interval(3, 1, max_size=2)}, [], ask="all"))) == 5


def test_a_capacity_is_never_exceeded() -> None:
    demands = {"a": 2, "b": 1, "c": 2}
    variables = {name: interval(4, 2) for name in demands}
    said = {
        "kind": "cumulative",
        "intervals": list(demands),
        "demands": list(demands.values()),
        "capacity": 3,
    }
    starts = {name: [0, 1, 2] for name in demands}

    def fits(v: Values) -> bool:
        return all(
            sum(demands[n] for n in demands if v[n] <= moment < v[n] + 2) <= 3
            for moment in range(4)
        )

    wanted = [tuple((v[n], v[n] + 2) for n in demands) for v in expected(starts, fits)]
    assert spans(problem(variables, [said], ask="all", limit=1000)) == sorted(wanted)


def test_a_circuit_goes_through_all_places_and_back() -> None:
    names = ["n0", "n1", "n2", "n3"]
    model = problem(
        {name: whole(-1, 9) for name in names}, [{"kind": "circuit", "next": names}], ask="all"
    )

    def one_way(v: Values) -> bool:
        place, seen = 0, []
        while place not in seen:
            seen.append(place)
            place = v[f"n{place}"]
        return place == 0 and len(seen) == 4

    assert same(found(model), expected({name: [0, 1, 2, 3] for name in names}, one_way))


def test_a_place_that_leads_nowhere_else_is_in_no_circuit() -> None:
    model = problem(
        {"a": whole(1, 1), "b": whole(0, 0), "c": whole(2, 9)},
        [{"kind": "circuit", "next": ["a", "b", "c"]}],
        ask="all",
    )
    assert not found(model)


@pytest.mark.parametrize(("goal", "best"), [("minimize", -7), ("maximize", 7)])
def test_the_optimum_is_that_of_all_combinations(goal: str, best: int) -> None:
    text = "3*y + 2*x - z + 0"
    model = problem(VARIABLES, ["x + y <= 3"], **{goal: text})
    answer = solve(model, 60, time.time() + 60)
    values = [total(text, v) for v in expected(DOMAINS, lambda v: v["x"] + v["y"] <= 3)]
    assert answer.objective == (min if goal == "minimize" else max)(values) == best
    assert answer.bound == best
    assert total(text, answer.solutions[0].values) == best


def test_a_named_inequality_without_room_is_binding() -> None:
    model = problem(
        {"x": whole(0, 9), "y": whole(0, 9)},
        [
            ("at most", "x + y <= 7"),
            ("less", "x < 4"),
            ("more", "y > 1"),
            ("at least", "y >= 0"),
            ("unlike", "x != 9"),
            "x <= 3",
        ],
        maximize="2*x + y",
    )
    answer = solve(model, 60, time.time() + 60)
    assert answer.objective == 10
    assert answer.binding == ["at most", "less"]
    assert answer.explanation.endswith("These leave no room: at most, less.")


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({}, "It meets all 3 constraints; there may be others."),
        ({"ask": "all", "limit": 92}, "There are no other solutions than these 92."),
        ({"ask": "all", "limit": 5}, "These are 5 of the solutions; there are more."),
    ],
)
def test_whether_there_are_other_solutions_is_said(more: Any, told: str) -> None:
    answer = solve(queens(8, **more), 60, time.time() + 60)
    assert answer.explanation.splitlines()[-1] == told


def test_solutions_that_were_found_when_the_time_was_over_are_an_answer() -> None:
    answer = ConstraintAnswer(status="feasible", solutions=[Solution(values={"x": 1})])
    told = explain(answer, queens(4, ask="all")).explanation
    assert told == "Solutions that were found in time: 1; there may be others."
