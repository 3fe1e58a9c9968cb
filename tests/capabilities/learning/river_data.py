"""River's own datasets that ship in its package, as examples."""

import importlib
from collections.abc import Iterable
from itertools import islice
from typing import Any

from pepperpy_schemas.learning_online import OnlineExample

# Half of River has no types.
datasets: Any = importlib.import_module("river.datasets")
evaluate: Any = importlib.import_module("river.evaluate")
metrics: Any = importlib.import_module("river.metrics")
synth: Any = importlib.import_module("river.datasets.synth")


def examples(dataset: Iterable[Any], count: int | None = None) -> list[OnlineExample]:
    """The first examples of a dataset."""
    return [
        OnlineExample({str(name): one for name, one in x.items()}, y)
        for x, y in islice(dataset, count)
    ]
