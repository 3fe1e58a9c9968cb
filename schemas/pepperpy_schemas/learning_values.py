"""What learners of values of actions are asked."""

from typing import Annotated, Any, Literal

import msgspec

from pepperpy_schemas.learning import LearnAnswer, LearnRequest
from pepperpy_schemas.messages import Count
from pepperpy_schemas.problems import Answer


class ValueOptions(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """How the values of actions are learned.

    Attributes:
        method: ``q-learning`` learns what the best actions are worth, ``sarsa`` what those are
            worth that are really taken, exploring ones too.
        rate: How far a value moves to what was seen: the step size.
        discount: What a reward is worth one step later.
        initial: The value of what was never tried: a high one makes it curious.
        exploration: How probable a random action is at the beginning.
        least_exploration: How probable it is at the end.
        exploration_steps: After how many steps that is, in a straight line; 0: it stays as it is
            at the beginning.
    """

    method: Literal["q-learning", "sarsa"] = "q-learning"
    rate: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.5
    discount: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.99
    initial: float = 0.0
    exploration: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.1
    least_exploration: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    exploration_steps: Count = 0


class Step(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What came of an action.

    Attributes:
        state: Where it was taken, any JSON.
        action: What was done, any JSON.
        reward: What it was worth at once.
        next: Where it led to; nothing when that was the end.
        actions: What can be done there, as far as it is known.
        next_action: What was done there: SARSA needs it.
        end: Whether the episode ended with it.
    """

    state: Any
    action: Any
    reward: float
    next: Any = None
    actions: list[Any] = []
    next_action: Any = None
    end: bool = False


class Situation(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Where an action is to be chosen.

    Attributes:
        state: Where, any JSON.
        actions: What can be done; all that was ever done there by default.
        explore: Choose a random one now and then, as the options say.
        seed: What chance begins with, when it explores: a number that is another one each time.
    """

    state: Any
    actions: list[Any] = []
    explore: bool = False
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)] = 0


class ActionValue(msgspec.Struct, frozen=True):
    """What an action is worth.

    Attributes:
        action: The action.
        value: The rewards that are expected of it, discounted.
        tried: How often it was tried there.
    """

    action: Any
    value: float
    tried: Count


class Choice(Answer, frozen=True, omit_defaults=True, kw_only=True):
    """The action to take.

    Attributes:
        action: It.
        values: What all are worth, the best first.
        explored: Whether it was chosen by chance.
        exploration: How probable that is now.
    """

    action: Any = None
    values: list[ActionValue] = []
    explored: bool = False
    exploration: float = 0.0


class ValueRequest(
    LearnRequest[Step, Situation, ValueOptions], frozen=True, omit_defaults=True, kw_only=True
):
    """What a learner of values is to do; the topic ``learn-values``."""


class ValueAnswer(LearnAnswer[Choice, ValueOptions], frozen=True, omit_defaults=True, kw_only=True):
    """What a learner of values did."""
