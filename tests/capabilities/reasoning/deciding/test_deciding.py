"""What a decision says: ranks, contributions, dominance, and what it does with odd problems."""

import math
from typing import Any

import msgspec
import pytest

from pepperpy_capabilities.reasoning.deciding.deciding import decide
from pepperpy_schemas.decisions import (
    MAX_DOMINANCES,
    Criterion,
    Decision,
    DecisionProblem,
    Dominance,
    Option,
)
from pepperpy_schemas.errors import BadProblem
from tests.capabilities.reasoning.deciding.problems import AIRCRAFT, decision

PHONES = decision(
    {"price": ("less", 2), "battery": ("more", 1)},
    {"cheap": [100, 10], "big": [300, 30], "dull": [300, 10], "twin": [100, 10]},
    method="weighted-sum",
)


def names(answer: Decision) -> list[str]:
    return [one.option for one in answer.ranking]


def test_options_that_are_alike_share_a_rank_and_keep_their_order() -> None:
    answer = decide(PHONES)
    assert [(one.option, one.rank) for one in answer.ranking] == [
        ("cheap", 1),
        ("twin", 1),
        ("big", 3),
        ("dull", 4),
    ]
    assert answer.best == ["cheap", "twin"]
    assert answer.explanation.startswith("cheap, twin share the first place by the weighted sum")


def test_contributions_say_what_each_criterion_brings() -> None:
    big = decide(PHONES).ranking[2]
    assert big.contributions == {"price": 0.0, "battery": pytest.approx(1 / 3)}
    assert big.score == pytest.approx(1 / 3)


def test_dominance_needs_no_weights_and_says_who_is_better_than_whom() -> None:
    answer = decide(PHONES)
    assert answer.dominances == [
        Dominance("cheap", "dull"),
        Dominance("twin", "dull"),
        Dominance("big", "dull"),
    ]
    assert [one.front for one in answer.ranking] == [1, 1, 1, 2]
    front = decide(msgspec.structs.replace(PHONES, method="pareto"))
    assert [(one.option, one.rank, one.front) for one in front.ranking] == [
        ("cheap", 1, 1),
        ("big", 1, 1),
        ("twin", 1, 1),
        ("dull", 4, 2),
    ]
    assert front.explanation.startswith("3 of 4 options are on the Pareto front: cheap, big, twin.")


def test_a_winner_that_is_dominated_by_what_has_no_weight_is_told_of() -> None:
    answer = decide(decision({"a": ("more", 1), "b": ("more", 0)}, {"one": [1, 0], "two": [1, 5]}))
    assert answer.best == ["one", "two"]
    assert "It is dominated by two, which no criterion with a weight tells." in answer.explanation


@pytest.mark.parametrize("method", ["weighted-sum", "topsis", "pareto"])
def test_one_option_alone_is_the_best(method: Any) -> None:
    answer = decide(decision({"a": ("more", 3), "b": ("less", 1)}, {"only": [0, 0]}, method=method))
    assert answer.best == ["only"]
    assert answer.ranking[0].score in (1.0, None)
    assert answer.explanation


@pytest.mark.parametrize("normalization", ["min-max", "max", "sum", "vector", "none"])
@pytest.mark.parametrize("method", ["weighted-sum", "topsis"])
def test_a_criterion_by_which_all_are_alike_changes_no_order(
    method: Any, normalization: Any
) -> None:
    both = {"method": method, "normalization": normalization}
    one = decide(decision({"a": ("more", 1)}, {"x": [1], "y": [3], "z": [2]}, **both))
    for same in (0.0, 7.0):
        rows: dict[str, list[float | None]] = {"x": [1, same], "y": [3, same], "z": [2, same]}
        two = decide(decision({"a": ("more", 1), "b": ("more", 1)}, rows, **both))
        assert names(two) == names(one) == ["y", "z", "x"]
        assert all(math.isfinite(row.score or 0) for row in two.ranking)


def test_values_that_are_not_known_are_refused_replaced_or_left_out() -> None:
    problem = decision(
        {"price": ("less", 1), "speed": ("more", 1)},
        {"a": [10, 5], "b": [None, 6], "c": [30, 1]},
    )
    with pytest.raises(BadProblem, match="b has no value for price") as refused:
        decide(problem)
    assert refused.value.context == {"field": "options[1].values"}
    worst = decide(msgspec.structs.replace(problem, missing="worst"))
    assert worst.best == ["a"]
    assert "b has no value for price: it is given the worst there is." in worst.explanation
    out = decide(msgspec.structs.replace(problem, missing="leave-out"))
    assert names(out) == ["a", "c"]
    assert out.left_out == ["b"]
    assert "Left out, as a value is not known: b." in out.explanation


