"""Tables that others have published, with the scores that they give."""

import msgspec
import pytest

from pepperpy_capabilities.reasoning.deciding.deciding import decide
from pepperpy_schemas.decisions import DecisionProblem
from tests.capabilities.reasoning.deciding.problems import AIRCRAFT, HEATING, TZENG_HUANG


@pytest.mark.parametrize(
    ("problem", "published", "digits"),
    [
        (AIRCRAFT, {"A1": 0.643, "A3": 0.613, "A4": 0.312, "A2": 0.268}, 1e-3),
        (TZENG_HUANG, {"A2": 0.7482, "A1": 0.6581, "A0": 0.5037, "A3": 0.3340}, 1e-4),
        (
            HEATING,
            {
                "A1": 0.3458235,
                "A5": 0.14351701,
                "A2": 0.13838192,
                "A3": 0.12841246,
                "A4": 0.12346084,
                "A0": 0.12040426,
            },
            1e-8,
        ),
    ],
    ids=["hwang-yoon", "tzeng-huang", "kracka"],
)
def test_scores_and_order_are_the_published_ones(
    problem: DecisionProblem, published: dict[str, float], digits: float
) -> None:
    ranking = decide(problem).ranking
    assert [one.option for one in ranking] == list(published)
    assert [one.rank for one in ranking] == list(range(1, len(published) + 1))
    for one in ranking:
        assert one.score == pytest.approx(published[one.option], abs=digits)
        assert sum(one.contributions.values()) == pytest.approx(one.score, rel=1e-12)


def test_no_aircraft_dominates_another() -> None:
    """As the book says of them: each is the best by something."""
    answer = decide(msgspec.structs.replace(AIRCRAFT, method="pareto"))
    assert answer.best == ["A1", "A2", "A3", "A4"]
    assert answer.dominance_count == 0
    assert answer.sensitivity == []
