"""What an answer to a constraint problem says of itself, for people."""

import msgspec

from pepperpy_capabilities.reasoning.constraints.names import described, names_of
from pepperpy_schemas.constraints import ConstraintAnswer, ConstraintProblem

_TOLD = 50  # most constraints of a conflict that are shown


def explain(answer: ConstraintAnswer, problem: ConstraintProblem) -> ConstraintAnswer:
    """Returns an answer with its explanation.

    Args:
        answer: The answer.
        problem: What it answers.
    """
    if answer.status == "infeasible":
        lines = _conflict(answer, problem)
    elif answer.objective is not None:
        lines = _objective(answer, problem)
    elif problem.ask == "all":
        lines = [_all(answer, problem)]
    else:
        lines = [f"It meets all {len(problem.constraints)} constraints; there may be others."]
    return msgspec.structs.replace(answer, explanation="\n".join(lines))


def _conflict(answer: ConstraintAnswer, problem: ConstraintProblem) -> list[str]:
    if not answer.conflict:
        return [
            "No solution meets all constraints, as was proved; which of them exclude each other"
            " was not found in time."
        ]
    needed = (
        "each is needed for it, the others of them can be met together"
        if answer.minimal
        else "whether each is needed for it was not found out in time"
    )
    count = len(answer.conflict)
    head = (
        "No solution meets this constraint:"
        if count == 1
        else f"No solution meets these {count} constraints; {needed}:"
    )
    said = dict(zip(names_of(problem), problem.constraints, strict=True))
    told = [f"  {name}: {described(said[name])}" for name in answer.conflict[:_TOLD]]
    return [head, *told, *([f"  … and {count - _TOLD} more"] if count > _TOLD else [])]


def _objective(answer: ConstraintAnswer, problem: ConstraintProblem) -> list[str]:
    goal = "smaller" if problem.minimize else "larger"
    if answer.status == "feasible":
        return [
            f"The best that was found in time is {answer.objective}; whether there is a {goal} one,"
            f" {answer.bound} at best, is not known."
        ]
    lines = [f"No solution has a {goal} value than {answer.objective}, as was proved."]
    if answer.binding:
        lines.append(f"These leave no room: {', '.join(answer.binding[:_TOLD])}.")
    return lines


def _all(answer: ConstraintAnswer, problem: ConstraintProblem) -> str:
    count = len(answer.solutions)
    if answer.complete:
        return (
            f"There are no other solutions than {'this one' if count == 1 else f'these {count}'}."
        )
    if count == problem.limit:
        return f"These are {count} of the solutions; there are more."
    return f"Solutions that were found in time: {count}; there may be others."
