"""Tasks that are sent where it was learned that they end best: to an agent, a model, a prompt.

A task of the topic ``route`` names its choices. The router of its name picks one, submits it as a
child, and learns from how that ends.
"""

from typing import Annotated, Any, Final, Literal

import msgspec

from pepperpy_schemas.learning import LearnerName, Plain
from pepperpy_schemas.learning_bandits import Arm, BanditOptions
from pepperpy_schemas.messages import Count, Instant
from pepperpy_schemas.problems import Answer

ROUTE: Final = "route"
"""The topic of tasks that are to be sent on."""
ROUTE_RATING: Final = "route-rating"
"""The topic of ratings of what came of them."""
RATED: Final = "route.rated"
"""The event that says the same: the router is its scope, the task its id; see ``data.rating``."""

MAX_CHOICES: Final = 32
"""Most choices of one task."""

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Weight = Annotated[float, msgspec.Meta(ge=0, le=1_000)]
Amount = Annotated[float, msgspec.Meta(gt=0, le=1e9)]
RouteMode = Literal["off", "shadow", "live"]


class RouteChoice(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One way to do a task.

    Attributes:
        name: What it is known by: rewards are learned under this name.
        topic: The topic of the agent that does it.
        set: Fields of the body that this choice sets, such as the model or the template; the body
            must then be an object.
        usd: What it costs, when that is known beforehand; without it the cost is what the budget's
            ledger of the child says.
    """

    name: Arm
    topic: str
    set: dict[str, Any] = {}
    usd: Annotated[float, msgspec.Meta(ge=0, le=1e9)] | None = None


class RewardWeights(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a reward is made of: the weighted mean of those parts that are known, from 0 to 1.

    Attributes:
        success: Weight of whether it completed: 1 or 0.
        latency: Weight of how fast it was: 1/(1 + t/``seconds``); 0 when it failed.
        cost: Weight of how cheap it was: 1/(1 + c/``usd``); 0 when it failed, left out when the
            cost is not known.
        rating: Weight of what people say of it, from 0 to 1; left out until somebody says it.
        seconds: The time that is worth half of the best.
        usd: The cost that is worth half of the best.
    """

    success: Weight = 1.0
    latency: Weight = 0.0
    cost: Weight = 0.0
    rating: Weight = 0.0
    seconds: Amount = 10.0
    usd: Amount = 0.01


class RouterSetting(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """How a router routes; changed while it runs, by compare-and-set.

    Attributes:
        mode: ``off``: the default at once, nothing is asked or learned. ``shadow``: the default
            policy decides; what was learned is noted beside it. ``live``: what was learned decides.
        default: The name of the choice that counts as default; the first one of a task when this
            is empty or none of its choices.
        exploration: How probable it is in ``live`` that a task goes to any choice by chance, so
            that none is ever given up. 0 learns nothing of what is not chosen.
        spread: The same in ``shadow``: with 0 every task goes to the default, and nothing is
            learned of the others.
        reward: What a reward is made of.
        bandit: How it is learned; counts from the first reward, or from a reset on.
        changed: When this was set.
        by: Who says to have set it.
    """

    mode: RouteMode = "shadow"
    default: str = ""
    exploration: Share = 0.05
    spread: Share = 0.0
    reward: RewardWeights = RewardWeights()
    bandit: BanditOptions = BanditOptions(discount=0.99)
    changed: Instant | None = None
    by: str = ""


class RouteTask(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A task with the ways to do it.

    Attributes:
        task: The body of the child.
        choices: The ways, each with another name.
        router: Who routes it: what is learned is kept by this name.
        features: What is known of the task before it is done: its kind, its language, its size.
        timeout: Seconds that the child may take; one that takes longer has failed.
        budget: What the child may spend; its cost is known by it.
        setting: How the router routes, if this is its first task; later it is left as it is.
    """

    choices: Annotated[list[RouteChoice], msgspec.Meta(min_length=1, max_length=MAX_CHOICES)]
    task: Any = None
    router: LearnerName = "default"
    features: dict[str, Plain] = {}
    timeout: Annotated[float, msgspec.Meta(gt=0, le=30 * 86_400)] | None = None
    budget: dict[str, float] = {}
    setting: RouterSetting | None = None


class RoutePicked(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Where a task was sent, and why.

    Attributes:
        choice: The name of the choice.
        mode: The mode that the router was in.
        at: When it was picked.
        probability: How probable that choice was.
        suggested: What was learned says so, whether or not it decided; empty when it was not asked.
        learned: How probable the choice is when what was learned decides.
        default: How probable it is when the default policy decides.
        why: Why, for people.
    """

    choice: Arm
    mode: RouteMode
    at: Instant
    probability: Share = 1.0
    suggested: str = ""
    learned: Share = 0.0
    default: Share = 0.0
    why: str = ""


class RouteLearned(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What was learned from how a child ended.

    Attributes:
        parts: The parts of its reward by name.
        reward: The reward; null when there is none, as ``why`` says.
        why: Why nothing was learned.
        life: When the router began to learn: what was learned before a reset is no more.
        moment: Where in what was learned the reward is, so that a rating finds it.
        seconds: How long it took.
        usd: What it cost, if that is known.
    """

    parts: dict[str, float] = {}
    reward: float | None = None
    why: str = ""
    life: Instant | None = None
    moment: Count = 0
    seconds: float = 0.0
    usd: float | None = None


class RouteAnswer(Answer, frozen=True, omit_defaults=True, kw_only=True):
    """What came of a task, and which way it went.

    Attributes:
        result: What the child returned.
        child: The child's id.
        router: Who routed it.
        features: What was known of it.
        picked: Where it was sent.
        learned: What was learned from it.
    """

    result: Any = None
    child: str = ""
    router: str = ""
    features: dict[str, Plain] = {}
    picked: RoutePicked
    learned: RouteLearned


class RouteRating(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What somebody says of what came of a task; the last rating of a task counts.

    Attributes:
        task: The id of the task of the topic ``route``.
        rating: From 0 to 1.
        by: Who says so: a claim.
    """

    task: str
    rating: Share
    by: str = ""


class RouteRated(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a rating changed.

    Attributes:
        router: The router.
        choice: The choice whose reward was changed.
        reward: The reward of the task now; null when nothing was changed, as ``why`` says.
        was: Its reward before.
        why: Why nothing was changed.
    """

    router: str
    choice: str = ""
    reward: float | None = None
    was: float | None = None
    why: str = ""


class ChoiceFigures(msgspec.Struct, omit_defaults=True, kw_only=True):
    """What came of a choice so far.

    Attributes:
        chosen: How many tasks went there and ended.
        succeeded: How many completed.
        suggested: How often what was learned would have sent one there.
        reward: The sum of rewards.
        seconds: The sum of the times.
        usd: The sum of known costs.
        priced: How many costs are known.
        rating: The sum of the last rating of each task.
        ratings: How many tasks were rated.
    """

    chosen: Count = 0
    succeeded: Count = 0
    suggested: Count = 0
    reward: float = 0.0
    seconds: float = 0.0
    usd: float = 0.0
    priced: Count = 0
    rating: float = 0.0
    ratings: Count = 0


class PolicyValue(msgspec.Struct, omit_defaults=True, kw_only=True):
    """What a policy is worth by the tasks that another one decided.

    Rewards are weighted by how much more probable the choice is under this policy, and divided by
    the sum of weights (self-normalised inverse propensity scores: A. Swaminathan and T. Joachims,
    "The Self-Normalized Estimator for Counterfactual Learning", 2015).

    Attributes:
        weight: The sum of weights.
        squares: The sum of their squares.
        reward: The sum of weighted rewards.
    """

    weight: float = 0.0
    squares: float = 0.0
    reward: float = 0.0

    @property
    def value(self) -> float | None:
        """The mean reward that is expected of it; None while nothing is known."""
        return self.reward / self.weight if self.weight > 0 else None

    @property
    def tasks(self) -> float:
        """How many tasks of its own that is as good as (the effective sample size)."""
        return self.weight**2 / self.squares if self.squares > 0 else 0.0
