"""How well a learner did over time: each example is guessed before it is learned.

This is the prequential (test-then-train) evaluation: A. P. Dawid, "Statistical Theory: The
Prequential Approach", 1984. The figures of a moment are those of all examples until then; those
that end in ``_lately`` are of the examples since the moment before.
"""

import bisect
import math
from typing import Final

import msgspec

from pepperpy_schemas.problems import Measured

MOMENTS: Final = 128
"""Most moments that are kept; when there are more, every second one goes."""
SCORES: Final = 500
"""How many of the last scores of anomalies, and of others, the figures are made of."""
_FIRST_DISTANCE = 10


class Counts(msgspec.Struct):
    """How often a label was guessed and was right.

    Attributes:
        right: It was guessed, and it was it.
        guessed: It was guessed.
        was: It was it.
    """

    right: int = 0
    guessed: int = 0
    was: int = 0


class Sums(msgspec.Struct):
    """What figures are made of.

    Attributes:
        count: Guesses.
        error: The sum of errors: wrong labels, distances to the number.
        squares: The sum of their squares.
        total: The sum of what was to be guessed.
        total_squares: The sum of its squares.
    """

    count: int = 0
    error: float = 0.0
    squares: float = 0.0
    total: float = 0.0
    total_squares: float = 0.0

    def add(self, error: float, truth: float = 0.0) -> None:
        """Counts a guess."""
        self.count += 1
        self.error += error
        self.squares += error * error
        self.total += truth
        self.total_squares += truth * truth


class Progress(msgspec.Struct):
    """The figures of one learner.

    Attributes:
        task: What it does.
        learned: Examples that it has learned from.
        all: What the figures of all of them are made of.
        lately: The same since the last moment.
        labels: Counts by label, as text.
        moments: The figures at moments before.
        distance: Examples from one moment to the next; it doubles when every second one goes.
        anomalies: The last scores of examples that were said to be anomalies.
        others: The last scores of those that were said to be none.
        drifts: How often a drift was noticed.
    """

    task: str
    learned: int = 0
    all: Sums = msgspec.field(default_factory=Sums)
    lately: Sums = msgspec.field(default_factory=Sums)
    labels: dict[str, Counts] = {}
    moments: list[Measured] = []
    distance: int = _FIRST_DISTANCE
    anomalies: list[float] = []
    others: list[float] = []
    drifts: int = 0

    def note_label(self, guess: str, truth: str) -> float:
        """Counts a guessed label; returns the error, 0 or 1."""
        error = float(guess != truth)
        self.labels.setdefault(guess, Counts()).guessed += 1
        of_truth = self.labels.setdefault(truth, Counts())
        of_truth.was += 1
        of_truth.right += guess == truth
        self._add(error)
        return error

    def note_number(self, guess: float, truth: float) -> float:
        """Counts a guessed number; returns the error."""
        error = abs(guess - truth)
        self._add(error, truth)
        return error

    def note_score(self, score: float, anomaly: bool | None = None) -> None:
        """Counts the score of an example, or its distance to its cluster."""
        self._add(score)
        if anomaly is not None:
            scores = self.anomalies if anomaly else self.others
            scores.append(score)
            del scores[:-SCORES]

    def note_learned(self) -> None:
        """Counts an example, and keeps the moment when it is time."""
        self.learned += 1
        if self.learned % self.distance:
            return
        self.moments.append(Measured(self.learned, self.figures()))
        self.lately = Sums()
        if len(self.moments) > MOMENTS:
            self.moments = self.moments[1::2]
            self.distance *= 2

    def over_time(self) -> list[Measured]:
        """Returns the figures at the moments that are kept, and now."""
        if self.moments and self.moments[-1].examples == self.learned:
            return list(self.moments)
        return [*self.moments, Measured(self.learned, self.figures())]

    def figures(self) -> dict[str, float]:
        """Returns the figures now; none before the first guess."""
        found = self._of_guesses() if self.all.count else {}
        return {**found, "drifts": float(self.drifts)} if self.drifts else found

    def _of_guesses(self) -> dict[str, float]:
        mean = self.all.error / self.all.count
        lately = self.lately.error / self.lately.count if self.lately.count else mean
        match self.task:
            case "classification":
                return {
                    "accuracy": 1 - mean,
                    "accuracy_lately": 1 - lately,
                    "macro_f1": self._macro_f1(),
                }
            case "regression":
                return {
                    "mae": mean,
                    "mae_lately": lately,
                    "rmse": math.sqrt(self.all.squares / self.all.count),
                    "r2": self._r2(),
                }
            case "anomaly":
                found = {"score": mean, "score_lately": lately}
                return {**found, **self._roc_auc()}
            case _:
                return {"distance": mean, "distance_lately": lately}

    def _add(self, error: float, truth: float = 0.0) -> None:
        self.all.add(error, truth)
        self.lately.add(error, truth)

    def _macro_f1(self) -> float:
        scores = [2 * one.right / max(1, one.guessed + one.was) for one in self.labels.values()]
        return sum(scores) / len(scores)

    def _roc_auc(self) -> dict[str, float]:
        """How probably an anomaly has a higher score than another example (Mann and Whitney)."""
        if not self.anomalies or not self.others:
            return {}
        below = sorted(self.others)
        higher = sum(
            (bisect.bisect_left(below, one) + bisect.bisect_right(below, one)) / 2
            for one in self.anomalies
        )
        return {"roc_auc": higher / (len(below) * len(self.anomalies))}

    def _r2(self) -> float:
        spread = self.all.total_squares - self.all.total**2 / self.all.count
        return 1 - self.all.squares / spread if spread > 0 else 0.0
