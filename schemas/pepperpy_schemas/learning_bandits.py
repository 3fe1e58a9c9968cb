"""What bandits are asked: which of some arms to pull, given what each was worth before."""

from typing import Annotated, Literal

import msgspec

from pepperpy_schemas.learning import LearnAnswer, LearnRequest, Plain
from pepperpy_schemas.messages import Count
from pepperpy_schemas.problems import Answer

MAX_ARMS = 100
"""Most arms of one bandit."""

Arm = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
"""The name of an arm."""


class BanditOptions(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """How a bandit learns, and what it forgets.

    Attributes:
        method: ``thompson`` knows each arm apart in each context, a context being words and truth
            values that are all the same; ``linucb`` reckons with features, numbers too, as a
            linear function of them for each arm.
        rewards: What ``thompson`` takes them for: ``share`` from 0 to 1, such as success;
            ``number`` for any.
        discount: What a reward counts after one more in the same context (``thompson``) or of the
            bandit (``linucb``): 0.99 forgets what lies some hundred rewards back; 1 nothing.
        window: Forget all but so many of the last rewards; 0 for no window. Not with a discount.
        width: How many standard deviations ``linucb`` adds to what it expects (α).
        ridge: How strongly ``linucb`` holds weights near 0 before it has seen much (λ).
        seed: What chance begins with.
    """

    method: Literal["thompson", "linucb"] = "thompson"
    rewards: Literal["share", "number"] = "share"
    discount: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0
    window: Annotated[int, msgspec.Meta(ge=0, le=5_000)] = 0
    width: Annotated[float, msgspec.Meta(ge=0, le=100)] = 1.0
    ridge: Annotated[float, msgspec.Meta(gt=0, le=1_000)] = 1.0
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] = 0


class Pull(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What came of pulling an arm.

    Attributes:
        arm: The arm.
        reward: What it was worth.
        features: What was known when it was chosen.
        was: What it was said to be worth before: this reward takes the place of that one, and
            nothing is counted twice.
        at: The moment of that, as `BanditLearner.moment` told it; the last one by default.
    """

    arm: Arm
    reward: float
    features: dict[str, Plain] = {}
    was: float | None = None
    at: Count | None = None


class Pulling(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Asks which arm to pull.

    Attributes:
        arms: The arms to choose from; all that were ever pulled by default.
        features: What is known.
        seed: What chance begins with: a number that is another one each time.
    """

    arms: Annotated[list[Arm], msgspec.Meta(max_length=MAX_ARMS)] = []
    features: dict[str, Plain] = {}
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)] = 0


class ArmValue(msgspec.Struct, frozen=True):
    """What is known of an arm, here and now.

    Attributes:
        arm: The arm.
        value: The reward that is expected of it.
        uncertainty: The standard deviation of that.
        score: What it was chosen by: a number drawn from that distribution, or the upper bound.
        pulls: How many rewards that is known from, the forgotten ones left out.
    """

    arm: str
    value: float
    uncertainty: float
    score: float
    pulls: float


class Pulled(Answer, frozen=True, omit_defaults=True, kw_only=True):
    """The arm to pull.

    Attributes:
        arm: It; null when there is none yet.
        arms: All of them, the highest score first.
    """

    arm: str | None = None
    arms: list[ArmValue] = []


class BanditRequest(
    LearnRequest[Pull, Pulling, BanditOptions], frozen=True, omit_defaults=True, kw_only=True
):
    """What a bandit is to do; the topic ``learn-bandit``."""


class BanditAnswer(
    LearnAnswer[Pulled, BanditOptions], frozen=True, omit_defaults=True, kw_only=True
):
    """What a bandit did."""
