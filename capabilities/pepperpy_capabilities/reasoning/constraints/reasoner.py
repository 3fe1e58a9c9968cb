"""The reasoner that solves constraint problems: topic ``reason-constraints``."""

from pepperpy_bus.installing import need
from pepperpy_capabilities.means import Means
from pepperpy_capabilities.reasoning.constraints.solving import solve_until
from pepperpy_schemas.constraints import ConstraintAnswer, ConstraintProblem


class ConstraintReasoner:
    """Finds values that meet all constraints, the best ones, all, or proves that there are none."""

    name = "constraints"
    problem = ConstraintProblem
    answer = ConstraintAnswer

    async def reason(self, problem: ConstraintProblem, means: Means) -> ConstraintAnswer:
        """Returns solutions, or the constraints that exclude each other.

        Args:
            problem: Variables, constraints and what is wanted.
            means: Time and processes.

        Raises:
            BadConfig: OR-tools is not installed.
            BadProblem: Something of it cannot be read or used; the context names the field.
            Unbounded: A variable lacks a bound.
            TooBig: It is too large.
            TooLong: Nothing was found or proved in time.
        """
        need("solving constraints", ["ortools"], "reasoning")
        return await means.run_until(solve_until, problem, means.seconds)
