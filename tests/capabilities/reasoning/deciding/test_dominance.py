"""Dominance and fronts, beside what the words mean; and what must not change a ranking."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pepperpy_capabilities.reasoning.deciding.deciding import decide
from pepperpy_capabilities.reasoning.deciding.dominance import dominators, fronts
from tests.capabilities.reasoning.deciding.problems import decision

ROWS = st.integers(1, 4).flatmap(
    lambda width: st.lists(
        st.lists(st.integers(0, 3).map(float), min_size=width, max_size=width),
        min_size=1,
        max_size=12,
    )
)


def dominates(one: list[float], other: list[float]) -> bool:
    return all(x >= y for x, y in zip(one, other, strict=True)) and one != other


@settings(max_examples=200, deadline=None)
@given(rows=ROWS)
def test_who_dominates_whom_and_the_fronts_are_as_they_are_defined(rows: list[list[float]]) -> None:
    found = dominators(rows)
    for n, row in enumerate(rows):
        assert sorted(found[n]) == [m for m, one in enumerate(rows) if dominates(one, row)]
    layers = fronts(found)
    left, layer = set(range(len(rows))), 1
    while left:  # non-dominated sorting as it is told: take away the front, and look again
        front = {n for n in left if not any(dominates(rows[m], rows[n]) for m in left)}
        assert front == {n for n in left if layers[n] == layer}
        left, layer = left - front, layer + 1


@pytest.mark.parametrize("method", ["weighted-sum", "topsis"])
@settings(max_examples=60, deadline=None)
@given(rows=ROWS, data=st.data())
def test_neither_the_order_nor_the_scale_of_weights_changes_a_score(
    method: Any, rows: list[list[float]], data: st.DataObject
) -> None:
    names = [f"c{n}" for n in range(len(rows[0]))]
    weights = data.draw(st.lists(st.integers(1, 9), min_size=len(names), max_size=len(names)))
    criteria = {name: ("more", float(w)) for name, w in zip(names, weights, strict=True)}
    options: dict[str, list[float | None]] = {f"o{n}": [*row] for n, row in enumerate(rows)}
    problem = decision(criteria, options, method=method)
    scores = {one.option: one.score for one in decide(problem).ranking}
    turned = msgspec.structs.replace(
        problem,
        options=problem.options[::-1],
        criteria=[msgspec.structs.replace(one, weight=one.weight * 7) for one in problem.criteria],
    )
    again = {one.option: one.score for one in decide(turned).ranking}
    assert again == {name: pytest.approx(score) for name, score in scores.items()}


@pytest.mark.parametrize("method", ["weighted-sum", "topsis"])
@settings(max_examples=100, deadline=None)
@given(rows=ROWS)
def test_what_dominates_is_never_ranked_behind(method: Any, rows: list[list[float]]) -> None:
    criteria = {f"c{n}": ("more", 1.0 + n) for n in range(len(rows[0]))}
    options: dict[str, list[float | None]] = {f"o{n}": [*row] for n, row in enumerate(rows)}
    answer = decide(decision(criteria, options, method=method))
    ranks = {one.option: one.rank for one in answer.ranking}
    for pair in answer.dominances:
        assert ranks[pair.better] < ranks[pair.worse]
