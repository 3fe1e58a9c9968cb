"""A simulated fleet: three models whose success depends on the kind of the task, and drifts."""

import random
from typing import Final

import msgspec

KINDS: Final = ("code", "mail", "law")
MODELS: Final = ("small", "medium", "large")

Chances = dict[str, dict[str, float]]
"""How probably each model succeeds at each kind of task."""

BEFORE: Final[Chances] = {
    "code": {"small": 0.35, "medium": 0.60, "large": 0.90},
    "mail": {"small": 0.90, "medium": 0.70, "large": 0.60},
    "law": {"small": 0.30, "medium": 0.85, "large": 0.55},
}
AFTER: Final[Chances] = {
    "code": {"small": 0.90, "medium": 0.60, "large": 0.35},
    "mail": {"small": 0.40, "medium": 0.90, "large": 0.60},
    "law": {"small": 0.30, "medium": 0.50, "large": 0.90},
}
"""After the drift each kind has another best model."""


class Gained(msgspec.Struct, frozen=True):
    """What routing gained, task by task, beside the best model for each kind.

    Expected rewards, not the ones that chance gave, so that luck is no merit.

    Attributes:
        got: The chance of success of the model that was chosen.
        best: That of the best one for the kind.
    """

    got: list[float]
    best: list[float]

    def share(self, begin: int, end: int) -> float:
        """Returns the part of the best reward that some tasks gained."""
        return sum(self.got[begin:end]) / sum(self.best[begin:end])

    def recovery(self, drift: int, *, window: int = 100, part: float = 0.9) -> int | None:
        """Returns after how many tasks since a drift the last ones gain enough again."""
        for end in range(drift + window, len(self.got) + 1):
            if self.share(end - window, end) >= part:
                return end - drift
        return None


def tasks(seed: int, count: int) -> list[str]:
    """Returns the kinds of tasks, as they come."""
    chance = random.Random(seed)
    return [chance.choice(KINDS) for _ in range(count)]
