"""How far a goal is, from its numbers: pure, so that every attempt at a task finds the same."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from pepperpy_capabilities.planning.goals.measuring import Look, Tally
from pepperpy_schemas.errors import BadProblem
from pepperpy_schemas.goal_plans import GoalProblem, GoalReport, GoalState, SubGoal, SubGoalReport

_WORST: Final[tuple[GoalState, ...]] = ("exceeded", "late", "stalled", "open")
OVER: Final = frozenset({"reached", "exceeded", "late"})
"""States in which nothing more is waited for."""


def check_sub_goals(sub_goals: Sequence[SubGoal], sources: Mapping[str, object]) -> None:
    """Checks the parts of a goal.

    Raises:
        BadProblem: ``context.field`` names the place.
    """
    if not sub_goals:
        raise BadProblem(
            "sub_goals: the goal has no parts",
            hint="declare some, or have a model take it apart: by: model",
            context={"field": "sub_goals"},
        )
    seen: set[str] = set()
    for one in sub_goals:
        where = f"sub_goals.{one.name}"
        if one.name in seen:
            raise BadProblem(f"{where}: there are two", context={"field": where})
        seen.add(one.name)
        if one.source not in sources:
            place = f"{where}.source"
            raise BadProblem(
                f"{place}: there is no source {one.source}",
                hint=f"there is {', '.join(sources)}"[:500],
                context={"field": place},
            )


def report(problem: GoalProblem, plan: Sequence[SubGoal], look: Look, looks: int) -> GoalReport:
    """Returns how far a goal is at a look.

    Args:
        problem: The goal.
        plan: Its parts.
        look: The numbers.
        looks: How often it was looked at; 0 where nothing was measured.
    """
    parts = [_part(one, look.tallies.get(one.source, Tally()), problem, look) for one in plan]
    weights = sum(one.weight for one in plan)
    fraction = (
        sum(one.weight * part.fraction for one, part in zip(plan, parts, strict=True)) / weights
    )
    states = {one.state for one in parts}
    done: GoalState = "reached"
    state = next((one for one in _WORST if one in states), done)
    return GoalReport(
        goal=problem.goal,
        state=state,
        fraction=min(1.0, fraction),
        sub_goals=parts,
        plan=list(plan),
        at=look.at if looks else None,
        looks=looks,
        explanation=_explain(problem, plan, parts, state, fraction)
        if looks
        else _unmeasured(problem, plan),
    )


def is_over(told: GoalReport) -> bool:
    """Returns whether nothing can change any more that is waited for."""
    waiting = [one for one in told.sub_goals if one.state not in OVER]
    return all(one.state == "kept" and one.by is None for one in waiting)


def next_moment(plan: Sequence[SubGoal], told: GoalReport) -> datetime | None:
    """Returns when a state changes by itself: a time is over, or stands still for too long."""
    at = told.at
    if at is None:
        return None
    moments = [one.by for one in plan if one.by is not None and one.by > at]
    for one, part in zip(plan, told.sub_goals, strict=True):
        if one.stalled_after is not None and part.state == "open":
            still = (part.changed or at) + timedelta(seconds=one.stalled_after)
            moments += [still] if still > at else []
    return min(moments, default=None)


def is_limit(one: SubGoal) -> bool:
    """Returns whether a sub-goal is a limit that is kept, not a target that is reached."""
    return one.direction == "at_most" and one.start <= one.target


def _part(one: SubGoal, tally: Tally, problem: GoalProblem, look: Look) -> SubGoalReport:
    value = one.start if tally.value is None else tally.value
    began = problem.since or look.at
    return SubGoalReport(
        name=one.name,
        state=_state(one, tally, value, began, look.at),
        value=tally.value,
        target=one.target,
        fraction=_fraction(one, value),
        events=tally.events,
        unusable=tally.unusable,
        changed=tally.changed,
        by=one.by,
    )


def _state(one: SubGoal, tally: Tally, value: float, began: datetime, at: datetime) -> GoalState:
    over = one.by is not None and at >= one.by
    if is_limit(one):
        return "exceeded" if value > one.target else "reached" if over else "kept"
    if value >= one.target if one.direction == "at_least" else value <= one.target:
        return "reached"
    if over:
        return "late"
    still = (at - (tally.changed or began)).total_seconds()
    return "stalled" if one.stalled_after is not None and still >= one.stalled_after else "open"


def _fraction(one: SubGoal, value: float) -> float:
    if is_limit(one):
        return 1.0 if value <= one.target else 0.0
    way = one.target - one.start
    if way == 0 or (way > 0) != (one.direction == "at_least"):
        reached = value >= one.target if one.direction == "at_least" else value <= one.target
        return 1.0 if reached else 0.0
    return min(1.0, max(0.0, (value - one.start) / way))


def _explain(
    problem: GoalProblem,
    plan: Sequence[SubGoal],
    parts: Sequence[SubGoalReport],
    state: GoalState,
    fraction: float,
) -> str:
    lines = [f"{problem.goal:.200}: {state}, {fraction:.0%} of the way."]
    for one, part in zip(plan, parts, strict=True):
        value = "not measured yet" if part.value is None else f"{part.value:g}"
        many = "event" if part.events == 1 else "events"
        counted = f" from {part.events} {many}" if part.events else ""
        lines.append(
            f"{one.name}: {part.state}, {part.fraction:.0%}: {value}{counted}, {_wanted(one)}."
        )
        if part.unusable:
            lines.append(f"  {part.unusable} had no number in {problem.sources[one.source].field}.")
    return "\n".join(lines)


def _unmeasured(problem: GoalProblem, plan: Sequence[SubGoal]) -> str:
    first = f"{problem.goal:.200}: not measured, for there is no bus."
    return "\n".join([first, *(f"{one.name}: {_wanted(one)}." for one in plan)])


def _wanted(one: SubGoal) -> str:
    by = f" by {one.by:%Y-%m-%d %H:%M}" if one.by is not None else ""
    return f"wanted {one.direction.replace('_', ' ')} {one.target:g}{by}"
