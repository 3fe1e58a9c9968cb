"""A guess and why it is that: by weights, by a path, or by trying it without each feature."""

from collections.abc import Callable

import msgspec

from pepperpy_capabilities.learning.online import explaining
from pepperpy_capabilities.learning.online.features import Seen
from pepperpy_capabilities.learning.online.model import Features, Model, as_text
from pepperpy_schemas.learning_online import OnlineGuess

_HOW = {
    "path": "by the path in the tree",
    "weights": "by weight times value of each feature",
    "trying": "by what each feature changes, against its average",
}


def guess(model: Model, features: Features, seen: Seen, *, by: str) -> OnlineGuess:
    """Returns what a model guesses, with its explanation.

    Args:
        model: The model.
        features: Features that it knows.
        seen: What is known of features.
        by: Who guesses, for the explanation.

    Raises:
        BadProblem: It has no finite answer any more.
    """
    match model.entry.task:
        case "anomaly":
            bare = OnlineGuess(score=model.number(features))
        case "regression":
            bare = OnlineGuess(value=model.number(features))
        case "clustering":
            bare = OnlineGuess(value=model.value(features))
        case _:
            probabilities = model.probabilities(features)
            bare = OnlineGuess(value=model.value(features), probabilities=probabilities)
    return _explained(model, features, seen, bare, by)


def _explained(
    model: Model, features: Features, seen: Seen, bare: OnlineGuess, by: str
) -> OnlineGuess:
    headline = f"{_said(model, bare)}, by {by}: {_HOW[model.entry.explain]}"
    if model.entry.explain == "path":
        path = explaining.by_path(model.river, model.inputs(features))
        text = "\n".join([headline, *(f"  {step}" for step in path)])
        return msgspec.structs.replace(bare, path=path, explanation=text)
    if model.entry.explain == "weights":
        found = explaining.by_weights(model.river, features)
        unit = "" if model.entry.task == "regression" else "towards true"
    else:
        measure, unit = _measure(model, bare)
        found = explaining.by_trying(measure, features, seen)
    text = "\n".join([headline, *explaining.in_words(found, unit)])
    return msgspec.structs.replace(bare, contributions=found, explanation=text)


def _measure(model: Model, bare: OnlineGuess) -> tuple[Callable[[Features], float], str]:
    """What of a guess is looked at when a feature is tried, and its unit."""
    match model.entry.task:
        case "classification":
            label = as_text(bare.value)
            return lambda one: model.probabilities(one).get(label, 0.0), "of its probability"
        case "clustering":
            return lambda one: model.distance(one) or 0.0, "of its distance"
        case _:
            return model.number, ""


def _said(model: Model, bare: OnlineGuess) -> str:
    if bare.score is not None:
        return f"score {bare.score:.4g}"
    return f"{model.entry.task} {as_text(bare.value)}"
