"""A model that CP-SAT searches; imported only where a problem is solved."""

import time

from ortools.sat.python import cp_model
from ortools.sat.python.cp_model import (
    CpSolver,
    CpSolverSolutionCallback,
    CpSolverStatus,
    IntVar,
    LinearExprT,
)

from pepperpy_capabilities.reasoning.constraints.posting import Posting
from pepperpy_capabilities.reasoning.constraints.space import Space
from pepperpy_capabilities.reasoning.constraints.texts import read_relation, read_sum
from pepperpy_schemas.constraints import ConstraintProblem, Linear, Solution
from pepperpy_schemas.errors import BadProblem

OPTIMAL, FEASIBLE, INFEASIBLE, UNKNOWN = (
    cp_model.OPTIMAL,
    cp_model.FEASIBLE,
    cp_model.INFEASIBLE,
    cp_model.UNKNOWN,
)

_EDGES = {"<=": 0, ">=": 0, "<": -1, ">": 1}
"""What the left side has more than the right where an inequality leaves no room."""


class Search:
    """One problem as a model, and the solver that searches it.

    Args:
        problem: The problem.
        until: When it must be done, as `time.time` tells it.
        switched: Whether each constraint can be switched off, by its literal in `switches`.

    Attributes:
        space: The variables.
        switches: A literal for each constraint, if they are wanted.
        solver: What says values, after it has found some.

    Raises:
        BadProblem: Something of the problem cannot be read or used; the context names the field.
        Unbounded: A variable lacks a bound.
        TooBig: It is too large.
    """

    def __init__(self, problem: ConstraintProblem, until: float, *, switched: bool = False) -> None:
        self.space = Space(problem.variables)
        self.solver = CpSolver()
        self.switches: list[IntVar] = []
        self._until = until
        posting = Posting(self.space)
        for n, constraint in enumerate(problem.constraints):
            given: list[IntVar] = []
            if switched:
                given = [self.model.new_bool_var("")]
                self.switches += given
            posting.post(constraint, f"constraints[{n}]", given)
        self._check()
        self.solver.parameters.num_workers = problem.workers
        self.solver.parameters.random_seed = problem.seed

    @property
    def model(self) -> cp_model.CpModel:
        """The model."""
        return self.space.model

    @property
    def seconds(self) -> float:
        """Seconds that are left."""
        return max(0.0, self._until - time.time())

    def objective(self, text: str, place: str) -> LinearExprT:
        """Returns what shall be optimized."""
        return self.space.expression(read_sum(text, place), place)

    def run(self, collector: CpSolverSolutionCallback | None = None) -> CpSolverStatus:
        """Searches until something is proved, or the time is over; returns the solver's status."""
        if not self.seconds:
            return UNKNOWN
        self.solver.parameters.max_time_in_seconds = self.seconds
        return self.solver.solve(self.model, collector)

    def all(self, limit: int) -> tuple[CpSolverStatus, list[Solution], bool]:
        """Returns the solver's status, solutions, and whether there are no others."""
        collector = _Collector(self.space, limit)
        self.solver.parameters.num_workers = 1
        self.solver.parameters.enumerate_all_solutions = True
        status = self.run(collector)
        return status, collector.solutions[:limit], status == OPTIMAL and not collector.over

    def read(self) -> Solution:
        """Returns the solution that was found."""
        return self.space.read(self.solver.value)

    def binding(self, problem: ConstraintProblem) -> list[str]:
        """Returns the named inequalities that leave no room in the solution that was found."""
        found: list[str] = []
        for n, one in enumerate(problem.constraints):
            if isinstance(one, Linear) and one.name and not one.reified:
                relation = read_relation(one.holds, f"constraints[{n}].holds")
                edge = _EDGES.get(relation.comparison)
                if edge is None or isinstance(relation.right, str):
                    continue
                room = self.space.amount(relation.left - relation.right, self.solver.value)
                if room == edge:
                    found.append(one.name)
        return found

    def _check(self) -> None:
        """What we have not seen, CP-SAT says."""
        if wrong := self.model.validate():
            raise BadProblem(
                f"the solver refuses it: {wrong[:300]}", context={"field": "constraints"}
            )


class _Collector(CpSolverSolutionCallback):
    """Takes solutions as they are found, and one more than are wanted, to know of it."""

    def __init__(self, space: Space, limit: int) -> None:
        super().__init__()
        self.solutions: list[Solution] = []
        self.over = False
        self._space = space
        self._limit = limit

    def on_solution_callback(self) -> None:
        """Is called by the solver."""
        self.solutions.append(self._space.read(self.value))
        if len(self.solutions) > self._limit:
            self.over = True
            self.stop_search()
