"""Thompson sampling: each arm is chosen as often as it is probably the best one.

Of each arm in each context a distribution of its value is kept, a number is drawn from each, and
the highest wins (W. R. Thompson 1933; O. Chapelle and L. Li, "An Empirical Evaluation of Thompson
Sampling", 2011). Shares have a Beta distribution that begins as Beta(1, 1); rewards between 0 and 1
count as parts of a success. Numbers have a normal one of unknown mean and variance: its mean has
Student's t distribution (normal-inverse-gamma prior; C. Bishop, "Pattern Recognition and Machine
Learning", 2.3.6).

Discounted sums follow drift: an arm that is not pulled is known less and less, so that it is tried
again (V. Raj and S. Kalyani, "Taming Non-stationary Bandits", 2017).
"""

import math
import random
from typing import Final

import msgspec

from pepperpy_capabilities.learning.bandits.contexts import (
    MAX_CONTEXTS,
    are_finite,
    check_room,
    context_name,
)
from pepperpy_schemas.errors import BadExample
from pepperpy_schemas.learning import Plain
from pepperpy_schemas.learning_bandits import ArmValue, BanditOptions, Pull

# Before anything is known, a number may be anything: a wide normal distribution about the mean of
# all arms, as if one reward had been seen.
_PRIOR_PULLS: Final = 1.0
_PRIOR_SHAPE: Final = 1.5
_ROUNDED: Final = 1e-6
"""So far below 0 may sums be of what was taken away again."""


class Sums(msgspec.Struct):
    """What is known of an arm in a context.

    Attributes:
        pulls: Its rewards, each by what it still counts.
        total: Their sum.
        squares: The sum of their squares.
        at: The moment of which these are the sums.
    """

    pulls: float = 0.0
    total: float = 0.0
    squares: float = 0.0
    at: int = 0

    def add(self, reward: float, count: float = 1.0) -> None:
        """Adds a reward, or takes it away by a negative count."""
        self.pulls += count
        self.total += count * reward
        self.squares += count * reward * reward

    def later(self, discount: float, moment: int) -> "Sums":
        """Returns what counts at a later moment."""
        kept = discount ** (moment - self.at)
        return Sums(self.pulls * kept, self.total * kept, self.squares * kept, moment)


class Context(msgspec.Struct):
    """What is known in a context.

    Attributes:
        moment: How many rewards there were.
        arms: The sums of each arm.
        latest: Moment, arm and reward of the last ones, when there is a window.
    """

    moment: int = 0
    arms: dict[str, Sums] = {}
    latest: list[tuple[int, str, float]] = []


