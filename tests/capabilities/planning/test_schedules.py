"""Schedules: as short as they are known to be, within what there is, and each task has a reason."""

import time
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pepperpy_capabilities.planning.schedule.calendars import Clock, windows
from pepperpy_capabilities.planning.schedule.conflicts import conflict
from pepperpy_capabilities.planning.schedule.gantt import draw_gantt
from pepperpy_capabilities.planning.schedule.model import Placed, solve_model
from pepperpy_capabilities.planning.schedule.planner import SchedulePlanner
from pepperpy_capabilities.planning.schedule.resolving import resolve
from pepperpy_capabilities.planning.schedule.shop import Condition, Shop
from pepperpy_capabilities.planning.schedule.solving import solve
from pepperpy_capabilities.planning.schedule.tightening import tightened
from pepperpy_capabilities.planning.schedule.windows import common, earliest, merged
from pepperpy_schemas.errors import BadProblem, Infeasible, TooBig, TooLong
from pepperpy_schemas.resource_plans import (
    MAX_TASKS,
    CalendarSpec,
    JobSpec,
    ResourceSpec,
    SchedulePlan,
    ScheduleProblem,
    TaskSpec,
)
from tests.capabilities.planning.planning import job_shop, solved

END = 1e12  # long after the monotonic clock's now


def planned(problem: ScheduleProblem) -> SchedulePlan:
    """Plans here, without a process; and looks at the schedule as the problem says it."""
    plan = solve(time.monotonic() + 60, problem, problem.seconds)
    check(problem, plan)
    return plan


def check(problem: ScheduleProblem, plan: SchedulePlan) -> None:
    """Finds what a schedule does that it may not."""
    placed = {f"{one.job}/{one.task}": one for one in plan.assignments}
    clock = Clock.of(problem)
    opened = {
        name: windows(one.calendar, problem.calendars[one.calendar], clock, 10_000)
        for name, one in problem.resources.items()
        if one.calendar
    }
    for job in problem.jobs:
        before = 0
        for task in job.tasks:
            one = placed[f"{job.name}/{task.name}"]
            assert one.start >= max(task.release, job.release, before if job.ordered else 0)
            before = one.end
            assert all(
                placed[other if "/" in other else f"{job.name}/{other}"].end <= one.start
                for other in task.after
            )
            for limit in (task.deadline, job.deadline):
                assert limit is None or one.end <= limit
            hours = common([opened[name] for name in one.uses if name in opened])
            span = one.end - one.start
            if hours is None or not task.pausing:
                assert span == task.duration
            if hours is not None and task.duration:
                inside = sum(max(0, min(one.end, b) - max(one.start, a)) for a, b in hours)
                assert inside == task.duration
            assert all(one.uses[name] >= amount for name, amount in task.uses.items())
            assert len(task.one_of) == 0 or any(name in one.uses for name in task.one_of)
    for name, resource in problem.resources.items():
        for moment in {one.start for one in plan.assignments}:
            used = [
                one.uses.get(name, 0) for one in plan.assignments if one.start <= moment < one.end
            ]
            assert sum(used) <= resource.capacity, (name, moment)
    assert plan.makespan == max(one.end for one in plan.assignments)


def times(plan: SchedulePlan) -> dict[str, tuple[int, int]]:
    return {f"{one.job}/{one.task}": (one.start, one.end) for one in plan.assignments}


def job(name: str, *tasks: TaskSpec, **options: object) -> JobSpec:
    return JobSpec(name=name, tasks=list(tasks), **options)  # type: ignore[arg-type]


def task(name: str, duration: int, *uses: str, **options: object) -> TaskSpec:
    return TaskSpec(
        name=name,
        duration=duration,
        uses=dict.fromkeys(uses, 1),
        **options,  # type: ignore[arg-type]
    )


# Muth and Thompson (1963), Lawrence (1984), with the least makespans that are proved.
@pytest.mark.parametrize(("name", "makespan"), [("ft06", 55), ("la01", 666)])
def test_public_job_shops_are_done_when_it_is_known_that_they_can_be(
    name: str, makespan: int
) -> None:
    plan = planned(job_shop(name))
    assert (plan.makespan, plan.bound, plan.optimal) == (makespan, makespan, True)


