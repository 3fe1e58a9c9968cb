"""A schedule as a picture: a row for each resource, a bar for each task, a colour for each job."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pepperpy_capabilities.pictures.picture import (
    COLOURS,
    FAINT,
    INK,
    picture,
    readable_on,
    shortened,
)
from pepperpy_capabilities.planning.schedule.calendars import Clock, windows
from pepperpy_schemas.resource_plans import Assignment, SchedulePlan, ScheduleProblem

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH = 10.0
_ROW = 0.45  # inches
_MOST_LEGEND = 20
_NOTHING = "(no resource)"
_CLOSED = "#E4E4E4"
_EDGE = 1.6
"""How thick the edge of a critical task is."""


@dataclass(frozen=True, slots=True)
class _Scale:
    """Where a time is on the axis: at its unit, or at its day, as matplotlib counts days.

    Attributes:
        start: Where unit 0 is.
        unit: How long one is.
        dated: Whether it counts days.
    """

    start: float = 0
    unit: float = 1
    dated: bool = False

    @classmethod
    def of(cls, clock: Clock, whole: int) -> "_Scale":
        if clock.start is None or not clock.text(whole):
            return cls()
        from matplotlib.dates import date2num

        first = float(date2num(clock.start))  # type: ignore[no-untyped-call]  # it has no types
        return cls(first, clock.unit / timedelta(days=1), dated=True)

    def at(self, time: float) -> float:
        return self.start + time * self.unit


def draw_gantt(plan: SchedulePlan, problem: ScheduleProblem, file: Path) -> None:
    """Draws a schedule: tasks of the critical path have a thick edge, closed times are grey.

    Args:
        plan: The schedule.
        problem: What it is a schedule of: with a start, the axis has its clock.
        file: Where to; ``.svg`` or ``.png``.

    Raises:
        BadName: The suffix is none of a picture.
        BadConfig: The extra ``pictures`` is not installed.
    """
    rows = _rows(plan)
    lanes = [(name, lane) for name, every in rows.items() for lane in every]
    jobs = list(dict.fromkeys(one.job for one in plan.assignments))
    colours = {job: COLOURS[place % len(COLOURS)] for place, job in enumerate(jobs)}
    clock, whole = Clock.of(problem), max(1, plan.makespan)
    with picture(file, width=_WIDTH, height=1.6 + _ROW * len(lanes)) as figure:
        axes = figure.add_subplot()
        scale = _Scale.of(clock, whole)
        closed = {name: list(_closed(name, problem, clock, whole)) for name in rows}
        for place, (name, lane) in enumerate(lanes):
            for begin, end in closed[name]:
                left, right = scale.at(begin), scale.at(end)
                axes.barh([place], [right - left], left=left, height=1, color=_CLOSED)
            for one in lane:
                _bar(axes, scale, one, place, colours[one.job], whole)
        axes.set_yticks(range(len(lanes)), _labels(lanes))
        axes.set_ylim(len(lanes) - 0.5, -0.5)
        _time_axis(axes, scale, plan)
        _legend(axes, colours, closed=any(closed.values()))


def _rows(plan: SchedulePlan) -> dict[str, list[list[Assignment]]]:
    """The tasks of each resource, in as many lanes as are needed for bars not to overlap."""
    rows: dict[str, list[list[Assignment]]] = {name: [] for name in sorted(plan.load)}
    for one in plan.assignments:
        for name in one.uses or {_NOTHING: 0}:
            lanes = rows.setdefault(name, [])
            free = next((lane for lane in lanes if lane[-1].end <= one.start), None)
            if free is None:
                lanes.append([one])
            else:
                free.append(one)
    return {name: lanes for name, lanes in rows.items() if lanes}


def _closed(
    name: str, problem: ScheduleProblem, clock: Clock, whole: int
) -> Iterator[tuple[int, int]]:
    """The times at which a resource is closed, until the end of the schedule."""
    resource = problem.resources.get(name)
    if resource is None or not resource.calendar:
        return
    last = 0
    for begin, end in windows(
        resource.calendar, problem.calendars[resource.calendar], clock, whole
    ):
        if last < begin:
            yield last, begin
        last = end
    if last < whole:
        yield last, whole


def _labels(lanes: list[tuple[str, list[Assignment]]]) -> list[str]:
    names = [name for name, _ in lanes]
    return [
        shortened(name, 24) if place == 0 or names[place - 1] != name else ""
        for place, name in enumerate(names)
    ]


def _bar(axes: "Axes", scale: _Scale, one: Assignment, place: int, colour: str, whole: int) -> None:
    left, right = scale.at(one.start), scale.at(one.end)
    axes.barh(
        [place],
        [right - left],
        left=left,
        height=0.8,
        color=colour,
        edgecolor=INK if one.critical else "white",
        linewidth=_EDGE if one.critical else 0.6,
    )
    room = (one.end - one.start) / whole * 90  # letters that fit
    if room >= 2:
        axes.text(
            (left + right) / 2,
            place,
            shortened(one.task, int(room)),
            ha="center",
            va="center",
            fontsize=7,
            color=readable_on(colour),
        )


def _time_axis(axes: "Axes", scale: _Scale, plan: SchedulePlan) -> None:
    axes.set_xlim(scale.at(0), scale.at(max(1, plan.makespan)))
    if scale.dated:
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

        days = ["", "%Y", "%Y-%m", "%Y-%m-%d", "%Y-%m-%d", "%Y-%m-%d"]
        where = AutoDateLocator()  # type: ignore[no-untyped-call]  # it has no types
        words = ConciseDateFormatter(where, offset_formats=days)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(where)
        axes.xaxis.set_major_formatter(words)
    when = max(plan.assignments, key=lambda one: one.end).ends
    done = f"{plan.makespan}, {when.replace('T', ' ')}" if when else f"{plan.makespan}"
    axes.set_xlabel(f"time; all is done by {done}")
    axes.grid(visible=True, axis="x", color=FAINT, linewidth=0.5)
    axes.set_axisbelow(True)


def _legend(axes: "Axes", colours: dict[str, str], *, closed: bool) -> None:
    from matplotlib.patches import Patch

    few = colours if len(colours) <= _MOST_LEGEND else {}
    handles = [Patch(color=colour, label=shortened(job, 30)) for job, colour in few.items()]
    handles.append(
        Patch(facecolor="white", edgecolor=INK, linewidth=_EDGE, label="the end depends on it")
    )
    if closed:
        handles.append(Patch(color=_CLOSED, label="closed"))
    axes.figure.legend(handles=handles, loc="outside lower center", ncols=min(8, len(handles)))
