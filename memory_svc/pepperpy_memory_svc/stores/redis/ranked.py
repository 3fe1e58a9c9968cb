"""Entries by their numbers in the store, the best first."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.uint64]
Scores = NDArray[np.float64]


class Ranked:
    """Entries of one leg of a search.

    Args:
        numbers: Their numbers.
        scores: Their scores.
    """

    def __init__(self, numbers: Numbers, scores: Scores) -> None:
        order = np.argsort(-scores, kind="stable")
        self._numbers = numbers[order]
        self._scores = scores[order]

    @classmethod
    def of(cls, numbers: Sequence[str], scores: Iterable[float]) -> "Ranked":
        """Takes numbers as the scripts answer them."""
        return cls(np.array(numbers, np.uint64), np.array(list(scores), np.float64))

    def __len__(self) -> int:
        return len(self._numbers)

    def among(self, numbers: Sequence[str]) -> "Ranked":
        """Returns those that are among some."""
        inside = np.isin(self._numbers, np.array(numbers, np.uint64))
        return Ranked(self._numbers[inside], self._scores[inside])

    def part(self, begin: int, end: int) -> list[tuple[str, float]]:
        """Returns those from one place to another, with their scores."""
        numbers, scores = self._numbers[begin:end].tolist(), self._scores[begin:end].tolist()
        return [(str(nr), score) for nr, score in zip(numbers, scores, strict=True)]
