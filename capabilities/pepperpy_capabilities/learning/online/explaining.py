"""Why a learner guessed what it did: weights, the path in a tree, or what each feature changes."""

from collections.abc import Callable
from math import isclose
from typing import Any, Final

from pepperpy_capabilities.learning.online.features import Seen, as_numbers
from pepperpy_schemas.learning import Plain
from pepperpy_schemas.learning_online import Contribution

MOST: Final = 10
"""Most contributions that are told."""
_TRIED = 64
"""Most features that are tried; the others are not told of."""
_LONGEST_PATH = 50
_NOISE = 1e-12
"""Relative to a guess: what changes it less is the error of its arithmetic."""


def by_weights(model: Any, features: dict[str, Plain]) -> list[Contribution]:
    """Returns weight times value of each feature of a linear model.

    Their sum and the intercept are the number that it guesses; for classes it is the logarithm of
    the odds, or the distance to the border between them.

    Args:
        model: A scaler and a linear model after it.
        features: What was guessed about.
    """
    scaler, linear = model["StandardScaler"], model[-1]
    scaled = scaler.transform_one(as_numbers(features))
    weights = linear.weights
    return strongest(
        [
            Contribution(name, float(weights[name] * value))
            for name, value in scaled.items()
            if name in weights
        ]
    )


def by_path(model: Any, features: dict[str, Any]) -> list[str]:
    """Returns the questions on the way to the leaf of a decision tree, with their answers."""
    node, steps = getattr(model, "_root", None), list[str]()
    while node is not None and hasattr(node, "branch_no") and len(steps) < _LONGEST_PATH:
        try:
            number = node.branch_no(features)
        except KeyError:  # it was not told: the way that most took
            number, node = node.most_common_path()
            steps.append("a feature is not given: the way that most took")
            continue
        steps.append(node.repr_branch(number))
        node = node.children[number]
    return steps


def by_trying(
    measure: Callable[[dict[str, Plain]], float], features: dict[str, Plain], seen: Seen
) -> list[Contribution]:
    """Returns what each feature changes: against its average, or against not being there.

    Args:
        measure: What is guessed, as a number.
        features: What was guessed about.
        seen: What is known of features.
    """
    whole = measure(features)
    found = []
    for name in list(features)[:_TRIED]:
        other = dict(features)
        if name in seen.means:
            other[name] = seen.means[name][0]
        else:
            del other[name]
        without = measure(other)
        if not isclose(whole, without, rel_tol=_NOISE):
            found.append(Contribution(name, float(whole - without)))
    return strongest(found)


def strongest(found: list[Contribution]) -> list[Contribution]:
    """Returns the strongest contributions, those of the same strength by name."""
    moved = [one for one in found if one.by]
    return sorted(moved, key=lambda one: (-abs(one.by), one.feature))[:MOST]


def in_words(found: list[Contribution], unit: str) -> list[str]:
    """Returns contributions as lines."""
    return [f"  {one.feature}: {one.by:+.4g} {unit}".rstrip() for one in found]