def test_the_critical_path_is_a_chain_without_a_gap_from_the_beginning_to_the_end() -> None:
    plan = planned(job_shop("ft06"))
    at = times(plan)
    chain = [at[step.task] for step in plan.critical]
    assert chain[0][0] == 0
    assert chain[-1][1] == plan.makespan
    assert all(one[1] == two[0] for one, two in pairwise(chain))
    critical = {f"{one.job}/{one.task}" for one in plan.assignments if one.critical}
    assert critical == {step.task for step in plan.critical}
    assert f"{plan.critical[0].task} waits for nothing" in plan.explanation


def test_the_weights_of_jobs_decide_which_is_late() -> None:
    jobs = [
        job("slow", task("t", 4, "press"), due=4),
        job("dear", task("t", 3, "press"), due=3, weight=5),
    ]
    problem = ScheduleProblem(jobs=jobs, resources={"press": ResourceSpec()}, objective="lateness")
    plan = planned(problem)
    assert times(plan) == {"dear/t": (0, 3), "slow/t": (3, 7)}
    assert (plan.late, plan.lateness, plan.bound) == ({"slow": 3}, 3, 3)
    assert "Late: slow by 3" in plan.explanation


def test_nothing_is_late_where_nothing_must_be() -> None:
    plan = planned(
        ScheduleProblem(
            jobs=[job("a", task("t", 4), due=9)],
            objective="lateness",
        )
    )
    assert (plan.late, plan.lateness) == ({}, 0)
    assert "Nothing is late." in plan.explanation


def test_a_resource_of_which_there_is_more_serves_several_at_once() -> None:
    # 3 + 2 do not fit into 4, 2 + 2 do.
    tasks = [
        TaskSpec(name=name, duration=5, uses={"watt": watts})
        for name, watts in (("a", 3), ("b", 2), ("c", 2))
    ]
    plan = planned(
        ScheduleProblem(
            jobs=[job("wash", *tasks, ordered=False)], resources={"watt": ResourceSpec(capacity=4)}
        )
    )
    assert plan.makespan == 10
    assert plan.load == {"watt": 35 / 40}


def test_tasks_go_to_whichever_of_some_is_free() -> None:
    tasks = [TaskSpec(name=f"t{n}", duration=4, one_of=["ann", "bob"]) for n in range(3)]
    problem = ScheduleProblem(
        jobs=[job("calls", *tasks, ordered=False)],
        resources={"ann": ResourceSpec(), "bob": ResourceSpec()},
    )
    plan = planned(problem)
    assert plan.makespan == 8
    assert {name for one in plan.assignments for name in one.uses} == {"ann", "bob"}


WEEK = CalendarSpec(
    weekly={"mon": ["09:00-12:00", "13:00-17:00"], "tue": ["09:00-17:00"], "wed": ["09:00-17:00"]},
    closed=["2026-12-01"],
)
"""Tuesday is the first of December."""


def in_that_week(*tasks: TaskSpec, calendar: CalendarSpec = WEEK) -> ScheduleProblem:
    """Tasks one after the other, from Monday at eight on; ann works by the calendar."""
    return ScheduleProblem(
        jobs=[job("a", *tasks)],
        resources={"ann": ResourceSpec(calendar="week")},
        calendars={"week": calendar},
        start="2026-11-30T08:00",
    )


def test_a_task_in_one_go_waits_for_hours_that_are_long_enough() -> None:
    problem = in_that_week(task("t", 4, "ann"), task("u", 4, "ann"))
    plan = planned(problem)
    # Not before noon, which is three hours; on Tuesday nobody is there; Wednesday, 9:00.
    assert times(plan) == {"a/t": (5, 9), "a/u": (49, 53)}
    assert plan.assignments[1].starts == "2026-12-02T09:00"
    assert plan.assignments[1].ends == "2026-12-02T13:00"
    assert [step.waits_for for step in plan.critical] == [
        "ann to open",
        "ann to open, after a/t",
    ]


def test_a_task_that_pauses_goes_on_when_its_resource_is_open_again() -> None:
    problem = in_that_week(task("t", 8, "ann", pausing=True), task("u", 1))
    # Three hours before noon, four after, the last on Wednesday.
    assert times(planned(problem)) == {"a/t": (1, 50), "a/u": (50, 51)}


def test_a_task_that_needs_two_works_while_both_are_open() -> None:
    problem = ScheduleProblem(
        jobs=[job("a", task("t", 3, "ann", "room"))],
        resources={"ann": ResourceSpec(calendar="early"), "room": ResourceSpec(calendar="late")},
        calendars={
            "early": CalendarSpec(open=[(0, 6), (20, 30)]),
            "late": CalendarSpec(open=[(4, 12), (18, 24)]),
        },
    )
    assert times(planned(problem)) == {"a/t": (20, 23)}


