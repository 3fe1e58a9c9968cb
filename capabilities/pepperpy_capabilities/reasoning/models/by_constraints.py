"""A translation into variables and constraints, and what must be so of them.

What a solution says is proved only if no other one says otherwise, so a second is looked for.
"""

from typing import Final

import msgspec

from pepperpy_agents.thinking.forms import Misfit
from pepperpy_capabilities.means import Means
from pepperpy_capabilities.reasoning.constraints.reasoner import ConstraintReasoner
from pepperpy_capabilities.reasoning.models.written import WrittenConstraints
from pepperpy_schemas.codec import convert
from pepperpy_schemas.constraints import (
    ConstraintAnswer,
    ConstraintProblem,
    Solution,
    Span,
    Table,
)
from pepperpy_schemas.model_reasoning import DeductiveProblem, Proof

_READ: Final = ("variables", "constraints", "minimize", "maximize")


async def prove_by_constraints(
    written: WrittenConstraints, problem: DeductiveProblem, means: Means
) -> Proof:
    """Returns what must be so of a translation.

    Raises:
        Misfit: It asks for what is not in it, or its best answer was not proved in time.
        PepperError: It is no constraint problem, or the solver cannot use it, as it says.
    """
    fields = {name: written.problem[name] for name in _READ if name in written.problem}
    asked = msgspec.structs.replace(convert(fields, ConstraintProblem), seed=problem.seed)
    if strange := [one for one in written.wanted if one not in asked.variables]:
        raise Misfit([f"wanted: there is no variable {', '.join(strange)}"])
    found = await ConstraintReasoner().reason(asked, means)
    proof = Proof(by="constraints", proved=True, constraints=asked, found=found)
    if found.status == "infeasible":
        if not written.wanted and not (asked.minimize or asked.maximize):
            return msgspec.structs.replace(proof, verdict="no")
        return msgspec.structs.replace(proof, verdict="contradiction", problems=[found.explanation])
    if asked.minimize or asked.maximize:
        return _best(proof, found, written.wanted)
    if not written.wanted:
        return msgspec.structs.replace(proof, verdict="yes")
    first = _values(found.solutions[0], written.wanted)
    other = await _other(asked, found.solutions[0], written.wanted, means)
    if other is None:
        return msgspec.structs.replace(proof, verdict="values", values=first)
    return msgspec.structs.replace(proof, verdict="unknown", possible=[first, other])


def _best(proof: Proof, found: ConstraintAnswer, wanted: list[str]) -> Proof:
    if found.status != "optimal":
        raise Misfit([f"the best is not proved in time: {found.explanation}"])
    values = _values(found.solutions[0], wanted) if wanted else [str(found.objective)]
    return msgspec.structs.replace(proof, verdict="values", values=values)


async def _other(
    asked: ConstraintProblem, solution: Solution, wanted: list[str], means: Means
) -> list[str] | None:
    """The values of a solution that says otherwise, if there is one."""
    row: list[int | bool | str] = []
    for name in wanted:
        value = solution.values[name]
        if isinstance(value, Span) or value is None:
            raise Misfit([f"wanted: {name} is an interval; ask for its start or end by an int"])
        row.append(value)
    excluded = Table(name="another", of=list(wanted), rows=[row], forbidden=True)
    more = msgspec.structs.replace(asked, constraints=[*asked.constraints, excluded])
    found = await ConstraintReasoner().reason(more, means)
    return None if found.status == "infeasible" else _values(found.solutions[0], wanted)


def _values(solution: Solution, wanted: list[str]) -> list[str]:
    return [_shown(solution.values[name]) for name in wanted]


def _shown(value: int | bool | str | Span | None) -> str:
    if isinstance(value, Span):
        return f"{value.start} to {value.end}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "absent" if value is None else str(value)
