"""How good a ranking is: the measures of information retrieval."""

import math
from collections.abc import Mapping, Sequence


def ndcg(ranked: Sequence[str], gains: Mapping[str, float], k: int = 10) -> float:
    """Returns the normalised discounted cumulative gain of the first places, 0 to 1.

    The gain at place i counts 1 / log2(i + 1), and the sum is divided by that of the best order
    (Järvelin and Kekäläinen 2002).

    Args:
        ranked: Ids, the best first.
        gains: How good each id is; those that are not named are worth nothing.
        k: Places that count.
    """
    best = _discounted(sorted(gains.values(), reverse=True)[:k])
    return _discounted([gains.get(id_, 0.0) for id_ in ranked[:k]]) / best if best else 0.0


def _discounted(gains: Sequence[float]) -> float:
    return sum(gain / math.log2(place + 1) for place, gain in enumerate(gains, 1))


def success(ranked: Sequence[str], gains: Mapping[str, float], k: int = 1) -> float:
    """Returns 1 when one of the first places answers, else 0: recall where there is one answer."""
    return float(any(gains.get(id_, 0.0) > 0 for id_ in ranked[:k]))


def recall(found: Sequence[str], wanted: Sequence[str]) -> float:
    """Returns the share of what is wanted that was found; 1 of nothing."""
    return len(set(found) & set(wanted)) / len(set(wanted)) if wanted else 1.0


def percentile(values: Sequence[float], share: float) -> float:
    """Returns the value that a share of all values does not exceed, by the nearest rank.

    Args:
        values: At least one.
        share: Above 0, at most 1: .5 is the median, .95 what one of twenty exceeds.
    """
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