def test_deadlines_that_exclude_each_other_are_named_and_no_others() -> None:
    problem = ScheduleProblem(
        jobs=[
            job("a", task("t", 3, "press"), deadline=4),
            job("b", task("t", 3, "press"), deadline=5),
            job("c", task("t", 3, "saw"), deadline=5),
        ],
        resources={"press": ResourceSpec(), "saw": ResourceSpec()},
    )
    with pytest.raises(Infeasible, match="there is no schedule") as raised:
        planned(problem)
    assert raised.value.context == {
        "conflicts": ["a is done by 4", "b is done by 5", "there is 1 of press"],
        "minimal": True,
    }


def test_hours_that_are_too_short_for_a_task_are_named() -> None:
    problem = in_that_week(task("t", 9, "ann"))
    with pytest.raises(Infeasible) as raised:
        planned(problem)
    assert raised.value.context["conflicts"] == ["ann is open only as the calendar week says"]


def test_more_than_there_is_of_a_resource_is_named() -> None:
    one = TaskSpec(name="t", duration=2, uses={"ann": 3})
    problem = ScheduleProblem(jobs=[job("a", one)], resources={"ann": ResourceSpec(capacity=2)})
    with pytest.raises(Infeasible) as raised:
        planned(problem)
    assert raised.value.context["conflicts"] == ["there is 2 of ann"]


def test_time_that_is_over_is_no_proof() -> None:
    with pytest.raises(TooLong, match="whether there is one is not known"):
        solve(time.monotonic(), job_shop("la01"), 10)


def test_a_conflict_that_there_was_no_time_to_make_small_says_so() -> None:
    made = resolve(job_shop("ft06"))
    texts, minimal = conflict(made, seed=0, end=time.monotonic())
    assert texts
    assert not minimal


def test_a_task_without_duration_is_in_nobodys_way() -> None:
    problem = ScheduleProblem(
        jobs=[job("a", task("t", 4, "press")), job("b", task("mark", 0, "press"), task("u", 4))],
        resources={"press": ResourceSpec()},
    )
    assert planned(problem).makespan == 4


CIRCLE = [task("x", 1, after=["z"]), task("y", 1, after=["x"]), task("z", 1, after=["y"])]


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"jobs": []}, "jobs"),
        ({"jobs": [job("a")]}, "jobs"),
        ({"jobs": [job("a", task("t", 1)), job("a", task("t", 1))]}, "jobs[1]"),
        ({"jobs": [job("a", task("t", 1), task("t", 1))]}, "jobs[0].tasks[1]"),
        ({"jobs": [job("a/b", task("t", 1))]}, "jobs[0]"),
        ({"jobs": [job("a", task("t", 1, "gone"))]}, "jobs[0].tasks[0]"),
        ({"jobs": [job("a", task("t", 1, after=["gone"]))]}, "jobs[0].tasks[0].after"),
        ({"jobs": [job("a", *CIRCLE, ordered=False)]}, "jobs[0].tasks[0]"),
        ({"resources": {"press": ResourceSpec(calendar="gone")}}, "resources.press"),
        ({"start": "tomorrow"}, "start"),
        ({"start": "2026-11-30T08:00+01:00"}, "start"),
        ({"unit": "soon"}, "unit"),
        ({"unit": "1ms"}, "unit"),
    ],
)
def test_a_wrong_field_is_named(changed: dict[str, object], field: str) -> None:
    values = {"jobs": [job("a", task("t", 1, "press"))], "resources": {"press": ResourceSpec()}}
    with pytest.raises(BadProblem) as raised:
        planned(ScheduleProblem(**{**values, **changed}))  # type: ignore[arg-type]
    assert raised.value.context["field"] == field


@pytest.mark.parametrize(
    ("calendar", "field"),
    [
        (CalendarSpec(open=[(4, 4)]), "calendars.week.open[0]"),
        (CalendarSpec(open=[(0, 4)], weekly={"mon": ["09:00-10:00"]}), "calendars.week"),
        (CalendarSpec(weekly={"mon": ["9-10"]}), "calendars.week.weekly.mon"),
        (CalendarSpec(weekly={"mon": ["25:00-26:00"]}), "calendars.week.weekly.mon"),
        (CalendarSpec(weekly={"mon": ["10:00-09:00"]}), "calendars.week.weekly.mon"),
        (CalendarSpec(weekly={"mon": []}, closed=["Christmas"]), "calendars.week.closed[0]"),
    ],
)
def test_a_calendar_that_cannot_be_read_is_named(calendar: CalendarSpec, field: str) -> None:
    problem = in_that_week(task("t", 1, "ann"), calendar=calendar)
    with pytest.raises(BadProblem) as raised:
        planned(problem)
    assert raised.value.context["field"] == field


