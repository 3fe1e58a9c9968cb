"""What those are asked who choose how to learn."""

from typing import Annotated

import msgspec

from pepperpy_schemas.learning import LearnAnswer, LearnRequest
from pepperpy_schemas.learning_online import OnlineOptions
from pepperpy_schemas.problems import Answer


class ChoiceOptions(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """How it is chosen how to learn.

    Attributes:
        width: How alike two tasks must be to count for each other, in standard deviations of the
            features of all tasks.
        curiosity: How much something is preferred because it was tried seldom.
    """

    width: Annotated[float, msgspec.Meta(gt=0, le=100)] = 1.0
    curiosity: Annotated[float, msgspec.Meta(ge=0, le=100)] = 0.1


class Episode(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """How well a way to learn did at a task.

    Attributes:
        task: The features of the task, as numbers.
        options: The way to learn.
        score: How well it did: higher is better, 0 to 1.
    """

    task: dict[str, float]
    options: OnlineOptions
    score: Annotated[float, msgspec.Meta(ge=0, le=1)]


class NewTask(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A task for which a way to learn is to be chosen.

    Attributes:
        task: Its features.
        candidates: The ways to choose from; all that were ever tried by default.
    """

    task: dict[str, float]
    candidates: Annotated[list[OnlineOptions], msgspec.Meta(max_length=100)] = []


class Ranked(msgspec.Struct, frozen=True):
    """How much is expected of a way to learn.

    Attributes:
        options: The way.
        expected: The score that tasks like this one let expect.
        weight: How many tasks that is known from, each by how like this one it is.
        bound: What it may reach as far as is known; the highest is chosen.
    """

    options: OnlineOptions
    expected: float
    weight: float
    bound: float


class ChosenOptions(Answer, frozen=True, omit_defaults=True, kw_only=True):
    """The way to learn.

    Attributes:
        options: It.
        ranked: All of them, the first is chosen.
    """

    options: OnlineOptions | None = None
    ranked: list[Ranked] = []


class ChoiceRequest(
    LearnRequest[Episode, NewTask, ChoiceOptions], frozen=True, omit_defaults=True, kw_only=True
):
    """What a chooser of learners is to do; the topic ``learn-choice``."""


class ChoiceAnswer(
    LearnAnswer[ChosenOptions, ChoiceOptions], frozen=True, omit_defaults=True, kw_only=True
):
    """What a chooser of learners did."""
