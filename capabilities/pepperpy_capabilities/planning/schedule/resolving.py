"""From the names of a problem to the numbers of a shop, and what cannot be in it."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

from pepperpy_capabilities.planning.schedule.calendars import Clock, regular_from, windows
from pepperpy_capabilities.planning.schedule.horizon import at_the_latest, one_by_one
from pepperpy_capabilities.planning.schedule.shop import Condition, Item, Shop
from pepperpy_capabilities.planning.schedule.windows import merged
from pepperpy_schemas.errors import BadProblem, TooBig
from pepperpy_schemas.resource_plans import (
    MAX_TASKS,
    MAX_TIME,
    JobSpec,
    ScheduleProblem,
    TaskSpec,
)


def resolve(problem: ScheduleProblem) -> Shop:
    """Returns a problem with all names resolved.

    Raises:
        BadProblem: Names are unknown or there twice, or tasks wait for each other in a circle;
            ``context.field`` says where.
        TooBig: It has too many tasks.
    """
    count = sum(len(job.tasks) for job in problem.jobs)
    if not count:
        raise _bad("jobs", "there is no task")
    if count > MAX_TASKS:
        raise TooBig(f"{count} tasks; {MAX_TASKS} are the most", context={"field": "jobs"})
    clock = Clock.of(problem)
    for name, resource in problem.resources.items():
        if resource.calendar and resource.calendar not in problem.calendars:
            raise _bad(f"resources.{name}", f"there is no calendar {resource.calendar!r}")
    tasks = _Tasks(problem)
    releases = tasks.releases()
    end = min(MAX_TIME, max(releases) + sum(one.duration for one in tasks.items) + 1)
    capacities = {name: one.capacity for name, one in problem.resources.items()}
    calendars = {name: one.calendar for name, one in problem.resources.items() if one.calendar}
    # One by one is a schedule, so that the shortest is no longer; unless an end is asked of tasks.
    free = problem.objective == "makespan" and not any(one.deadlines for one in tasks.conditions)
    while True:
        opened = {
            name: windows(calendar, problem.calendars[calendar], clock, end)
            for name, calendar in calendars.items()
        }
        made = Shop(tuple(tasks.items), tuple(problem.jobs), capacities, opened, (), end, clock)
        if free:
            done = one_by_one(made, tasks.order, releases)
        else:
            regular = [regular_from(problem.calendars[one], clock) for one in calendars.values()]
            done = at_the_latest(made, releases, max([0, *regular]))
        if done is not None or end >= MAX_TIME:
            break
        end = min(MAX_TIME, end * 2)
    horizon = end if done is None else done
    return replace(
        made,
        windows={name: merged(one, horizon) for name, one in made.windows.items()},
        conditions=(*tasks.conditions, *_of_resources(problem, tasks.items)),
        horizon=horizon,
    )


class _Tasks:
    """The tasks, by number and by name, with the conditions that they have of their own."""

    def __init__(self, problem: ScheduleProblem) -> None:
        self._resources = problem.resources
        self.items: list[Item] = []
        self.conditions: list[Condition] = []
        self._places: dict[str, int] = {}
        self._fields: list[str] = []
        for number, job in enumerate(problem.jobs):
            _check_new(job.name, (one.name for one in problem.jobs[:number]), f"jobs[{number}]")
            for place, task in enumerate(job.tasks):
                where = f"jobs[{number}].tasks[{place}]"
                _check_new(task.name, (one.name for one in job.tasks[:place]), where)
                self._places[f"{job.name}/{task.name}"] = len(self.items)
                self._fields.append(where)
                self.items.append(self._item(number, job, task, where))
        for job in problem.jobs:
            self._conditions(job)
        self.order = self._sorted()

    def _item(self, number: int, job: JobSpec, task: TaskSpec, where: str) -> Item:
        for name in (*task.uses, *task.one_of):
            if name not in self._resources:
                raise _bad(where, f"there is no resource {name!r}")
        modes = [
            {**task.uses, name: task.uses.get(name, 0) + 1} for name in dict.fromkeys(task.one_of)
        ]
        return Item(
            number,
            f"{job.name}/{task.name}",
            task.duration,
            task.pausing,
            tuple(modes or [dict(task.uses)]),
        )

    def _conditions(self, job: JobSpec) -> None:
        numbers = [self._places[f"{job.name}/{task.name}"] for task in job.tasks]
        if job.release:
            self._add(
                f"{job.name} begins at {job.release} or later",
                releases=dict.fromkeys(numbers, job.release),
            )
        if job.deadline is not None:
            self._add(
                f"{job.name} is done by {job.deadline}",
                deadlines=dict.fromkeys(numbers, job.deadline),
            )
        if job.ordered and len(numbers) > 1:
            self._add(
                f"the tasks of {job.name} are done in their order",
                orders=tuple(pairwise(numbers)),
            )
        for number, task in zip(numbers, job.tasks, strict=True):
            name = self.items[number].name
            if task.release:
                self._add(
                    f"{name} begins at {task.release} or later", releases={number: task.release}
                )
            if task.deadline is not None:
                self._add(f"{name} is done by {task.deadline}", deadlines={number: task.deadline})
            for other in task.after:
                before = self._places.get(other if "/" in other else f"{job.name}/{other}")
                if before is None:
                    raise _bad(f"{self._fields[number]}.after", f"there is no task {other!r}")
                self._add(
                    f"{name} begins after {self.items[before].name}", orders=((before, number),)
                )

    def _add(
        self,
        text: str,
        *,
        releases: Mapping[int, int] | None = None,
        deadlines: Mapping[int, int] | None = None,
        orders: tuple[tuple[int, int], ...] = (),
    ) -> None:
        self.conditions.append(
            Condition(text=text, releases=releases or {}, deadlines=deadlines or {}, orders=orders)
        )

    def releases(self) -> list[int]:
        """Returns before when each task cannot begin."""
        found = [0] * len(self.items)
        for condition in self.conditions:
            for number, time in condition.releases.items():
                found[number] = max(found[number], time)
        return found

    def _sorted(self) -> list[int]:
        """The numbers so that each task is behind those that it waits for."""
        waits: dict[int, list[int]] = {number: [] for number in range(len(self.items))}
        for condition in self.conditions:
            for before, number in condition.orders:
                waits[number].append(before)
        try:
            return list(TopologicalSorter(waits).static_order())
        except CycleError as error:
            names = [self.items[number].name for number in error.args[1]]
            raise BadProblem(
                f"tasks wait for each other in a circle: {' → '.join(names)}",
                context={"field": self._fields[error.args[1][0]], "tasks": names},
            ) from None


def _of_resources(problem: ScheduleProblem, items: Iterable[Item]) -> list[Condition]:
    used = {name for item in items for mode in item.modes for name in mode}
    found = []
    for name, resource in problem.resources.items():
        if name in used:
            found.append(Condition(text=f"there is {resource.capacity} of {name}", capacity=name))
            if resource.calendar:
                found.append(
                    Condition(
                        text=f"{name} is open only as the calendar {resource.calendar} says",
                        calendar=name,
                    )
                )
    return found


def _check_new(name: str, before: Iterable[str], where: str) -> None:
    if not name or "/" in name:
        raise _bad(where, f"{name!r} is no name: it is not empty, and without /")
    if name in before:
        raise _bad(where, f"there are two of the name {name!r}")


def _bad(where: str, message: str) -> BadProblem:
    return BadProblem(f"{where}: {message}", context={"field": where})