def test_days_of_the_week_need_to_know_which_day_it_is() -> None:
    problem = ScheduleProblem(
        jobs=[job("a", task("t", 1, "ann"))],
        resources={"ann": ResourceSpec(calendar="week")},
        calendars={"week": WEEK},
    )
    with pytest.raises(BadProblem, match="need the problem's start"):
        planned(problem)


def test_tasks_in_a_circle_are_named_in_their_order() -> None:
    with pytest.raises(BadProblem, match=r"circle: a/[xyz] → ") as raised:
        planned(ScheduleProblem(jobs=[job("a", *CIRCLE, ordered=False)]))
    assert set(raised.value.context["tasks"]) == {"a/x", "a/y", "a/z"}


def test_too_many_tasks_are_refused_before_anything_is_done() -> None:
    tasks = [task(f"t{n}", 1) for n in range(MAX_TASKS + 1)]
    with pytest.raises(TooBig):
        solve(END, ScheduleProblem(jobs=[job("a", *tasks)]), 10)


def test_a_schedule_is_drawn_with_a_row_for_each_resource(tmp_path: Path) -> None:
    plan = solved(SchedulePlanner(), job_shop("ft06"))
    draw_gantt(plan, job_shop("ft06"), tmp_path / "gantt.svg")
    text = (tmp_path / "gantt.svg").read_text()
    assert all(f">m{n}<" in text for n in range(6))
    assert all(f">j{n}<" in text for n in range(6))
    assert ">20<" in text
    assert ">the end depends on it<" in text
    assert ">closed<" not in text
    draw_gantt(plan, job_shop("ft06"), tmp_path / "gantt.png")
    assert (tmp_path / "gantt.png").read_bytes().startswith(b"\x89PNG")


def test_a_schedule_with_a_start_is_drawn_by_the_clock_with_what_is_closed(tmp_path: Path) -> None:
    problem = in_that_week(task("t", 2, "ann"), task("rest", 1))
    draw_gantt(planned(problem), problem, tmp_path / "dated.svg")
    text = (tmp_path / "dated.svg").read_text()
    assert "all is done by 4, 2026-11-30 12:00" in text
    assert all(f">{hour}:00<" in text for hour in ("09", "10", "11"))
    assert ">2026-11-30<" in text
    assert ">closed<" in text


some_windows = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 8)), max_size=5).map(
    lambda given: merged([(begin, begin + length) for begin, length in given], 40)
)


@given(some_windows, some_windows)
def test_what_is_common_is_open_in_both(
    left: tuple[tuple[int, int], ...], right: tuple[tuple[int, int], ...]
) -> None:
    def hours(found: tuple[tuple[int, int], ...]) -> set[int]:
        return {hour for begin, close in found for hour in range(begin, close)}

    both = common([left, right])
    assert both is not None
    assert hours(both) == hours(left) & hours(right)


@given(some_windows, st.integers(0, 40), st.integers(1, 10), st.booleans())
def test_the_earliest_time_is_the_first_that_trying_all_finds(
    found: tuple[tuple[int, int], ...], release: int, duration: int, pausing: bool
) -> None:
    open_hours = [hour for begin, close in found for hour in range(begin, close)]
    expected = None
    for start in open_hours:
        after = [hour for hour in open_hours if hour >= start][:duration]
        if start < release or len(after) < duration:
            continue
        if pausing or after[-1] - start == duration - 1:
            expected = start, after[-1] + 1
            break
    assert earliest(found, release, duration, pausing=pausing) == expected


