"""Searching states: one way that finds a plan, one that proves which is the cheapest.

Both end with an answer or have looked at every state that can be reached, which proves that there
is no plan. States from which the goal cannot be reached even without deletions are left out.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from math import inf

from pepperpy_capabilities.planning.actions.relaxation import Relaxation
from pepperpy_capabilities.planning.actions.task import Operator, Task, bits

Way = dict[int, tuple[int, int]]
"""How each state was come to: the state before, and the operator."""


@dataclass(slots=True)
class Found:
    """What a search has found.

    Attributes:
        plan: The numbers of the operators, in order; None when there is no plan.
        states: How many states were looked at.
    """

    plan: list[int] | None
    states: int


class OutOfTime(Exception):
    """The search was told to stop."""

    def __init__(self, states: int) -> None:
        super().__init__()
        self.states = states


class Search:
    """A task with what its searches share.

    Args:
        task: The task.
        stop: Says whether to stop; asked at each state.
    """

    def __init__(self, task: Task, stop: Callable[[], bool]) -> None:
        self._task = task
        self._stop = stop
        self._relaxation = Relaxation(task)
        self._goal = bits(task.goal)
        self._moves = [
            (number, bits(one.needs), ~bits(one.deletes), bits(one.adds))
            for number, one in enumerate(task.operators)
        ]

    def first(self) -> Found:
        """Finds a plan: greedily by relaxed plans, every other step by their first operators.

        Raises:
            OutOfTime: It was told to stop.
        """
        turn = count()
        every: list[tuple[int, int, int, int, int]] = []
        helpful: list[tuple[int, int, int, int, int]] = []
        way: Way = {}
        states = 0
        heapq.heappush(every, (0, next(turn), self._task.init, -1, -1))
        while every or helpful:
            queue = helpful if helpful and (states % 2 or not every) else every
            _, _, state, before, number = heapq.heappop(queue)
            if state in way:
                continue
            if self._stop():
                raise OutOfTime(states)
            way[state] = (before, number)
            states += 1
            if state & self._goal == self._goal:
                return Found(_trace(way, state), states)
            estimate = self._relaxation.relaxed_plan(state)
            if estimate is None:
                continue
            good = set(estimate.helpful)
            for number, needs, keeps, adds in self._moves:
                if state & needs == needs and (then := state & keeps | adds) not in way:
                    entry = (estimate.cost, next(turn), then, state, number)
                    heapq.heappush(every, entry)
                    if number in good:
                        heapq.heappush(helpful, entry)
        return Found(None, states)

    def cheapest(self, below: float = inf) -> Found:
        """Finds the cheapest plan, by A* with landmark cuts.

        Args:
            below: Only plans that cost less are looked for.

        Raises:
            OutOfTime: It was told to stop.
        """
        turn = count()
        costs: dict[int, int] = {self._task.init: 0}
        estimates: dict[int, int | None] = {}
        way: Way = {self._task.init: (-1, -1)}
        waiting: list[tuple[int, int, int, int, int]] = []
        states = 0

        def come(state: int, cost: int) -> None:
            if state not in estimates:
                estimates[state] = self._relaxation.landmark_cuts(state)
            far = estimates[state]
            if far is not None and cost + far < below:
                heapq.heappush(waiting, (cost + far, far, next(turn), state, cost))

        come(self._task.init, 0)
        while waiting:
            _, _, _, state, cost = heapq.heappop(waiting)
            if cost > costs[state]:
                continue
            if self._stop():
                raise OutOfTime(states)
            states += 1
            if state & self._goal == self._goal:
                return Found(_trace(way, state), states)
            for number, needs, keeps, adds in self._moves:
                if state & needs != needs:
                    continue
                then, spent = state & keeps | adds, cost + self._task.operators[number].cost
                if spent < costs.get(then, inf):
                    costs[then] = spent
                    way[then] = (state, number)
                    come(then, spent)
        return Found(None, states)


def cost_of(operators: list[Operator]) -> int:
    """Returns what operators cost together."""
    return sum(one.cost for one in operators)


def _trace(way: Way, state: int) -> list[int]:
    plan: list[int] = []
    before, number = way[state]
    while number >= 0:
        plan.append(number)
        before, number = way[before]
    plan.reverse()
    return plan
