"""Goals as measurable sub-goals: what they are measured by, and how far they are."""

from typing import Annotated, Final, Literal

import msgspec

from pepperpy_schemas.messages import Count, Instant
from pepperpy_schemas.problems import Answer, Problem
from pepperpy_schemas.task_plans import Condition, TaskName, Words

PLAN_GOAL: Final = "plan-goal"
"""The topic of the tasks."""
MAX_SUB_GOALS: Final = 100

Number = Annotated[float, msgspec.Meta(ge=-1e300, le=1e300)]
GoalState = Literal["open", "reached", "kept", "exceeded", "stalled", "late"]


class Source(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a sub-goal is measured by: events, or a figure of the monitor.

    Attributes:
        events: Entity, verb, scope and id from the left: ``task.completed.write``.
        where: Only events that fit: ``data.amount > 100``.
        take: ``count`` of the events, ``sum`` of a field of theirs, or the ``last`` value of it.
        field: The field, for ``sum`` and ``last``: ``data.amount``.
        figure: Instead of events a field of the monitor's overview: ``waiting``, ``usd``,
            ``error_ratio.h1``.
        description: What it measures, in words, for a model.
    """

    events: Annotated[str, msgspec.Meta(max_length=500)] = ""
    where: Condition = ""
    take: Literal["count", "sum", "last"] = "count"
    field: Annotated[str, msgspec.Meta(max_length=500)] = ""
    figure: Annotated[str, msgspec.Meta(max_length=500)] = ""
    description: Annotated[str, msgspec.Meta(max_length=2000)] = ""


class SubGoal(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A part of a goal that is measured by one number.

    Attributes:
        name: Its name.
        source: What it is measured by: a name among the goal's sources.
        target: The number that is wanted.
        direction: ``at_least`` the target, or ``at_most``.
        start: The number at the beginning, from which the way to the target is counted. Where
            ``at_most`` begins below its target, the target is a limit that is kept or exceeded.
        by: When it must be reached, or how long a limit is kept.
        stalled_after: Seconds without a change after which it counts as stalled.
        weight: Its share of the goal.
    """

    name: TaskName
    source: TaskName
    target: Number
    direction: Literal["at_least", "at_most"] = "at_least"
    start: Number = 0.0
    by: Instant | None = None
    stalled_after: Annotated[float, msgspec.Meta(gt=0, le=3.2e9)] | None = None
    weight: Annotated[float, msgspec.Meta(gt=0, le=1e6)] = 1.0


class GoalProblem(Problem, frozen=True, omit_defaults=True, kw_only=True):
    """A goal that shall be measured.

    Attributes:
        goal: The goal, in words.
        name: A name for it, the scope of its events.
        sources: What can be measured, by name.
        sub_goals: Its parts.
        by: Who takes it apart: the ``declared`` sub-goals, or a ``model``.
        model: The alias of the model.
        repairs: How often a model is told what is wrong with its answer.
        since: Events are counted from this moment on; by default from when the task begins.
        watch: Whether it is looked at until it is reached or missed, and its events are told;
            otherwise once.
        every: Seconds between two looks.
    """

    goal: Words
    name: TaskName = "goal"
    sources: Annotated[dict[TaskName, Source], msgspec.Meta(min_length=1, max_length=MAX_SUB_GOALS)]
    sub_goals: Annotated[list[SubGoal], msgspec.Meta(max_length=MAX_SUB_GOALS)] = []
    by: Literal["declared", "model"] = "declared"
    model: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] = "default"
    repairs: Annotated[int, msgspec.Meta(ge=0, le=10)] = 2
    since: Instant | None = None
    watch: bool = False
    every: Annotated[float, msgspec.Meta(ge=0.1, le=86_400)] = 60.0


class SubGoalReport(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """How far a sub-goal is.

    Attributes:
        name: Its name.
        state: ``open``, ``reached``; ``kept`` or ``exceeded`` for a limit; ``stalled`` without a
            change for too long; ``late`` when its time is over.
        value: The number now; null where nothing was measured yet.
        target: The number that is wanted.
        fraction: The part of the way that is done, 0 to 1.
        events: How many events were counted.
        unusable: How many had no number in the field.
        changed: When the number last changed.
        by: When it must be reached.
    """

    name: str
    state: GoalState
    value: float | None = None
    target: float
    fraction: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    events: Count = 0
    unusable: Count = 0
    changed: Instant | None = None
    by: Instant | None = None


class GoalReport(Answer, frozen=True, omit_defaults=True, kw_only=True):
    """How far a goal is.

    Attributes:
        goal: The goal.
        state: ``reached`` when all sub-goals are reached or kept; otherwise the worst of theirs.
        fraction: The weighted part of the way that is done, 0 to 1.
        sub_goals: Its parts, those that a model has made among them.
        plan: The parts as they were declared or made.
        at: When it was measured, by the server's clock; null where nothing was.
        looks: How often it was looked at.
    """

    goal: str
    state: GoalState
    fraction: Annotated[float, msgspec.Meta(ge=0, le=1)]
    sub_goals: list[SubGoalReport]
    plan: list[SubGoal]
    at: Instant | None = None
    looks: Count = 0
