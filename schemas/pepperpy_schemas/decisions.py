"""Decisions between options that are good at different things: the problem, and its answer."""

from typing import Annotated, Final, Literal

import msgspec

from pepperpy_schemas.problems import Answer, Problem

DECISION: Final = "reason-decision"
"""The topic of decisions."""
MAX_OPTIONS: Final = 1000
MAX_CRITERIA: Final = 100
MAX_DOMINANCES: Final = 10_000
"""Most pairs of which one option dominates the other that an answer has."""

Label = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Method = Literal["weighted-sum", "topsis", "pareto"]
Normalization = Literal["min-max", "max", "sum", "vector", "none"]
Missing = Literal["refuse", "worst", "leave-out"]


class Criterion(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What options are compared by.

    Attributes:
        name: Its name.
        direction: Whether ``more`` of it is better, or ``less``.
        weight: How much it counts beside the others, whose scale is free: the weights are divided
            by their sum. 0 leaves it out of the scores, and dominance still sees it.
        unit: The unit of its values, for people: ``EUR``, ``ms``.
    """

    name: Label
    direction: Literal["more", "less"] = "more"
    weight: float = 1.0
    unit: Annotated[str, msgspec.Meta(max_length=40)] = ""


class Option(msgspec.Struct, frozen=True, kw_only=True):
    """What can be chosen.

    Attributes:
        name: Its name.
        values: Its value by each criterion; None, or no entry, where it is not known.
    """

    name: Label
    values: Annotated[dict[str, float | None], msgspec.Meta(max_length=MAX_CRITERIA)]


class DecisionProblem(Problem, frozen=True, omit_defaults=True, kw_only=True):
    """Options that shall be ranked by weighted criteria.

    Attributes:
        criteria: The criteria.
        options: The options.
        method: ``weighted-sum``; ``topsis``, closeness to the best that there is of everything; or
            ``pareto``, which knows no weights: those that nothing dominates, then the next ones.
        normalization: How values of different units become comparable; by default ``min-max`` for
            the weighted sum and ``vector`` for TOPSIS.
        missing: What becomes of a value that is not known: the problem is refused, the ``worst``
            value of the others stands for it, or the option is left out.
    """

    criteria: Annotated[list[Criterion], msgspec.Meta(min_length=1, max_length=MAX_CRITERIA)]
    options: Annotated[list[Option], msgspec.Meta(min_length=1, max_length=MAX_OPTIONS)]
    method: Method = "topsis"
    normalization: Normalization | None = None
    missing: Missing = "refuse"


class Ranked(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """An option at its place.

    Attributes:
        option: Its name.
        rank: Its place, from 1; options with the same score share one.
        score: How good it is, by the method; the Pareto front has no scores.
        contributions: What each criterion brings to the score: they add up to it.
        front: 1 for what nothing dominates, 2 for what only options of front 1 dominate, …
    """

    option: str
    rank: Annotated[int, msgspec.Meta(ge=1)]
    score: float | None = None
    contributions: dict[str, float] = {}
    front: Annotated[int, msgspec.Meta(ge=1)]


class Dominance(msgspec.Struct, frozen=True):
    """An option that is nowhere worse than another and somewhere better, whatever the weights.

    Attributes:
        better: The one.
        worse: The other.
    """

    better: str
    worse: str


class WeightRange(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """How far one weight may move, the others keeping their proportions, until the winner changes.

    Attributes:
        criterion: The criterion.
        weight: Its share of all weights, 0 to 1.
        low: The least share with which the winner still wins.
        high: The largest one.
        below: Who wins with less than ``low``; empty where nobody does.
        above: Who wins with more than ``high``.
    """

    criterion: str
    weight: float
    low: float
    high: float
    below: str = ""
    above: str = ""


class Decision(Answer, frozen=True, omit_defaults=True, kw_only=True):
    """The options in their order.

    Attributes:
        method: How they were compared.
        normalization: How their values were made comparable.
        best: The options of rank 1.
        ranking: All of them, best first; equals as they were given.
        dominances: Which option dominates which, the most that an answer has of them.
        dominance_count: How many such pairs there are.
        sensitivity: For each criterion how far its weight may move; empty for the Pareto front,
            which has no weights.
        left_out: Options that were left out, as a value of them is not known.
    """

    method: Method
    normalization: Normalization | None = None
    best: list[str]
    ranking: list[Ranked]
    dominances: list[Dominance] = msgspec.field(default_factory=list)
    dominance_count: int = 0
    sensitivity: list[WeightRange] = msgspec.field(default_factory=list)
    left_out: list[str] = msgspec.field(default_factory=list)
