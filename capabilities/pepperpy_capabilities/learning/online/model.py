"""A model of River as the learner uses it: the same few verbs whatever it learns."""

import copy
import math
from typing import Any, Self

from pepperpy_capabilities.learning.online.catalog import Entry
from pepperpy_capabilities.learning.online.features import as_numbers, is_number
from pepperpy_schemas.errors import BadProblem
from pepperpy_schemas.learning import Plain

Features = dict[str, Plain]


class Model:
    """A model with its entry in the catalog.

    Args:
        entry: Its entry.
        river: River's model.

    Attributes:
        entry: The same.
        river: The same.
    """

    def __init__(self, entry: Entry, river: Any) -> None:
        self.entry = entry
        self.river = river

    def at_rest(self) -> Self:
        """Returns one that may guess without a change of this one: itself, or a copy."""
        if not self.entry.restless:
            return self
        return type(self)(self.entry, copy.deepcopy(self.river))

    def inputs(self, features: Features) -> dict[str, Any]:
        """Returns features as River takes them here."""
        return dict(features) if self.entry.words else as_numbers(features)

    def learn(self, features: Features, target: Any) -> None:
        """Learns from an example."""
        if self.entry.task in ("classification", "regression"):
            self.river.learn_one(self.inputs(features), target)
        else:
            self.river.learn_one(self.inputs(features))

    def value(self, features: Features) -> Plain | None:
        """Returns the label, the number or the cluster that it guesses, or nothing."""
        return plain(self.river.predict_one(self.inputs(features)))

    def score(self, features: Features) -> Plain | None:
        """Returns how unusual something is."""
        return plain(self.river.score_one(self.inputs(features)))

    def number(self, features: Features) -> float:
        """Returns the number, or the score, that it guesses.

        Raises:
            BadProblem: It has none that is finite.
        """
        found = self.score(features) if self.entry.task == "anomaly" else self.value(features)
        if not is_number(found):
            raise BadProblem(
                "the model has no finite answer any more",
                hint="reset it, and give it a smaller rate",
            )
        return float(found)

    def probabilities(self, features: Features) -> dict[str, float]:
        """Returns how probable each label is; nothing where it does not know."""
        try:
            found = self.river.predict_proba_one(self.inputs(features))
        except NotImplementedError:
            return {}
        return {as_text(label): float(p) for label, p in found.items() if is_number(p)}

    def distance(self, features: Features) -> float | None:
        """Returns how far something is from the center of its cluster, in scaled features."""
        scaler, clusters = self.river[0], self.river[-1]
        scaled = scaler.transform_one(self.inputs(features))
        center = clusters.centers.get(clusters.predict_one(scaled))
        if center is None:
            return None
        return math.dist([center.get(name, 0.0) for name in scaled], list(scaled.values()))


def plain(value: Any) -> Plain | None:
    """Returns a value without the types of numpy."""
    found: Plain | None = value.item() if hasattr(value, "item") else value
    return found


def as_text(label: Any) -> str:
    """Returns a label as a key of JSON."""
    return str(label).lower() if isinstance(label, bool) else str(label)