class Thompson(msgspec.Struct, tag="thompson"):
    """What a bandit by Thompson sampling has learned.

    Attributes:
        contexts: What is known in each context, by its name.
    """

    contexts: dict[str, Context] = {}

    def check(self, options: BanditOptions, pull: Pull) -> None:
        """Looks whether it can learn from a reward.

        Raises:
            BadExample: It cannot.
            TooBig: It would know too many contexts.
        """
        name = context_name(pull.features)
        for field, reward in (("reward", pull.reward), ("was", pull.was)):
            if options.rewards == "share" and reward is not None and not 0 <= reward <= 1:
                raise BadExample(
                    f"{field} {reward:g} is not between 0 and 1",
                    hint='or use rewards="number"',
                    context={"field": field},
                )
        check_room(len(self.contexts) + (name not in self.contexts), MAX_CONTEXTS, "contexts")

    def learn(self, options: BanditOptions, pull: Pull) -> None:
        """Learns from a reward that was checked."""
        context = self.contexts.setdefault(context_name(pull.features), Context())
        if pull.was is not None:
            self._correct(options, context, pull, pull.was)
            return
        context.moment += 1
        before = context.arms.get(pull.arm, Sums(at=context.moment))
        after = before.later(options.discount, context.moment)
        after.add(pull.reward)
        context.arms[pull.arm] = after
        if options.window:
            context.latest.append((context.moment, pull.arm, pull.reward))
            if len(context.latest) > options.window:
                context.latest.pop(0)
            context.arms = _sums(context.latest)

    def _correct(self, options: BanditOptions, context: Context, pull: Pull, was: float) -> None:
        at = context.moment if pull.at is None else pull.at
        if options.window:
            context.latest = [
                (moment, arm, pull.reward if (moment, arm) == (at, pull.arm) else reward)
                for moment, arm, reward in context.latest
            ]
            context.arms = _sums(context.latest)
        elif (sums := context.arms.get(pull.arm)) is not None:
            kept = options.discount ** max(0, sums.at - at)
            sums.add(was, -kept)
            sums.add(pull.reward, kept)

    def is_sound(self) -> bool:
        """Returns whether numbers can be drawn from it, whoever wrote it: some end in no time."""
        return all(
            all(
                are_finite(sums.total, sums.squares)
                and -_ROUNDED < sums.pulls < math.inf
                and 0 <= sums.at <= one.moment
                for sums in one.arms.values()
            )
            and all(are_finite(reward) for _, _, reward in one.latest)
            for one in self.contexts.values()
        )

    def moment_in(self, features: dict[str, Plain]) -> int:
        """Returns how many rewards there were in a context."""
        there = self.contexts.get(context_name(features))
        return there.moment if there else 0

    def known(self) -> list[str]:
        """Returns the arms that were ever pulled."""
        return sorted({arm for context in self.contexts.values() for arm in context.arms})

    def values(
        self,
        options: BanditOptions,
        arms: list[str],
        features: dict[str, Plain],
        chance: random.Random,
    ) -> list[ArmValue]:
        """Returns what is known of arms, each with a number drawn from it."""
        context = self.contexts.get(context_name(features), Context())
        discount = 1.0 if options.window else options.discount
        sums = {
            arm: context.arms.get(arm, Sums(at=context.moment)).later(discount, context.moment)
            for arm in arms
        }
        if options.rewards == "share":
            return [_share(arm, one, chance) for arm, one in sums.items()]
        everything = Sums()
        for one in context.arms.values():
            everything.pulls += one.pulls
            everything.total += one.total
            everything.squares += one.squares
        return [_number(arm, one, everything, chance) for arm, one in sums.items()]


def _sums(latest: list[tuple[int, str, float]]) -> dict[str, Sums]:
    found: dict[str, Sums] = {}
    for moment, arm, reward in latest:
        sums = found.setdefault(arm, Sums())
        sums.add(reward)
        sums.at = moment
    return found


def _share(arm: str, sums: Sums, chance: random.Random) -> ArmValue:
    # Sums of what was discounted are off by rounding, and may lie a little below 0.
    good = 1.0 + max(0.0, sums.total)
    bad = 1.0 + max(0.0, sums.pulls - sums.total)
    both = good + bad
    deviation = math.sqrt(good * bad / (both * both * (both + 1)))
    return ArmValue(arm, good / both, deviation, chance.betavariate(good, bad), sums.pulls)


def _number(arm: str, sums: Sums, everything: Sums, chance: random.Random) -> ArmValue:
    """Normal-inverse-gamma; the prior is about the rewards of all arms of the context."""
    center, spread = _mean_and_spread(everything)
    count = _PRIOR_PULLS + sums.pulls
    mean = (_PRIOR_PULLS * center + sums.total) / count
    shape = _PRIOR_SHAPE + sums.pulls / 2
    own = sums.total / sums.pulls if sums.pulls > 0 else center
    within = max(0.0, sums.squares - sums.pulls * own * own)
    between = _PRIOR_PULLS * sums.pulls * (own - center) ** 2 / count
    scale = _PRIOR_SHAPE * spread + (within + between) / 2
    # Student's t: a normal deviate over the root of a gamma one.
    drawn = chance.gauss(0.0, 1.0) / math.sqrt(chance.gammavariate(shape, 1.0 / scale) * count)
    return ArmValue(arm, mean, math.sqrt(scale / ((shape - 1) * count)), mean + drawn, sums.pulls)


def _mean_and_spread(sums: Sums) -> tuple[float, float]:
    if sums.pulls <= 0:
        return 0.0, 1.0
    mean = sums.total / sums.pulls
    variance = sums.squares / sums.pulls - mean * mean
    least = 1e-12 + 1e-9 * mean * mean
    return mean, (max(variance, least) if sums.pulls > 1 else max(1.0, mean * mean))
