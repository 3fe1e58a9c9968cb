"""The rewards of a learner of values over time."""

from typing import Final

import msgspec

from pepperpy_schemas.problems import Measured

MOMENTS: Final = 128
"""Most moments that are kept; when there are more, every second one goes."""
_FIRST_DISTANCE = 10


class Rewards(msgspec.Struct):
    """What came of all steps.

    Attributes:
        steps: How many there were.
        total: The sum of their rewards.
        lately: The sum of those since the last moment.
        episode: The sum of those of the episode that goes on.
        episodes: How many have ended.
        ended: The sum of the rewards of those.
        lately_episodes: How many have ended since the last moment.
        lately_ended: The sum of the rewards of those.
        moments: The figures at moments before.
        distance: Steps from one moment to the next; it doubles when every second one goes.
    """

    steps: int = 0
    total: float = 0.0
    lately: float = 0.0
    episode: float = 0.0
    episodes: int = 0
    ended: float = 0.0
    lately_episodes: int = 0
    lately_ended: float = 0.0
    moments: list[Measured] = []
    distance: int = _FIRST_DISTANCE

    def note(self, reward: float, *, end: bool) -> None:
        """Counts a step, and keeps the moment when it is time."""
        self.steps += 1
        self.total += reward
        self.lately += reward
        self.episode += reward
        if end:
            self.episodes += 1
            self.lately_episodes += 1
            self.ended += self.episode
            self.lately_ended += self.episode
            self.episode = 0.0
        if self.steps % self.distance:
            return
        self.moments.append(Measured(self.steps, self.figures()))
        self.lately = self.lately_ended = 0.0
        self.lately_episodes = 0
        if len(self.moments) > MOMENTS:
            self.moments = self.moments[1::2]
            self.distance *= 2

    def figures(self) -> dict[str, float]:
        """Returns the figures now: of all steps, and of those since the last moment."""
        if not self.steps:
            return {}
        figures = {"reward": self.total / self.steps}
        if recent := self.steps % self.distance or self.distance:
            figures["reward_lately"] = self.lately / recent
        if self.episodes:
            figures |= {
                "episodes": float(self.episodes),
                "reward_of_episode": self.ended / self.episodes,
            }
        if self.lately_episodes:
            figures["reward_of_episode_lately"] = self.lately_ended / self.lately_episodes
        return figures

    def over_time(self) -> list[Measured]:
        """Returns the figures at the moments that are kept, and now."""
        if self.moments and self.moments[-1].examples == self.steps:
            return list(self.moments)
        return [*self.moments, Measured(self.steps, self.figures())]
