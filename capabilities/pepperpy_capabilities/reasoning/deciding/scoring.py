"""How good options are: the weighted sum, and TOPSIS; with what each criterion brings.

TOPSIS (Hwang and Yoon, 1981): each option's distance to the best and to the worst value that there
is of every criterion, both weighted. Its closeness is D⁻ / (D⁺ + D⁻), 0 to 1. As D⁻ = Σ d⁻ⱼ² / D⁻,
a criterion brings d⁻ⱼ² / (D⁻ (D⁺ + D⁻)) to it.
"""

import math
from dataclasses import dataclass

Rows = list[list[float]]


@dataclass(frozen=True, slots=True)
class Scores:
    """What a method says of the options, in their order.

    Attributes:
        totals: Their scores.
        parts: What each criterion brings to each; a row adds up to its total.
    """

    totals: list[float]
    parts: Rows


def weighted_sum(rows: Rows, weights: list[float]) -> Scores:
    """Returns for each option the sum of its values, each times its criterion's weight.

    Args:
        rows: Comparable values, more being better.
        weights: Shares that add up to 1.
    """
    parts = [[w * x for w, x in zip(weights, row, strict=True)] for row in rows]
    return Scores([math.fsum(row) for row in parts], parts)


def topsis(rows: Rows, weights: list[float]) -> Scores:
    """Returns for each option its closeness to the best, 0 to 1.

    Where all options are alike, the best is the worst, and all are 1.

    Args:
        rows: Comparable values, more being better.
        weights: Shares that add up to 1.
    """
    to_best, to_worst = distances(rows)
    totals, parts = [], []
    for best, worst in zip(to_best, to_worst, strict=True):
        minus = [w * d for w, d in zip(weights, worst, strict=True)]
        far = math.hypot(*minus)
        near = math.hypot(*(w * d for w, d in zip(weights, best, strict=True)))
        if not far + near:
            totals.append(1.0)
            parts.append(list(weights))
            continue
        totals.append(far / (near + far))
        # d² / D⁻ as d times d / D⁻, so that no square of a small number vanishes.
        parts.append([d * (d / far) / (near + far) if far else 0.0 for d in minus])
    return Scores(totals, parts)


def distances(rows: Rows) -> tuple[Rows, Rows]:
    """Returns how far each value is from the best, and from the worst, of its column."""
    columns = list(zip(*rows, strict=True))
    best, worst = [max(one) for one in columns], [min(one) for one in columns]
    to_best = [[b - x for b, x in zip(best, row, strict=True)] for row in rows]
    to_worst = [[x - w for w, x in zip(worst, row, strict=True)] for row in rows]
    return to_best, to_worst
