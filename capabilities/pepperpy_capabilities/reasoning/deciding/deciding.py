"""A decision from beginning to end: numbers, scores, ranks, fronts, sensitivity, words."""

from pepperpy_capabilities.reasoning.deciding.dominance import dominators, fronts
from pepperpy_capabilities.reasoning.deciding.explaining import explain
from pepperpy_capabilities.reasoning.deciding.normalizing import normalized
from pepperpy_capabilities.reasoning.deciding.scoring import Scores, topsis, weighted_sum
from pepperpy_capabilities.reasoning.deciding.sensitivity import weight_ranges
from pepperpy_capabilities.reasoning.deciding.tableau import Tableau, tableau
from pepperpy_schemas.decisions import (
    MAX_DOMINANCES,
    Decision,
    DecisionProblem,
    Dominance,
    Normalization,
    Ranked,
    WeightRange,
)

_DIGITS = 12  # scores that are alike so far are alike: what differs beyond is rounding


def decide(problem: DecisionProblem) -> Decision:
    """Returns the options of a problem in their order.

    Raises:
        BadProblem: Something of it cannot be counted with; the context names the field.
    """
    table = tableau(problem)
    dominated_by = dominators(table.oriented())
    layers = fronts(dominated_by)
    if problem.method == "pareto":
        normalization = None
        ranking = _by_front(table, layers)
        sensitivity: list[WeightRange] = []
    else:
        normalization = problem.normalization or _usual(problem)
        rows = normalized(table, normalization)
        score = topsis if problem.method == "topsis" else weighted_sum
        scores = score(rows, table.weights)
        order = _order(scores)
        ranking = _by_score(table, scores, order, layers)
        sensitivity = weight_ranges(table, rows, order[0], topsis=problem.method == "topsis")
    places = {one.option: n for n, one in enumerate(ranking)}
    pairs = sorted(
        (
            Dominance(table.options[better], table.options[worse])
            for worse, found in enumerate(dominated_by)
            for better in found
        ),
        key=lambda pair: (places[pair.better], places[pair.worse]),
    )
    answer = Decision(
        method=problem.method,
        normalization=normalization,
        best=[one.option for one in ranking if one.rank == 1],
        ranking=ranking,
        dominances=pairs[:MAX_DOMINANCES],
        dominance_count=len(pairs),
        sensitivity=sensitivity,
        left_out=table.left_out,
    )
    return explain(answer, table)


def _usual(problem: DecisionProblem) -> Normalization:
    return "vector" if problem.method == "topsis" else "min-max"


def _order(scores: Scores) -> list[int]:
    """The rows, best first; equals as they were given."""
    return sorted(range(len(scores.totals)), key=lambda n: -_rounded(scores.totals[n]))


def _rounded(score: float) -> float:
    return float(f"{score:.{_DIGITS}g}")


def _by_score(table: Tableau, scores: Scores, order: list[int], layers: list[int]) -> list[Ranked]:
    ranking: list[Ranked] = []
    for place, n in enumerate(order):
        tied = place and _rounded(scores.totals[n]) == _rounded(scores.totals[order[place - 1]])
        ranking.append(
            Ranked(
                option=table.options[n],
                rank=ranking[-1].rank if tied else place + 1,
                score=scores.totals[n],
                contributions={
                    one.name: part
                    for one, part in zip(table.criteria, scores.parts[n], strict=True)
                },
                front=layers[n],
            )
        )
    return ranking


def _by_front(table: Tableau, layers: list[int]) -> list[Ranked]:
    order = sorted(range(len(layers)), key=layers.__getitem__)
    first = {layer: place for place, layer in reversed([*enumerate(sorted(layers), 1)])}
    return [Ranked(option=table.options[n], rank=first[layers[n]], front=layers[n]) for n in order]