@st.composite
def problems(draw: st.DrawFn) -> ScheduleProblem:
    """Small problems with everything in them."""
    names = ["a", "b"]
    jobs = []
    for number in range(draw(st.integers(1, 3))):
        tasks = []
        for place in range(draw(st.integers(1, 3))):
            tasks.append(
                TaskSpec(
                    name=f"t{place}",
                    duration=draw(st.integers(0, 4)),
                    uses=draw(st.dictionaries(st.sampled_from(names), st.integers(1, 2))),
                    one_of=draw(st.sampled_from([[], [], ["a", "b"]])),
                    release=draw(st.integers(0, 3)),
                    deadline=draw(st.sampled_from([None, None, 8, 14])),
                    pausing=draw(st.booleans()),
                )
            )
        jobs.append(
            JobSpec(
                name=f"j{number}",
                tasks=tasks,
                ordered=draw(st.booleans()),
                due=draw(st.sampled_from([None, 3, 6])),
            )
        )
    calendar = draw(st.sampled_from(["", "open"]))
    hours = [(2 * n + n // 2, 2 * n + n // 2 + 2) for n in range(30)]
    return ScheduleProblem(
        jobs=jobs,
        resources={"a": ResourceSpec(capacity=3), "b": ResourceSpec(capacity=2, calendar=calendar)},
        calendars={"open": CalendarSpec(open=hours)},
        objective=draw(st.sampled_from(["makespan", "lateness"])),
    )


@given(problems())
@settings(max_examples=40, deadline=None)
def test_every_schedule_meets_all_conditions_and_every_conflict_needs_all_of_its_own(
    problem: ScheduleProblem,
) -> None:
    try:
        plan = planned(problem)
    except Infeasible as error:
        needs_all(resolve(problem), error)
    else:
        assert plan.optimal
        assert plan.critical[-1].task in times(plan)


def needs_all(made: Shop, error: Infeasible) -> None:
    """Looks whether the conflict is one, and none any more without any of its conditions."""

    def possible(conditions: list[Condition]) -> bool:
        found = solve_model(made, conditions, "none", seed=0, end=time.monotonic() + 60)
        return found.status != "infeasible"

    texts = error.context["conflicts"]
    conflicting = [one for one in made.conditions if one.text in texts]
    assert error.context["minimal"]
    assert not possible(conflicting)
    for one in conflicting:
        assert possible([other for other in conflicting if other is not one])


@pytest.mark.parametrize(
    ("problem", "ends"),
    [
        # The machine must be idle at first, so that all ends later than one by one.
        (
            ScheduleProblem(
                jobs=[
                    job("a", task("t", 10, "m")),
                    job("b", task("t", 100, "m")),
                    job("r", task("t", 5, "m", release=5, deadline=10)),
                ],
                resources={"m": ResourceSpec()},
            ),
            120,
        ),
        # The same by what it costs to be late.
        (
            ScheduleProblem(
                jobs=[
                    job("a", task("t", 10, "m")),
                    job("b", task("t", 100, "m")),
                    job("r", task("t", 5, "m", release=5), due=10),
                ],
                resources={"m": ResourceSpec()},
                objective="lateness",
            ),
            120,
        ),
        # The long task waits for the next opening, as the short one has to be in the first.
        (
            ScheduleProblem(
                jobs=[job("b", task("t", 3, "m")), job("a", task("t", 1, "m", deadline=1))],
                resources={"m": ResourceSpec(calendar="c")},
                calendars={"c": CalendarSpec(open=[(0, 3), (10, 13)])},
            ),
            13,
        ),
        # There is too little of the resource that is open first.
        (
            ScheduleProblem(
                jobs=[job("j", task("t", 5, "m", one_of=["m", "n"]))],
                resources={"m": ResourceSpec(), "n": ResourceSpec(calendar="c")},
                calendars={"c": CalendarSpec(open=[(100, 110)])},
            ),
            105,
        ),
    ],
)
def test_schedules_that_end_after_the_tasks_would_one_by_one_are_found(
    problem: ScheduleProblem, ends: int
) -> None:
    plan = planned(problem)
    assert (plan.makespan, plan.optimal, plan.lateness) == (ends, True, 0)


def test_many_tasks_are_drawn_together_in_a_few_steps_each() -> None:
    count = 1000
    problem = ScheduleProblem(
        jobs=[job(f"j{n}", task("t", 1 + n % 3, "m")) for n in range(count)],
        resources={"m": ResourceSpec(capacity=2)},
    )
    made = resolve(problem)
    apart = [Placed(n * 7, n * 7 + one.duration, one.modes[0]) for n, one in enumerate(made.items)]
    found = tightened(made, apart)
    changes = {one.start for one in found} | {one.end for one in found}
    assert all(sum(one.start <= t < one.end for one in found) <= 2 for t in changes)
    assert max(one.end for one in found) == 1000  # two at a time: 1999 units of work
