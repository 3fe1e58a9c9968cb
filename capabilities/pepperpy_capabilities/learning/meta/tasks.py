"""What a task of learning is like, as numbers by which tasks are compared."""

import math
from collections.abc import Sequence

from pepperpy_schemas.errors import BadExample
from pepperpy_schemas.learning_online import OnlineExample


def describe(examples: Sequence[OnlineExample]) -> dict[str, float]:
    """Returns the features of a task, seen from some of its examples.

    They are: the logarithm of the number of features, the share of features that are words, the
    logarithm of the number of labels, the share of the most frequent label, and how well a
    straight line divides the labels: the share of examples that are nearer to the average of their
    own label than to those of others.

    Args:
        examples: Some of its examples, in any order.

    Raises:
        BadExample: There are none.
    """
    if not examples:
        raise BadExample("a task without examples is like no other", context={"field": "examples"})
    names = {name for one in examples for name in one.features}
    values = [value for one in examples for value in one.features.values()]
    counts: dict[str, int] = {}
    for one in examples:
        counts[str(one.target)] = counts.get(str(one.target), 0) + 1
    return {
        "features": math.log2(1 + len(names)),
        "words": sum(isinstance(value, str) for value in values) / max(1, len(values)),
        "labels": math.log2(len(counts)),
        "majority": max(counts.values()) / len(examples),
        "straight": _straight(examples, counts),
    }


def _straight(examples: Sequence[OnlineExample], counts: dict[str, int]) -> float:
    """The share of examples that are nearest to the average of their label, in scaled numbers."""
    numbers = [
        {name: float(value) for name, value in one.features.items() if not isinstance(value, str)}
        for one in examples
    ]
    names = sorted({name for one in numbers for name in one})
    if not names or len(counts) < 2:
        return 0.0
    rows = [[one.get(name, 0.0) for name in names] for one in numbers]
    scales = [_spread(column) for column in zip(*rows, strict=True)]
    scaled = [[value / scale for value, scale in zip(row, scales, strict=True)] for row in rows]
    labels = [str(one.target) for one in examples]
    sums = {label: [0.0] * len(names) for label in counts}
    for label, row in zip(labels, scaled, strict=True):
        sums[label] = [total + value for total, value in zip(sums[label], row, strict=True)]
    centers = {label: [one / counts[label] for one in total] for label, total in sums.items()}
    nearest = [min(centers, key=lambda label: math.dist(centers[label], row)) for row in scaled]
    return sum(a == b for a, b in zip(nearest, labels, strict=True)) / len(examples)


def _spread(column: Sequence[float]) -> float:
    mean = sum(column) / len(column)
    return math.sqrt(sum((value - mean) ** 2 for value in column) / len(column)) or 1.0
