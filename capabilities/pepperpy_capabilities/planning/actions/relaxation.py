"""How far a state is from the goal, if nothing that was ever true became false.

Two estimates: a relaxed plan (FF: Hoffmann and Nebel, 2001, with the additive heuristic's choice of
actions), which leads quickly, and landmark cuts (LM-cut: Helmert and Domshlak, 2009), which never
say too much, so that a search by them proves what is cheapest.
"""

import heapq
from math import inf
from typing import NamedTuple

from pepperpy_capabilities.planning.actions.task import Task, members


class Estimate(NamedTuple):
    """An estimate by a relaxed plan.

    Attributes:
        cost: What the relaxed plan costs; an action counts at least 1, so that it gets shorter.
        helpful: Its operators that can be done at once.
    """

    cost: int
    helpful: list[int]


class Relaxation:
    """A task without its deletions, ready to be asked about states.

    The goal is one more operator, whose only effect is one more fact; what needs nothing needs one
    more fact that always holds.
    """

    def __init__(self, task: Task) -> None:
        always, self._goal = len(task.facts), len(task.facts) + 1
        self._always = always
        operators = task.operators
        self._needs = [one.needs or (always,) for one in operators] + [task.goal or (always,)]
        self._adds = [one.adds for one in operators] + [(self._goal,)]
        self._costs = [one.cost for one in operators] + [0]
        self._open = [len(needs) for needs in self._needs]
        self._facts = len(task.facts) + 2
        self._needing: list[list[int]] = [[] for _ in range(self._facts)]
        self._adding: list[list[int]] = [[] for _ in range(self._facts)]
        for number, needs in enumerate(self._needs):
            for fact in needs:
                self._needing[fact].append(number)
            for fact in self._adds[number]:
                self._adding[fact].append(number)

    def relaxed_plan(self, state: int) -> Estimate | None:
        """Returns an estimate of the way to the goal; None when there is none."""
        needing, adds, costs = self._needing, self._adds, self._costs
        value: list[float] = [inf] * self._facts
        by = [-1] * self._facts
        missing = self._open.copy()
        sums: list[float] = [max(1, cost) for cost in costs]
        waiting: list[tuple[float, int]] = []
        for fact in (*members(state), self._always):
            value[fact] = 0
            waiting.append((0, fact))
        heapq.heapify(waiting)
        while waiting:
            cost, fact = heapq.heappop(waiting)
            if cost > value[fact]:
                continue
            if fact == self._goal:
                break
            for number in needing[fact]:
                sums[number] += cost
                missing[number] -= 1
                if not missing[number]:
                    for added in adds[number]:
                        if sums[number] < value[added]:
                            value[added] = sums[number]
                            by[added] = number
                            heapq.heappush(waiting, (sums[number], added))
        return self._chosen(by, value) if value[self._goal] < inf else None

    def _chosen(self, by: list[int], value: list[float]) -> Estimate:
        """The plan that the cheapest ways to each needed fact make together."""
        chosen: set[int] = set()
        wanted = list(self._needs[-1])
        while wanted:
            number = by[wanted.pop()]
            if number >= 0 and number not in chosen:
                chosen.add(number)
                wanted += self._needs[number]
        helpful = [
            number for number in sorted(chosen) if not any(value[n] for n in self._needs[number])
        ]
        return Estimate(sum(max(1, self._costs[number]) for number in chosen), helpful)

    def landmark_cuts(self, state: int) -> int | None:
        """Returns no more than the cheapest way to the goal costs; None when there is no way."""
        costs = self._costs.copy()
        total = 0
        start = [*members(state), self._always]
        while True:
            value, dearest = self._dearest(start, costs)
            if value[self._goal] == inf:
                return None
            if not value[self._goal]:
                return total
            cut = self._cut(start, costs, dearest)
            least = min(costs[number] for number in cut)
            for number in cut:
                costs[number] -= least
            total += least

    def _dearest(self, start: list[int], costs: list[int]) -> tuple[list[float], list[int]]:
        """Returns what each fact costs by its dearest condition (h-max), and each operator's.

        That condition is -1 where the operator can never be done.
        """
        needing, adds = self._needing, self._adds
        value: list[float] = [inf] * self._facts
        dearest = [-1] * len(costs)
        missing = self._open.copy()
        waiting: list[tuple[float, int]] = []
        for fact in start:
            value[fact] = 0
            waiting.append((0, fact))
        heapq.heapify(waiting)
        while waiting:
            cost, fact = heapq.heappop(waiting)
            if cost > value[fact]:
                continue
            for number in needing[fact]:
                missing[number] -= 1
                if not missing[number]:
                    dearest[number] = fact  # the last to come is the dearest
                    then = cost + costs[number]
                    for added in adds[number]:
                        if then < value[added]:
                            value[added] = then
                            heapq.heappush(waiting, (then, added))
        return value, dearest

    def _cut(self, start: list[int], costs: list[int], dearest: list[int]) -> list[int]:
        """Returns operators of which every plan has one, along the dearest conditions."""
        beyond = {self._goal}  # from here on the way to the goal is free
        wanted = [self._goal]
        while wanted:
            for number in self._adding[wanted.pop()]:
                fact = dearest[number]
                if fact >= 0 and not costs[number] and fact not in beyond:
                    beyond.add(fact)
                    wanted.append(fact)
        cut: list[int] = []
        reached = set(start)
        wanted = list(start)
        while wanted:
            fact = wanted.pop()
            for number in self._needing[fact]:
                if dearest[number] != fact:
                    continue
                if any(added in beyond for added in self._adds[number]):
                    cut.append(number)
                    continue
                for added in self._adds[number]:
                    if added not in reached:
                        reached.add(added)
                        wanted.append(added)
        return cut
