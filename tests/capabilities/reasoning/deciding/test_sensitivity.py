"""The ranges of weights are exact: at their ends, and only there, another option wins."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pepperpy_capabilities.reasoning.deciding.deciding import decide
from pepperpy_schemas.decisions import Criterion, DecisionProblem, Option, WeightRange
from tests.capabilities.reasoning.deciding.problems import AIRCRAFT, decision

NUMBERS = st.integers(-20, 20).map(float)


@st.composite
def problems(draw: st.DrawFn, method: Any) -> DecisionProblem:
    width = draw(st.integers(2, 4))
    criteria = [
        Criterion(
            name=f"c{n}",
            direction=draw(st.sampled_from(["more", "less"])),
            weight=draw(st.integers(1, 9)),
        )
        for n in range(width)
    ]
    rows = draw(st.lists(st.lists(NUMBERS, min_size=width, max_size=width), min_size=2, max_size=5))
    options = [
        Option(name=f"o{n}", values={f"c{k}": x for k, x in enumerate(row)})
        for n, row in enumerate(rows)
    ]
    normalization: Any = draw(st.sampled_from(["min-max", "vector", "none"]))
    return DecisionProblem(
        criteria=criteria, options=options, method=method, normalization=normalization
    )


def moved(problem: DecisionProblem, criterion: int, share: float) -> dict[str, float]:
    """The scores when one weight has another share, and the others keep their proportions."""
    rest = sum(one.weight for n, one in enumerate(problem.criteria) if n != criterion)
    criteria = [
        msgspec.structs.replace(
            one, weight=share if n == criterion else (1 - share) * one.weight / rest
        )
        for n, one in enumerate(problem.criteria)
    ]
    answer = decide(msgspec.structs.replace(problem, criteria=criteria))
    return {one.option: one.score or 0.0 for one in answer.ranking}


def behind(scores: dict[str, float], winner: str) -> float:
    return max(scores.values()) - scores[winner]


@pytest.mark.parametrize("method", ["weighted-sum", "topsis"])
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_the_winner_wins_within_the_range_and_another_beyond_it(
    method: Any, data: st.DataObject
) -> None:
    problem = data.draw(problems(method))
    answer = decide(problem)
    winner = answer.ranking[0].option
    for n, one in enumerate(answer.sensitivity):
        assert 0 <= one.low <= one.weight <= one.high <= 1
        for part in (0.0, 0.25, 0.5, 0.75, 1.0):
            share = one.low + part * (one.high - one.low)
            assert behind(moved(problem, n, share), winner) < 1e-7
        assert_lost(problem, n, one, winner)


def assert_lost(problem: DecisionProblem, n: int, one: WeightRange, winner: str) -> None:
    """Next to each end somebody else is at least as good: whoever the range names."""
    for end, rival in ((one.low, one.below), (one.high, one.above)):
        if rival:
            scores = moved(problem, n, end)
            assert scores[rival] == pytest.approx(scores[winner], abs=1e-7)


def test_no_range_ends_where_nobody_else_can_win() -> None:
    answer = decide(
        decision({"a": ("more", 1), "b": ("more", 1)}, {"best": [2, 2], "worst": [1, 1]})
    )
    assert [(one.low, one.high) for one in answer.sensitivity] == [(0, 1), (0, 1)]
    assert "No weight alone makes another option win than best." in answer.explanation


def test_a_criterion_that_alone_has_weight_can_move_as_it_likes() -> None:
    answer = decide(decision({"a": ("more", 1), "b": ("more", 0)}, {"x": [2, 0], "y": [1, 5]}))
    alone, other = answer.sensitivity
    assert (alone.weight, alone.low, alone.high) == (1, 0, 1)
    assert (other.weight, other.low, other.above) == (0, 0, "y")
    assert 0 < other.high < 1


def test_a_tie_ends_the_range_where_it_is() -> None:
    answer = decide(
        decision(
            {"a": ("more", 1), "b": ("more", 1)}, {"x": [2, 1], "y": [1, 2]}, method="weighted-sum"
        )
    )
    assert answer.best == ["x", "y"]
    a, b = answer.sensitivity
    assert (round(a.low, 9), a.below, a.high) == (0.5, "y", 1)
    assert (round(b.high, 9), b.above, b.low) == (0.5, "y", 0)


def test_the_aircraft_change_places_where_the_scores_cross() -> None:
    answer = decide(AIRCRAFT)
    reliability = answer.sensitivity[4]
    assert reliability.above == "A3"
    assert (
        moved(AIRCRAFT, 4, reliability.high - 0.001)["A1"]
        > moved(AIRCRAFT, 4, reliability.high - 0.001)["A3"]
    )
    assert (
        moved(AIRCRAFT, 4, reliability.high + 0.001)["A1"]
        < moved(AIRCRAFT, 4, reliability.high + 0.001)["A3"]
    )