def with_options(*options: Option, **more: Any) -> DecisionProblem:
    return DecisionProblem(criteria=[Criterion(name="a")], options=list(options), **more)


ONE = Option(name="x", values={"a": 1})
NAN, INF = float("nan"), float("inf")

WRONG = {
    "twice the same option": (with_options(ONE, ONE), "options[1]"),
    "twice the same criterion": (
        DecisionProblem(criteria=[Criterion(name="a"), Criterion(name="a")], options=[ONE]),
        "criteria[1]",
    ),
    "an unknown criterion": (
        with_options(Option(name="x", values={"a": 1, "b": 2})),
        "options[0].values.b",
    ),
    "a value that is no number": (
        with_options(Option(name="x", values={"a": NAN})),
        "options[0].values.a",
    ),
    "an infinite value": (
        with_options(Option(name="x", values={"a": -INF})),
        "options[0].values.a",
    ),
    "a value beyond all": (
        with_options(Option(name="x", values={"a": 1e101})),
        "options[0].values.a",
    ),
    "no value at all": (
        with_options(Option(name="x", values={}), missing="worst"),
        "criteria[0]",
    ),
    "nothing left": (with_options(Option(name="x", values={}), missing="leave-out"), "options"),
    "a negative weight": (
        DecisionProblem(criteria=[Criterion(name="a", weight=-1)], options=[ONE]),
        "criteria[0].weight",
    ),
    "a weight that is no number": (
        DecisionProblem(criteria=[Criterion(name="a", weight=NAN)], options=[ONE]),
        "criteria[0].weight",
    ),
    "an infinite weight": (
        DecisionProblem(criteria=[Criterion(name="a", weight=INF)], options=[ONE]),
        "criteria[0].weight",
    ),
    "no weight": (
        DecisionProblem(criteria=[Criterion(name="a", weight=0)], options=[ONE]),
        "criteria",
    ),
    "what normalization cannot divide by": (
        with_options(Option(name="x", values={"a": -1}), normalization="max"),
        "options[0].values.a",
    ),
    "a cost of zero that is to be inverted": (
        DecisionProblem(
            criteria=[Criterion(name="a", direction="less")],
            options=[Option(name="x", values={"a": 0})],
            normalization="sum",
        ),
        "options[0].values.a",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_cannot_be_counted_with_is_refused_by_its_field(wrong: str) -> None:
    problem, field = WRONG[wrong]
    with pytest.raises(BadProblem) as refused:
        decide(problem)
    assert refused.value.context == {"field": field}
    assert refused.value.message


@pytest.mark.parametrize("size", [1e-300, 1e-150, 1e90])
@pytest.mark.parametrize("normalization", ["min-max", "max", "sum", "vector", "none"])
@pytest.mark.parametrize("method", ["weighted-sum", "topsis"])
def test_the_size_of_values_makes_no_difference(
    method: Any, normalization: Any, size: float
) -> None:
    both = {"method": method, "normalization": normalization}
    criteria = {"a": ("more", 1.0), "b": ("less", 2.0)}
    rows: dict[str, list[float | None]] = {"x": [1, 2], "y": [3, 3], "z": [5, 9]}
    usual = decide(decision(criteria, rows, **both))
    scaled: dict[str, list[float | None]] = {
        name: [size * (v or 0) for v in values] for name, values in rows.items()
    }
    odd = decide(decision(criteria, scaled, **both))
    assert names(odd) == names(usual)
    for one, other in zip(odd.sensitivity, usual.sensitivity, strict=True):
        assert one.low == pytest.approx(other.low)
        assert one.high == pytest.approx(other.high)


def test_the_largest_problem_has_an_answer_with_its_dominances_counted() -> None:
    answer = decide(
        decision({"a": ("more", 1)}, {f"o{n}": [n] for n in range(1000)}, method="weighted-sum")
    )
    assert answer.dominance_count == 1000 * 999 // 2
    assert len(answer.dominances) == MAX_DOMINANCES
    assert [one.front for one in answer.ranking] == list(range(1, 1001))


def test_the_explanation_says_what_makes_the_difference_and_which_weights_matter() -> None:
    assert decide(AIRCRAFT).explanation.splitlines()[:4] == [
        "A1 is first by TOPSIS (vector normalization) with 0.6433.",
        "Before A3 with 0.6135 it is by maneuverability +0.387, reliability -0.331, cost -0.019,"
        " range -0.0108, speed +0.0058, payload -0.00247.",
        "Nothing dominates it; it dominates 0 of the others.",
        "With more than 22.0% for reliability (now 20.0%) A3 wins.",
    ]
