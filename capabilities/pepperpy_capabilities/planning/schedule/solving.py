"""One problem solved from its jobs to its plan: what runs in a process of its own."""

from pepperpy_capabilities.planning.schedule.conflicts import conflict
from pepperpy_capabilities.planning.schedule.explaining import explained
from pepperpy_capabilities.planning.schedule.model import solve_model
from pepperpy_capabilities.planning.schedule.resolving import resolve
from pepperpy_capabilities.planning.schedule.shop import Shop
from pepperpy_capabilities.planning.schedule.tightening import tightened
from pepperpy_schemas.errors import Infeasible, TooLong
from pepperpy_schemas.resource_plans import SchedulePlan, ScheduleProblem


def solve(end: float, problem: ScheduleProblem, seconds: float) -> SchedulePlan:
    """Returns the best schedule, or the best that was found in the time.

    Args:
        end: When it must be done, by the monotonic clock, which all processes share.
        problem: The problem.
        seconds: How long it may take in all, for the error.

    Raises:
        BadProblem: It names what is not there, or waits in a circle.
        Infeasible: No schedule meets all conditions; ``context.conflicts`` has some that exclude
            each other.
        TooLong: None was found in the time; whether there is one is not known.
        TooBig: It has too many tasks.
    """
    made = resolve(problem)
    solved = solve_model(made, made.conditions, problem.objective, seed=problem.seed, end=end)
    if solved.status == "infeasible":
        raise _infeasible(made, problem.seed, end)
    if solved.status == "unknown":
        raise TooLong(
            f"no schedule was found within {seconds:.3g} s; whether there is one is not known",
            context={"seconds": seconds},
        )
    lateness = problem.objective == "lateness"
    return explained(
        made,
        tightened(made, solved.placed),
        lateness=lateness,
        optimal=solved.status == "optimal",
        bound=solved.bound // (made.horizon + 1) if lateness else solved.bound,
    )


def _infeasible(made: Shop, seed: int, end: float) -> Infeasible:
    texts, minimal = conflict(made, seed=seed, end=end)
    told = "these cannot all be met" if minimal else "these, or some of them, cannot all be met"
    return Infeasible(
        f"there is no schedule: {told}: {'; '.join(texts)}",
        hint="give up one of them",
        context={"conflicts": texts, "minimal": minimal},
    )
