"""Constraints that exclude each other, each of which is needed for that.

Each constraint gets a literal that switches it on. CP-SAT proves a problem infeasible under the
assumption that all are on, and says which assumptions its proof has used; most are gone by then.
Then each of these is left out once: if the others still exclude each other it was not needed, and
their proof may spare more. What is left is minimal, though not always the smallest there is.

It is imported only where a problem is solved.
"""

from ortools.sat.python.cp_model import CpSolverStatus

from pepperpy_capabilities.reasoning.constraints.searching import (
    INFEASIBLE,
    UNKNOWN,
    Search,
)
from pepperpy_schemas.constraints import ConstraintProblem


def conflict(problem: ConstraintProblem, until: float) -> tuple[list[int], bool]:
    """Returns which constraints exclude each other, and whether each is needed for that.

    Args:
        problem: One that has no solution.
        until: When it must be done, as `time.time` tells it.

    Returns:
        The numbers of the constraints, none where the time was over before one was known; and
        whether they are minimal.
    """
    search = Search(problem, until, switched=True)
    found = _core(search, list(range(len(problem.constraints))))
    if found is None:
        return [], False
    minimal = True
    for one in list(found):
        if one not in found:
            continue
        without = [n for n in found if n != one]
        status, core = _excluding(search, without)
        if status == INFEASIBLE:
            found = core
        elif status == UNKNOWN:
            minimal = False
    return found, minimal


def _core(search: Search, all_: list[int]) -> list[int] | None:
    status, core = _excluding(search, all_)
    return core if status == INFEASIBLE else None


def _excluding(search: Search, among: list[int]) -> tuple[CpSolverStatus, list[int]]:
    """Returns the status with only these on, and which of them its proof has used."""
    model = search.model
    model.clear_assumptions()
    model.add_assumptions([search.switches[n] for n in among])
    status = search.run()
    if status != INFEASIBLE:
        return status, []
    used = set(search.solver.sufficient_assumptions_for_infeasibility())
    core = [n for n in among if search.switches[n].index in used]
    return status, core or among
