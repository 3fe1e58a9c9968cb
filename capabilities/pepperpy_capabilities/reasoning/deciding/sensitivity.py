"""How far one weight may move until another option wins: exact, and no search.

One weight moves from 0 upward, the others stay as they are (so their proportions stay, too). Both
methods compare the winner with another option by a polynomial in u that is ≥ 0 where the winner
wins:

- the weighted sum with u = w: the difference of two scores is a + b u;
- TOPSIS with u = w²: D⁺² = a + b u and D⁻² = c + d u, and closeness grows with D⁻² / D⁺², so that
  (c₁ + d₁ u)(a₂ + b₂ u) - (c₂ + d₂ u)(a₁ + b₁ u) decides.

The roots next to the present weight are the ends of its range.
"""

import math
from collections.abc import Callable, Iterator

from pepperpy_capabilities.reasoning.deciding.scoring import Rows, distances
from pepperpy_capabilities.reasoning.deciding.tableau import Tableau
from pepperpy_schemas.decisions import WeightRange

Polynomial = tuple[float, float, float]
"""c₀ + c₁ u + c₂ u²."""
Contest = Callable[[int, int], Polynomial]
"""Of another option and of the criterion whose weight moves: where the winner beats it."""

_SAME = 1e-12  # of the size of the terms: what is less is rounding


def weight_ranges(tableau: Tableau, rows: Rows, winner: int, *, topsis: bool) -> list[WeightRange]:
    """Returns for each criterion how far its weight may move until the winner changes.

    Args:
        tableau: The options and weights.
        rows: Comparable values, more being better.
        winner: The row that wins.
        topsis: Whether scores are TOPSIS', and not weighted sums.
    """
    contest = (_topsis if topsis else _sum)(rows, tableau.weights, winner)
    power = 2 if topsis else 1
    rivals = [n for n in range(len(rows)) if rows[n] != rows[winner]]
    return [
        _range(tableau, criterion, power, [(n, contest(n, criterion)) for n in rivals])
        for criterion in range(len(tableau.criteria))
    ]


def _range(
    tableau: Tableau, criterion: int, power: int, contests: list[tuple[int, Polynomial]]
) -> WeightRange:
    weight = tableau.weights[criterion]
    rest = math.fsum(w for n, w in enumerate(tableau.weights) if n != criterion)
    name = tableau.criteria[criterion].name
    if not rest:  # beside weights that are all zero any other amount is the same
        return WeightRange(criterion=name, weight=weight, low=0.0, high=1.0)
    now = weight**power
    low, below, high, above = 0.0, "", math.inf, ""
    for n, polynomial in contests:
        down, up = _stays(polynomial, now)
        if down > low:
            low, below = down, tableau.options[n]
        if up < high:
            high, above = up, tableau.options[n]

    def share(u: float) -> float:
        moved = u ** (1 / power)
        return 1.0 if math.isinf(u) else moved / (moved + rest)

    return WeightRange(
        criterion=name,
        weight=weight,
        low=min(share(low), weight),
        high=max(share(high), weight),
        below=below,
        above=above,
    )


def _stays(polynomial: Polynomial, now: float) -> tuple[float, float]:
    """Returns from where to where around now the polynomial is not negative, for u ≥ 0."""
    roots = [u for u in _roots(polynomial) if u > 0]
    # Rounding puts the root of a tie beside now.
    near = [u for u in roots if math.isclose(u, now, rel_tol=1e-9)]
    marks = sorted({0.0, now, *(u for u in roots if u not in near), math.inf})
    here = marks.index(now)
    down = 0.0
    for n in range(here, 0, -1):
        if _negative(polynomial, marks[n - 1], marks[n]):
            down = marks[n]
            break
    up = math.inf
    for n in range(here, len(marks) - 1):
        if _negative(polynomial, marks[n], marks[n + 1]):
            up = marks[n]
            break
    return down, up


def _negative(polynomial: Polynomial, low: float, high: float) -> bool:
    """Returns whether it is negative between two neighbouring marks."""
    u = (low + high) / 2 if math.isfinite(high) else 2 * low + 1
    terms = [c * u**n for n, c in enumerate(polynomial)]
    return math.fsum(terms) < -_SAME * max(map(abs, terms))


def _roots(polynomial: Polynomial) -> list[float]:
    c, b, a = polynomial
    if not a:
        return [-c / b] if b else []
    # The form that does not take the difference of two like numbers.
    square = b * b - 4 * a * c
    if square < 0:
        return []
    q = -(b + math.copysign(math.sqrt(square), b)) / 2
    return [q / a, *([c / q] if q else [])]


def _sum(rows: Rows, weights: list[float], winner: int) -> Contest:
    weighed = [[w * x for w, x in zip(weights, row, strict=True)] for row in rows]
    totals = [math.fsum(row) for row in weighed]

    def contest(other: int, criterion: int) -> Polynomial:
        moving = weighed[winner][criterion] - weighed[other][criterion]
        rest = totals[winner] - totals[other] - moving
        return rest, rows[winner][criterion] - rows[other][criterion], 0.0

    return contest


def _topsis(rows: Rows, weights: list[float], winner: int) -> Contest:
    best, worst = (_Line(weights, side) for side in _scaled(distances(rows)))

    def contest(other: int, criterion: int) -> Polynomial:
        a1, b1 = best.at(winner, criterion)
        c1, d1 = worst.at(winner, criterion)
        a2, b2 = best.at(other, criterion)
        c2, d2 = worst.at(other, criterion)
        return (
            c1 * a2 - c2 * a1,
            c1 * b2 + d1 * a2 - c2 * b1 - d2 * a1,
            d1 * b2 - d2 * b1,
        )

    return contest


def _scaled(sides: tuple[Rows, Rows]) -> Iterator[Rows]:
    """Distances with 1 as the longest: their proportions decide, and no square is infinite."""
    longest = max((d for side in sides for row in side for d in row), default=0.0) or 1.0
    for side in sides:
        yield [[d / longest for d in row] for row in side]


class _Line:
    """Squared distances of options to one point, as lines a + b w² of one weight."""

    def __init__(self, weights: list[float], distances: Rows) -> None:
        self._squares = [[d * d for d in row] for row in distances]
        self._weighed = [
            [w * w * d for w, d in zip(weights, row, strict=True)] for row in self._squares
        ]
        self._totals = [math.fsum(row) for row in self._weighed]

    def at(self, option: int, criterion: int) -> tuple[float, float]:
        rest = self._totals[option] - self._weighed[option][criterion]
        return max(rest, 0.0), self._squares[option][criterion]
