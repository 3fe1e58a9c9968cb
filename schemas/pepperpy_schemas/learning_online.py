"""What online learners are asked: classes, numbers, clusters, anomalies."""

from typing import Annotated, Any, Literal

import msgspec

from pepperpy_schemas.learning import LearnAnswer, LearnRequest, Plain
from pepperpy_schemas.problems import Answer


class DriftWatch(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """How it is noticed that what was learned no longer holds.

    Attributes:
        detector: What looks at the errors: ``adwin``, ``page-hinkley``, ``kswin``; at the scores
            of learners of anomalies.
        parameters: Its parameters, by the names that River has for them.
        then: ``tell`` of it, or ``replace`` the model by a new one that begins with the latest
            examples.
        latest: How many examples are kept for that.
    """

    detector: Literal["adwin", "page-hinkley", "kswin"] = "adwin"
    parameters: dict[str, Any] = {}
    then: Literal["tell", "replace"] = "tell"
    latest: Annotated[int, msgspec.Meta(ge=0, le=2000)] = 100


class OnlineOptions(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Which online learner, and with which parameters.

    Attributes:
        learner: Its name in the list of learners.
        parameters: Its parameters; the others have their defaults.
        seed: What chance begins with.
        drift: Look out for drift.
    """

    learner: str = "logistic"
    parameters: dict[str, Any] = {}
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] = 0
    drift: DriftWatch | None = None


class OnlineExample(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing to learn from.

    Attributes:
        features: What is known of it.
        target: What is to be guessed: a label for a classifier, a number for a regressor; for
            learners of anomalies whether it is one, which only the figures are made with.
    """

    features: dict[str, Plain]
    target: Plain | None = None


class OnlineQuestion(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing to guess about.

    Attributes:
        features: What is known of it.
    """

    features: dict[str, Plain]


class Contribution(msgspec.Struct, frozen=True):
    """How much a feature moved a guess.

    Attributes:
        feature: Its name; ``name=word`` for one of some words.
        by: How much, in the unit that the explanation names.
    """

    feature: str
    by: float


class OnlineGuess(Answer, frozen=True, omit_defaults=True, kw_only=True):
    """A guess.

    Attributes:
        value: The label, the number, or the number of the cluster; null before there was anything
            to learn, and of anomalies.
        probabilities: How probable each label is.
        score: How unusual it is, for learners of anomalies: the higher the more.
        contributions: What moved the guess, the strongest first.
        path: The questions of a decision tree on the way to the guess.
        unknown: Features that the learner has never seen, and left out.
    """

    value: Plain | None = None
    probabilities: dict[str, float] = {}
    score: float | None = None
    contributions: list[Contribution] = []
    path: list[str] = []
    unknown: list[str] = []


class OnlineRequest(
    LearnRequest[OnlineExample, OnlineQuestion, OnlineOptions],
    frozen=True,
    omit_defaults=True,
    kw_only=True,
):
    """What an online learner is to do; the topic ``learn-online``."""


class OnlineAnswer(
    LearnAnswer[OnlineGuess, OnlineOptions], frozen=True, omit_defaults=True, kw_only=True
):
    """What an online learner did."""
