"""How learners are asked on the bus: one kind of request for all of them, by topic.

``learn-online``, ``learn-values`` and ``learn-choice`` are the built-in topics; users' own learners
have theirs. Learners have names, and each topic its own ones.
"""

from typing import Annotated, Generic, Literal, TypeVar

import msgspec

from pepperpy_schemas.messages import Count
from pepperpy_schemas.problems import Measured

E = TypeVar("E")
A = TypeVar("A")
G = TypeVar("G")
O = TypeVar("O")  # noqa: E741 - the first letter of options

MAX_EXAMPLES = 10_000
"""Most examples, and most questions, of one request."""

LearnerName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Operation = Literal["learn", "predict", "evaluate", "save", "load", "reset", "forget", "list"]
Plain = bool | int | float | str
"""A value of a feature: a number, true or false, or one of some words."""


class LearnRequest(msgspec.Struct, Generic[E, A, O], frozen=True, omit_defaults=True, kw_only=True):
    """What a learner of a name is to do.

    Attributes:
        do: ``learn`` from examples, all or none of them; ``predict`` answers of questions;
            ``evaluate``; ``save`` the state into the object store, and ``load`` it from there;
            ``reset`` to the beginning; ``forget`` that there is such a learner; ``list`` the names
            of all.
        name: The learner's name.
        examples: What to learn from, in order.
        asked: Questions to answer; with ``learn`` they are answered after it.
        options: What kind of learner it is. It is made with them when it learns for the first
            time; later they may be left out, and must be the same if they are not.
        start: The name of another learner of the topic whose state it begins with (warm start).
        state: With ``load``, the reference that ``save`` returned.
    """

    do: Operation
    name: LearnerName = "default"
    examples: Annotated[list[E], msgspec.Meta(max_length=MAX_EXAMPLES)] = []
    asked: Annotated[list[A], msgspec.Meta(max_length=MAX_EXAMPLES)] = []
    options: O | None = None
    start: str = ""
    state: str = ""


class LearnAnswer(msgspec.Struct, Generic[G, O], frozen=True, omit_defaults=True, kw_only=True):
    """What a learner did.

    Attributes:
        name: The learner's name.
        version: How many times its state was changed.
        learned: How many examples it learned now.
        before: Whether this very task was done before: its worker died, and it was delivered again.
            Nothing was learned a second time.
        guesses: Answers to the questions, in their order.
        figures: How well it did over time, the oldest first.
        news: What happened to it while it learned: drift, a new model.
        options: What kind of learner it is.
        state: With ``save``, the reference to the saved state.
        names: With ``list``, the learners of the topic.
    """

    name: str = ""
    version: Count = 0
    learned: Count = 0
    before: bool = False
    guesses: list[G] = []
    figures: list[Measured] = []
    news: list[str] = []
    options: O | None = None
    state: str = ""
    names: list[str] = []
