"""A schedule as a picture: a row for each resource, a bar for each task, a colour for each job."""

from pathlib import Path
from typing import TYPE_CHECKING

from pepperpy_capabilities.pictures.picture import COLOURS, FAINT, INK, picture, shortened
from pepperpy_schemas.resource_plans import Assignment, SchedulePlan

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH = 10.0
_ROW = 0.45  # inches
_MOST_LEGEND = 20
_NOTHING = "(no resource)"


def draw_gantt(plan: SchedulePlan, file: Path) -> None:
    """Draws a schedule; tasks of the critical path have a thick edge.

    Args:
        plan: The schedule.
        file: Where to; ``.svg`` or ``.png``.

    Raises:
        BadName: The suffix is none of a picture.
        BadConfig: The extra ``pictures`` is not installed.
    """
    rows = _rows(plan)
    lanes = [(name, lane) for name, every in rows.items() for lane in every]
    jobs = list(dict.fromkeys(one.job for one in plan.assignments))
    colours = {job: COLOURS[place % len(COLOURS)] for place, job in enumerate(jobs)}
    with picture(file, width=_WIDTH, height=1.4 + _ROW * len(lanes)) as figure:
        axes = figure.add_subplot()
        for place, (_, lane) in enumerate(lanes):
            for one in lane:
                _bar(axes, one, place, colours[one.job], plan.makespan)
        axes.set_yticks(range(len(lanes)), _labels(lanes))
        axes.invert_yaxis()
        axes.set_xlim(0, max(1, plan.makespan))
        when = max(plan.assignments, key=lambda one: one.end).ends
        done = f"{plan.makespan}, {when.replace('T', ' ')}" if when else f"{plan.makespan}"
        axes.set_xlabel(f"time; all is done by {done}")
        axes.grid(visible=True, axis="x", color=FAINT, linewidth=0.5)
        axes.set_axisbelow(True)
        if len(jobs) <= _MOST_LEGEND:
            handles = [
                axes.barh([0], [0], color=colours[job], label=shortened(job, 30)) for job in jobs
            ]
            figure.legend(handles=handles, loc="outside lower center", ncols=min(8, len(jobs)))


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


def _labels(lanes: list[tuple[str, list[Assignment]]]) -> list[str]:
    names = [name for name, _ in lanes]
    return [
        shortened(name, 24) if place == 0 or names[place - 1] != name else ""
        for place, name in enumerate(names)
    ]


def _bar(axes: "Axes", one: Assignment, place: int, colour: str, whole: int) -> None:
    axes.barh(
        [place],
        [one.end - one.start],
        left=one.start,
        height=0.8,
        color=colour,
        edgecolor=INK if one.critical else "white",
        linewidth=1.6 if one.critical else 0.6,
    )
    room = (one.end - one.start) / max(1, whole) * 90  # letters that fit
    if room >= 2:
        axes.text(
            (one.start + one.end) / 2,
            place,
            shortened(one.task, int(room)),
            ha="center",
            va="center",
            fontsize=7,
            color="white",
        )
