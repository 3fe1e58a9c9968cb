"""What a bandit was worth over time: the mean of its rewards, at moments of its life."""

from typing import Final

import msgspec

from pepperpy_schemas.problems import Measured

MOMENTS: Final = 128
"""Most moments that are kept; when there are more, every second one goes."""
_FIRST_DISTANCE: Final = 10


class Worth(msgspec.Struct):
    """The rewards of one bandit.

    Attributes:
        rewards: How many.
        total: Their sum.
        lately: How many since the last moment.
        lately_total: Their sum.
        moments: The figures at moments before.
        distance: Rewards from one moment to the next.
    """

    rewards: int = 0
    total: float = 0.0
    lately: int = 0
    lately_total: float = 0.0
    moments: list[Measured] = []
    distance: int = _FIRST_DISTANCE

    def add(self, reward: float) -> None:
        """Counts a reward, and keeps the moment when it is time."""
        self.rewards += 1
        self.lately += 1
        self.total += reward
        self.lately_total += reward
        if self.rewards % self.distance:
            return
        self.moments.append(Measured(self.rewards, self._figures()))
        self.lately, self.lately_total = 0, 0.0
        if len(self.moments) > MOMENTS:
            self.moments = self.moments[1::2]
            self.distance *= 2

    def correct(self, by: float) -> None:
        """Adds what a reward turned out to be more; moments that are past keep their figures."""
        self.total += by

    def over_time(self) -> list[Measured]:
        """Returns the figures at the moments that are kept, and now."""
        if self.moments and self.moments[-1].examples == self.rewards:
            return list(self.moments)
        return [*self.moments, Measured(self.rewards, self._figures())]

    def _figures(self) -> dict[str, float]:
        if not self.rewards:
            return {}
        mean = self.total / self.rewards
        lately = self.lately_total / self.lately if self.lately else mean
        return {"reward": mean, "reward_lately": lately}
