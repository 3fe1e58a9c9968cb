"""A constraint problem from beginning to end; the solver is imported when one is solved."""

import math
import time
from typing import TYPE_CHECKING

import msgspec

from pepperpy_capabilities.reasoning.constraints.explaining import explain
from pepperpy_capabilities.reasoning.constraints.names import names_of
from pepperpy_schemas.constraints import ConstraintAnswer, ConstraintProblem
from pepperpy_schemas.errors import BadProblem, TooBig, TooLong

if TYPE_CHECKING:
    from pepperpy_capabilities.reasoning.constraints.searching import Search

_MOST_VALUES = 2_000_000  # of an answer: they are all in memory, here and where they arrive


def solve(problem: ConstraintProblem, seconds: float, until: float) -> ConstraintAnswer:
    """Returns the solutions of a problem, or why there are none.

    Args:
        problem: The problem.
        seconds: How long it may take, for the error.
        until: When it must be done, as `time.time` tells it.

    Raises:
        BadProblem: Something of it cannot be read or used; the context names the field.
        Unbounded: A variable lacks a bound.
        TooBig: It is too large.
        TooLong: Nothing was found or proved in time.
    """
    names = names_of(problem)
    ask = _asked(problem)
    from pepperpy_capabilities.reasoning.constraints import searching

    search = searching.Search(problem, until)
    complete = False
    if ask == "all":
        status, solutions, complete = search.all(problem.limit)
        found = bool(solutions)
    else:
        if ask == "optimal":
            _optimize(search, problem)
        status = search.run()
        found = status in (searching.OPTIMAL, searching.FEASIBLE)
        solutions = [search.read()] if found else []
    if status == searching.INFEASIBLE:
        return _excluded(problem, names, until)
    if not found:
        raise TooLong(
            f"no solution was found within {seconds:.3g} s, and none was ruled out",
            context={"seconds": seconds},
        )
    answer = ConstraintAnswer(status="feasible", solutions=solutions, complete=complete)
    if ask == "optimal":
        answer = _valued(answer, search, problem, proved=status == searching.OPTIMAL)
    return explain(answer, problem)


def _asked(problem: ConstraintProblem) -> str:
    objective = problem.minimize or problem.maximize
    if problem.minimize and problem.maximize:
        raise BadProblem(
            "one sum can be optimized, and here are two",
            hint="take one, or the sum of both, each times what it is worth",
            context={"field": "maximize"},
        )
    ask = problem.ask or ("optimal" if objective else "one")
    if ask == "optimal" and not objective:
        raise BadProblem(
            "an optimal solution is asked for, and nothing shall be optimized",
            hint="say what: minimize or maximize",
            context={"field": "ask"},
        )
    if ask == "all" and objective:
        raise BadProblem(
            "all solutions are asked for, and none of them is to be the best",
            hint="leave out what is to be optimized, or ask for an optimal one",
            context={"field": "ask"},
        )
    if ask == "all" and problem.limit * len(problem.variables) > _MOST_VALUES:
        raise TooBig(
            f"limit: {problem.limit} solutions of {len(problem.variables)} variables are more than"
            f" {_MOST_VALUES:,} values",
            hint=f"take a limit of {_MOST_VALUES // len(problem.variables)} or less",
            context={"field": "limit"},
        )
    return ask


def _optimize(search: "Search", problem: ConstraintProblem) -> None:
    if problem.minimize:
        search.model.minimize(search.objective(problem.minimize, "minimize"))
    else:
        search.model.maximize(search.objective(problem.maximize, "maximize"))


def _valued(
    answer: ConstraintAnswer, search: "Search", problem: ConstraintProblem, *, proved: bool
) -> ConstraintAnswer:
    """An answer with what its solution is worth, and what a better one could be."""
    objective = round(search.solver.objective_value)
    bound = search.solver.best_objective_bound
    # Whole numbers are between the bounds that the solver has in its sums.
    whole = math.ceil(bound - 1e-6) if problem.minimize else math.floor(bound + 1e-6)
    return msgspec.structs.replace(
        answer,
        status="optimal" if proved else "feasible",
        solutions=[msgspec.structs.replace(one, objective=objective) for one in answer.solutions],
        objective=objective,
        bound=objective if proved else whole,
        binding=search.binding(problem) if proved else [],
    )


def _excluded(problem: ConstraintProblem, names: list[str], until: float) -> ConstraintAnswer:
    from pepperpy_capabilities.reasoning.constraints.conflicts import conflict

    found, minimal = conflict(problem, until)
    answer = ConstraintAnswer(
        status="infeasible", conflict=[names[n] for n in found], minimal=minimal
    )
    return explain(answer, problem)


def solve_until(end: float, problem: ConstraintProblem, seconds: float) -> ConstraintAnswer:
    """Returns what `solve` does, until an end that the monotonic clock tells.

    Args:
        end: When it must be done, as `Means.run_until` gives it.
        problem: The problem.
        seconds: How long it may take, for the error.
    """
    return solve(problem, seconds, time.time() + end - time.monotonic())
