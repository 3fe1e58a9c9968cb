"""What one router has learned: a bandit, and figures for people. Pure; `Keeper` keeps it."""

import copy
from datetime import datetime
from typing import Final, Literal

import msgspec

from pepperpy_capabilities.learning.bandits.learner import BanditLearner
from pepperpy_capabilities.learning.routing.rewards import Ended, parts_of, reward_of
from pepperpy_schemas.errors import BadProblem
from pepperpy_schemas.learned_routes import (
    ChoiceFigures,
    PolicyValue,
    RouteAnswer,
    RouteLearned,
    RoutePicked,
    RouteRated,
    RouterSetting,
)
from pepperpy_schemas.learning import Plain
from pepperpy_schemas.learning_bandits import Pull
from pepperpy_schemas.messages import Instant
from pepperpy_schemas.states import TaskState

RATINGS: Final = 300
"""Rated tasks that are remembered, so that a second rating takes the place of the first."""


class Rated(msgspec.Struct, frozen=True):
    """What a task is worth by its last rating.

    Attributes:
        rating: The rating.
        reward: The reward with it.
        moment: Where that is in what was learned.
    """

    rating: float
    reward: float | None
    moment: int


class Kept(msgspec.Struct, kw_only=True):
    """What a router has learned, as it is saved.

    Attributes:
        kind: What it is, so that nothing else is taken for it.
        life: When it began to learn.
        bandit: The saved bandit.
        choices: What came of each choice.
        learned: What the learned policy is worth, by the tasks whatever decided them.
        default: What the default policy is worth.
        rated: The last rated tasks.
    """

    kind: Literal["pepperpy-router"] = "pepperpy-router"
    life: Instant | None = None
    bandit: bytes = b""
    choices: dict[str, ChoiceFigures] = {}
    learned: PolicyValue = msgspec.field(default_factory=PolicyValue)
    default: PolicyValue = msgspec.field(default_factory=PolicyValue)
    rated: dict[str, Rated] = {}


class Router:
    """Learns from how tasks ended that were sent somewhere.

    Args:
        state: What was saved, or None for one that has learned nothing.

    Attributes:
        figures: What is kept beside the bandit.

    Raises:
        BadProblem: The state is none of a router.
    """

    def __init__(self, state: bytes | None = None) -> None:
        self.figures = Kept() if state is None else _read(state)
        self._bandit: BanditLearner | None = None
        if self.figures.bandit:
            self._bandit = BanditLearner()
            self._bandit.load(self.figures.bandit)

    def bandit(self, setting: RouterSetting) -> BanditLearner:
        """Returns the bandit: before it has learned, one as the setting says."""
        return self._bandit or BanditLearner(setting.bandit)

    def save(self) -> bytes:
        """Returns the whole state."""
        self.figures.bandit = self._bandit.save() if self._bandit else b""
        return msgspec.msgpack.encode(self.figures)

    def learn(
        self,
        setting: RouterSetting,
        picked: RoutePicked,
        features: dict[str, Plain],
        ended: Ended,
        *,
        now: datetime,
    ) -> RouteLearned:
        """Learns from how a task ended.

        Raises:
            BadExample: A feature is none that the bandit can reckon with.
            TooBig: It would know too many choices or contexts.
        """
        parts = parts_of(setting.reward, ended)
        known = RouteLearned(parts=parts, seconds=ended.seconds, usd=ended.usd)
        if ended.state is TaskState.CANCELED:
            return msgspec.structs.replace(known, why="it was canceled, which says nothing of it")
        reward, moment = reward_of(setting.reward, parts), 0
        if reward is not None:
            moment = self._teach(setting, Pull(arm=picked.choice, reward=reward, features=features))
        life = self.figures.life = self.figures.life or now
        self._count(picked, ended, reward)
        why = "" if reward is not None else "no part of its reward is known yet"
        return msgspec.structs.replace(known, reward=reward, why=why, life=life, moment=moment)

    def rate(self, setting: RouterSetting, task: str, of: RouteAnswer, rating: float) -> RouteRated:
        """Changes the reward of a task to what it is with a rating.

        Args:
            setting: The router's.
            task: The task's id.
            of: What came of it.
            rating: From 0 to 1.
        """
        choice, learned = of.picked.choice, of.learned
        rated = RouteRated(router=of.router, choice=choice, was=learned.reward)
        if learned.life is None or learned.life != self.figures.life:
            return msgspec.structs.replace(rated, why=learned.why or "the router was reset since")
        before = self.figures.rated.pop(task, None)
        was = learned.reward if before is None else before.reward
        moment = learned.moment if before is None else before.moment
        reward = reward_of(setting.reward, {**learned.parts, "rating": rating})
        if reward is not None and reward != was:
            pull = Pull(arm=choice, reward=reward, features=of.features, was=was, at=moment)
            taught = self._teach(setting, pull)
            moment = taught if was is None else moment
            self._weigh(of.picked, reward - (was or 0.0), new=was is None)
        figures = self.figures.choices.setdefault(choice, ChoiceFigures())
        figures.reward += (reward or 0.0) - (was or 0.0)
        figures.rating += rating - (before.rating if before else 0.0)
        figures.ratings += before is None
        self.figures.rated[task] = Rated(rating, reward, moment)
        while len(self.figures.rated) > RATINGS:
            del self.figures.rated[next(iter(self.figures.rated))]
        return msgspec.structs.replace(rated, reward=reward, was=was)

    def _teach(self, setting: RouterSetting, pull: Pull) -> int:
        bandit = self.bandit(setting)
        bandit.learn(pull)
        self._bandit = bandit
        return bandit.moment(pull.features)

    def _count(self, picked: RoutePicked, ended: Ended, reward: float | None) -> None:
        figures = self.figures.choices.setdefault(picked.choice, ChoiceFigures())
        figures.chosen += 1
        figures.succeeded += ended.state is TaskState.COMPLETED
        figures.seconds += ended.seconds
        if ended.usd is not None:
            figures.usd += ended.usd
            figures.priced += 1
        if picked.suggested:
            suggested = self.figures.choices.setdefault(picked.suggested, ChoiceFigures())
            suggested.suggested += 1
        if reward is not None:
            figures.reward += reward
            self._weigh(picked, reward, new=True)

    def _weigh(self, picked: RoutePicked, reward: float, *, new: bool) -> None:
        """Counts a reward for both policies, or what it is more by now."""
        if not picked.suggested:
            return
        for policy, probability in (
            (self.figures.learned, picked.learned),
            (self.figures.default, picked.default),
        ):
            weight = probability / picked.probability
            policy.reward += weight * reward
            if new:
                policy.weight += weight
                policy.squares += weight * weight

    def copied(self) -> Kept:
        """Returns the figures as they are now."""
        return copy.deepcopy(self.figures)


def _read(state: bytes) -> Kept:
    try:
        return msgspec.msgpack.decode(state, type=Kept)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadProblem(f"this is no saved router: {error}") from None
