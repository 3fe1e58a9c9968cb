"""The learner `bandit`: which arm to pull, by Thompson sampling or LinUCB."""

import math
import random
from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from pepperpy_bus.installing import need
from pepperpy_capabilities.learning.bandits.contexts import check_features, check_room
from pepperpy_capabilities.learning.bandits.explaining import explained
from pepperpy_capabilities.learning.bandits.linucb import LinUcb
from pepperpy_capabilities.learning.bandits.thompson import Thompson
from pepperpy_capabilities.learning.bandits.worth import Worth
from pepperpy_schemas.errors import BadExample, BadProblem
from pepperpy_schemas.learning import Plain
from pepperpy_schemas.learning_bandits import (
    MAX_ARMS,
    BanditOptions,
    Pull,
    Pulled,
    Pulling,
)
from pepperpy_schemas.problems import Measured

FORMAT: Final = 1
_LARGEST: Final = 1e9
LEAST_RIDGE: Final = 1e-6
"""With less of it what is not known has no bound that is a number."""


class Saved(msgspec.Struct, kw_only=True):
    """A bandit as it is saved.

    Attributes:
        kind: What it is, so that nothing else is taken for it.
        format: The version of this form.
        options: The bandit's.
        known: What it has learned.
        worth: What it was worth over time.
    """

    kind: Literal["pepperpy-bandit"] = "pepperpy-bandit"
    format: int = FORMAT
    options: BanditOptions
    known: Thompson | LinUcb
    worth: Worth


class BanditLearner:
    """Learns what arms are worth from the rewards of those that were pulled.

    Args:
        options: How it learns, and what it forgets.

    Attributes:
        options: The same.
        news: Nothing: what was learned fades, and no drift is looked for.

    Raises:
        BadConfig: LinUCB needs numpy, which is not installed.
        BadProblem: The options contradict each other.

    Example:
        ```python
        bandit = BanditLearner(BanditOptions(discount=0.98))
        bandit.learn(Pull(arm="small", reward=1.0, features={"kind": "code"}))
        bandit.predict(Pulling(arms=["small", "large"], features={"kind": "code"})).arm
        ```
    """

    name = "bandit"
    example = Pull
    asked = Pulling
    guess = Pulled
    options_type = BanditOptions

    def __init__(self, options: BanditOptions | None = None) -> None:
        self.options = options or BanditOptions()
        self.news: list[str] = []
        check_options(self.options)
        self._known: Thompson | LinUcb
        self.reset()

    @property
    def learned(self) -> int:
        """How many rewards it has learned from; one that takes another's place counts once."""
        return self._worth.rewards

    def learn(self, example: Pull) -> None:
        """Learns from one reward.

        Raises:
            BadExample: The reward or a feature is not finite, or out of its range.
            TooBig: There would be more arms, contexts or columns than a bandit may know.
        """
        check_features(example.features)
        _check_reward(example.reward)
        known = self._known.known()
        check_room(len(known) + (example.arm not in known), MAX_ARMS, "arms")
        self._known.check(self.options, example)
        if example.was is not None:
            _check_reward(example.was)
            if example.arm not in known:
                raise BadExample(f"{example.arm!r:.80} has no reward whose place it could take")
        self._known.learn(self.options, example)
        if example.was is None:
            self._worth.add(example.reward)
        else:
            self._worth.correct(example.reward - example.was)

    def predict(self, asked: Pulling) -> Pulled:
        """Returns the arm to pull with what is known of all; changes nothing.

        Raises:
            BadExample: A feature is none that it can reckon with.
        """
        check_features(asked.features)
        arms = list(dict.fromkeys(asked.arms)) or self._known.known()
        if not arms:
            return Pulled(explanation="no arm was pulled yet, and none is named")
        chance = random.Random(f"{self.options.seed}:{asked.seed}")  # noqa: S311 - no secret
        values = self._known.values(self.options, arms, asked.features, chance)
        # What nothing is known of would be tried in the order of the names, by all alike.
        chance.shuffle(values)
        return explained(self.options, sorted(values, key=lambda one: -one.score), self.learned)

    def moment(self, features: dict[str, Plain]) -> int:
        """Returns what ``Pull.at`` is to be, when the reward learned last takes another value."""
        return self._known.moment_in(features)

    def evaluate(self) -> Sequence[Measured]:
        """Returns the mean reward over time: of all, and of those since the moment before."""
        return self._worth.over_time()

    def save(self) -> bytes:
        """Returns the whole state."""
        saved = Saved(options=self.options, known=self._known, worth=self._worth)
        return msgspec.msgpack.encode(saved)

    def load(self, state: bytes) -> None:
        """Takes over a state, with the options of who saved it.

        Raises:
            BadProblem: It is none.
        """
        try:
            saved = msgspec.msgpack.decode(state, type=Saved)
        except (msgspec.DecodeError, RecursionError) as error:
            raise BadProblem(f"this is no saved bandit: {error}") from None
        if saved.format != FORMAT:
            raise BadProblem(f"the bandit was saved in form {saved.format}, and here is {FORMAT}")
        check_options(saved.options)
        if not saved.known.is_sound() or saved.worth.distance < 1:
            raise BadProblem("the saved bandit has numbers that cannot be reckoned with")
        self.options, self._known, self._worth = saved.options, saved.known, saved.worth

    def reset(self) -> None:
        """Forgets all it has learned, and keeps its options."""
        self._known = Thompson() if self.options.method == "thompson" else LinUcb()
        self._worth = Worth()

    def begin_with(self, other: "BanditLearner") -> None:
        """Takes over what another one knows, and counts its own figures from now on (warm start).

        Raises:
            BadProblem: They are not of the same method, or forget in different ways.
        """
        own = self.options
        if (own.method, bool(own.window)) != (other.options.method, bool(other.options.window)):
            raise BadProblem(
                f"{own.method} cannot begin with what this {other.options.method} knows",
                hint="give both the same method, and a window to both or none",
                context={"field": "start"},
            )
        self.load(other.save())
        self.options, self._worth = own, Worth()


def check_options(options: BanditOptions) -> None:
    """Looks whether options can be used together.

    Raises:
        BadConfig: LinUCB needs numpy, which is not installed.
        BadProblem: They contradict each other.
    """
    if options.window and options.discount < 1:
        raise BadProblem(
            "a bandit forgets by a window or by a discount, not by both",
            context={"field": "options.window"},
        )
    if options.ridge < LEAST_RIDGE:
        raise BadProblem(f"a ridge is at least {LEAST_RIDGE:g}", context={"field": "options.ridge"})
    if options.method == "linucb":
        need("LinUCB", ("numpy",), "learning")


def _check_reward(reward: float) -> None:
    if not math.isfinite(reward) or abs(reward) > _LARGEST:
        raise BadExample(
            f"reward {reward!r} is no number between -10⁹ and 10⁹", context={"field": "reward"}
        )
