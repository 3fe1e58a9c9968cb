"""One problem solved from its text to its plan: what runs in a process of its own."""

import time
from collections.abc import Sequence

from pepperpy_capabilities.planning.actions.explaining import explained, told, without_detours
from pepperpy_capabilities.planning.actions.grounding import ground
from pepperpy_capabilities.planning.actions.lifting import lift
from pepperpy_capabilities.planning.actions.reading import read_pddl
from pepperpy_capabilities.planning.actions.search import OutOfTime, Search, cost_of
from pepperpy_capabilities.planning.actions.task import Operator, Task
from pepperpy_capabilities.planning.actions.writing import Written
from pepperpy_schemas.action_plans import OWN, ActionPlan
from pepperpy_schemas.errors import NoPlan, TooLong


def solve(end: float, written: Written, engine: str, seconds: float, optimal: bool) -> ActionPlan:
    """Returns a plan.

    Args:
        end: When it must be done, by the monotonic clock, which all processes share.
        written: The problem in PDDL.
        engine: Who plans.
        seconds: How long it may take in all, for the error.
        optimal: Whether to look for the cheapest plan.

    Raises:
        BadProblem: The text cannot be read, or has what cannot be planned with.
        NoPlan: No plan reaches the goal, as was proved.
        TooLong: No plan was found in the time.
    """
    read = read_pddl(written.domain, written.problem)
    task = ground(lift(read), written.names)
    if engine != OWN:
        from pepperpy_capabilities.planning.actions.engines import plan_by

        plan, proved = plan_by(engine, read, task, written.names, end - time.monotonic())
        return _answer(task, plan, engine=engine, optimal=proved, states=0)
    return _search(task, seconds, end, optimal=optimal)


def _search(task: Task, seconds: float, end: float, *, optimal: bool) -> ActionPlan:
    search = Search(task, lambda: time.monotonic() > end)
    try:
        first = search.first()
    except OutOfTime as stopped:
        raise TooLong(
            f"no plan was found within {seconds:.3g} s ({stopped.states} states were looked at); "
            "whether there is one is not known",
            context={"seconds": seconds, "states": stopped.states},
        ) from None
    if first.plan is None:
        raise NoPlan(
            "no plan reaches the goal: no state that can be reached meets it "
            f"({first.states} were looked at; the others cannot lead there)",
            context={"states": first.states},
        )
    plan = without_detours(task, [task.operators[number] for number in first.plan])
    states, proved = first.states, not cost_of(plan)
    if optimal and not proved:
        try:
            better = search.cheapest(below=cost_of(plan))
        except OutOfTime as stopped:
            states += stopped.states
        else:
            states, proved = states + better.states, True
            if better.plan is not None:
                plan = [task.operators[number] for number in better.plan]
    return _answer(task, plan, engine=OWN, optimal=proved, states=states)


def _answer(
    task: Task, plan: Sequence[Operator], *, engine: str, optimal: bool, states: int
) -> ActionPlan:
    steps, cost = explained(task, plan), cost_of(list(plan))
    return ActionPlan(
        steps=steps,
        cost=cost,
        optimal=optimal,
        engine=engine,
        states=states,
        explanation=told(steps, optimal=optimal, cost=cost, states=states),
    )
