"""The model of a shop for CP-SAT, with as many of its conditions as are asked for."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pepperpy_capabilities.planning.schedule.shop import Condition, Item, Shop
from pepperpy_capabilities.planning.schedule.windows import Windows

if TYPE_CHECKING:
    from ortools.sat.python.cp_model import CpModel, IntervalVar, IntVar

Objective = Literal["makespan", "lateness", "none"]


@dataclass(frozen=True, slots=True)
class Placed:
    """When an item is done, and how.

    Attributes:
        start: When it begins.
        end: When it is done.
        mode: What it takes of each resource.
    """

    start: int
    end: int
    mode: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Solved:
    """What the solver says.

    Attributes:
        status: ``optimal``, ``feasible``, ``infeasible`` or ``unknown``.
        placed: The items in their order; none unless there is a solution.
        bound: What the objective cannot be less than.
    """

    status: Literal["optimal", "feasible", "infeasible", "unknown"]
    placed: tuple[Placed, ...] = ()
    bound: int = 0


def solve_model(
    shop: Shop, conditions: Iterable[Condition], objective: Objective, *, seed: int, end: float
) -> Solved:
    """Returns the best schedule that meets conditions.

    Args:
        shop: The problem.
        conditions: Those of its conditions that count.
        objective: What is to be as little as can be; ``none`` takes any schedule.
        seed: Where its choices begin.
        end: When it must be done, by the monotonic clock.
    """
    from ortools.sat.python import cp_model

    left = end - time.monotonic()
    if left <= 0:
        return Solved("unknown")
    building = _Building(shop, conditions)
    building.minimize(objective)
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = left
    solver.parameters.random_seed = seed
    # As many problems are solved at a time as there are processors; and one is deterministic.
    solver.parameters.num_workers = 1
    status = solver.solve(building.model)
    if status == cp_model.INFEASIBLE:
        return Solved("infeasible")
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return Solved("unknown")
    placed = []
    for number, item in enumerate(shop.items):
        mode = next(n for n, one in enumerate(building.chosen[number]) if solver.value(one))
        start, done = building.starts[number], building.ends[number]
        placed.append(Placed(solver.value(start), solver.value(done), item.modes[mode]))
    bound = round(solver.best_objective_bound) if objective != "none" else 0
    return Solved("optimal" if status == cp_model.OPTIMAL else "feasible", tuple(placed), bound)


class _Building:
    """A model while it is made: variables for every item, then the conditions."""

    def __init__(self, shop: Shop, conditions: Iterable[Condition]) -> None:
        from ortools.sat.python import cp_model

        self.model: CpModel = cp_model.CpModel()
        self.starts: list[IntVar] = []
        self.ends: list[IntVar] = []
        self.chosen: list[list[IntVar]] = []
        self._shop = shop
        self._conditions = list(conditions)
        self._calendars = {one.calendar for one in self._conditions if one.calendar}
        self._used: dict[str, list[tuple[IntervalVar, int]]] = {}
        for item in shop.items:
            self._add(item)
        for one in self._conditions:
            self._meet(one)

    def minimize(self, objective: Objective) -> None:
        if objective == "none":
            return
        shop, horizon = self._shop, self._shop.horizon
        makespan = self.model.new_int_var(0, horizon, "makespan")
        self.model.add_max_equality(makespan, self.ends)
        if objective == "makespan":
            self.model.minimize(makespan)
            return
        late = []
        for number, job in enumerate(shop.jobs):
            if job.due is None or not job.tasks:
                continue
            lateness = self.model.new_int_var(0, horizon, "")
            for place, item in enumerate(shop.items):
                if item.job == number:
                    self.model.add(lateness >= self.ends[place] - job.due)
            late.append(job.weight * lateness)
        # The lateness first: one unit of it weighs more than all of the makespan.
        self.model.minimize(sum(late) * (horizon + 1) + makespan)

    def _add(self, item: Item) -> None:
        start = self.model.new_int_var(0, self._shop.horizon, "")
        end = self.model.new_int_var(0, self._shop.horizon, "")
        self.starts.append(start)
        self.ends.append(end)
        chosen = [self.model.new_bool_var("") for _ in item.modes]
        self.model.add_exactly_one(chosen)
        self.chosen.append(chosen)
        for mode, literal in zip(item.modes, chosen, strict=True):
            if not item.duration:
                self.model.add(end == start)
                continue  # it is in nobody's way
            windows = self._shop.open_for(mode, self._calendars)
            if windows is None or not item.pausing:
                size: Any = item.duration
                if windows is not None:
                    self._in_one_go(start, item.duration, windows, literal)
            else:
                size = self.model.new_int_var(item.duration, self._shop.horizon, "")
                self._pausing(start, end, item.duration, windows, literal)
            interval = self.model.new_optional_interval_var(start, size, end, literal, "")
            for name, amount in mode.items():
                self._used.setdefault(name, []).append((interval, amount))

    def _in_one_go(
        self, start: "IntVar", duration: int, windows: Windows, literal: "IntVar"
    ) -> None:
        from ortools.sat.python.cp_model import Domain

        fitting = [
            [begin, close - duration] for begin, close in windows if close - begin >= duration
        ]
        if not fitting:
            self.model.add_bool_or(literal.negated())
            return
        domain = Domain.from_intervals(fitting)
        self.model.add_linear_expression_in_domain(start, domain).only_enforce_if(literal)

    def _pausing(
        self, start: "IntVar", end: "IntVar", duration: int, windows: Windows, literal: "IntVar"
    ) -> None:
        """Counts open time alone: begin and end are so far apart on that count."""
        total = sum(close - begin for begin, close in windows)
        if total < duration:
            self.model.add_bool_or(literal.negated())
            return
        count = self.model.new_int_var(0, total - duration, "")
        begins, ends = [], []
        before = 0
        for begin, close in windows:
            length, shift = close - begin, begin - before
            begins.append(self.model.new_bool_var(""))
            ends.append(self.model.new_bool_var(""))
            self._where(begins[-1], count, before, before + length - 1, start, shift)
            self._where(ends[-1], count + duration, before + 1, before + length, end, shift)
            before += length
        self.model.add_exactly_one([*begins, literal.negated()])
        self.model.add_exactly_one([*ends, literal.negated()])

    def _where(
        self, here: "IntVar", count: Any, least: int, most: int, time: "IntVar", shift: int
    ) -> None:
        self.model.add(count >= least).only_enforce_if(here)
        self.model.add(count <= most).only_enforce_if(here)
        self.model.add(time == count + shift).only_enforce_if(here)

    def _meet(self, one: Condition) -> None:
        for number, time_ in one.releases.items():
            self.model.add(self.starts[number] >= time_)
        for number, time_ in one.deadlines.items():
            self.model.add(self.ends[number] <= time_)
        for before, number in one.orders:
            self.model.add(self.starts[number] >= self.ends[before])
        if one.capacity and (used := self._used.get(one.capacity)):
            capacity = self._shop.capacities[one.capacity]
            if capacity == 1 and all(amount == 1 for _, amount in used):
                self.model.add_no_overlap([interval for interval, _ in used])
            else:
                self.model.add_cumulative(
                    [interval for interval, _ in used], [amount for _, amount in used], capacity
                )
