"""Why each step is there: which later step, or the goal, needs what it makes true."""

from collections.abc import Sequence

from pepperpy_capabilities.planning.actions.task import Operator, Task, bits
from pepperpy_schemas.action_plans import ActionStep, ActionUse


def explained(task: Task, plan: Sequence[Operator]) -> list[ActionStep]:
    """Returns the steps of a plan, each with what it is good for.

    A condition is owed to the last step before it that made the fact true (a causal link).
    """
    serves: list[list[ActionUse]] = [[] for _ in plan]
    by: dict[int, int] = {}
    for place, operator in enumerate((*plan, None)):
        step = 0 if operator is None else place + 1
        for fact in task.goal if operator is None else operator.needs:
            if fact in by:
                serves[by[fact]].append(ActionUse(task.facts[fact], step))
        if operator is not None:
            by.update(dict.fromkeys(operator.adds, place))
    return [
        ActionStep(
            action=one.name, arguments=list(one.arguments), cost=one.cost, serves=serves[place]
        )
        for place, one in enumerate(plan)
        if one.name
    ]


def without_detours(task: Task, plan: Sequence[Operator]) -> list[Operator]:
    """Returns a plan without the steps that it reaches its goal without.

    Each step in turn is left out, with the later ones that cannot be done then (action
    elimination: Nakhost and Müller, 2010).
    """
    kept = list(plan)
    place = 0
    while place < len(kept):
        state, rest = task.init, []
        for number, operator in enumerate(kept):
            needs = bits(operator.needs)
            if number != place and state & needs == needs:
                state = state & ~bits(operator.deletes) | bits(operator.adds)
                rest.append(operator)
        goal = bits(task.goal)
        if state & goal == goal and len(rest) < len(kept):
            kept = rest
        else:
            place += 1
    return kept


def told(steps: Sequence[ActionStep], *, optimal: bool, cost: int, states: int) -> str:
    """Returns a plan in words."""
    if not steps:
        return "The goal holds already: nothing is to be done."
    proof = "no plan costs less, as was proved" if optimal else "there may be a cheaper one"
    count = f"{len(steps)} step{'s' if len(steps) > 1 else ''}"
    lines = [f"{count}, cost {cost}; {proof}."]
    if states:
        lines[0] = lines[0][:-1] + f" ({states} states were looked at)."
    for place, step in enumerate(steps, 1):
        lines.append(f"{place}. {' '.join([step.action, *step.arguments])}: {_why(step)}")
    return "\n".join(lines)


def _why(step: ActionStep) -> str:
    if not step.serves:
        return "serves nothing that follows"
    steps: dict[str, list[str]] = {}
    for use in step.serves:
        steps.setdefault(use.fact, []).append(f"step {use.step}" if use.step else "the goal")
    facts: dict[str, list[str]] = {}
    for fact, users in steps.items():
        facts.setdefault(", ".join(users), []).append(fact)
    return "; ".join(f"{', '.join(made)} for {users}" for users, made in facts.items())
