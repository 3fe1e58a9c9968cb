"""A decision as a picture: options by the two criteria that count most, and the Pareto front."""

from pathlib import Path
from typing import TYPE_CHECKING

from pepperpy_capabilities.pictures.picture import COLOURS, FAINT, INK, picture, shortened
from pepperpy_schemas.decisions import Criterion, Decision, DecisionProblem

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NAMED = 40  # most options with their names beside them

Points = dict[str, tuple[float, float]]


def draw_decision(problem: DecisionProblem, answer: Decision, file: Path) -> None:
    """Draws the options of a decision; those that nothing dominates are dark, the winner is a star.

    The axes are the two criteria with the largest weights; with one criterion, it and the place.
    With two criteria a line shows what they leave to choose from.

    Args:
        problem: The decision that was to be made.
        answer: How it was made.
        file: Where to; ``.svg`` or ``.png``.

    Raises:
        BadName: The suffix is none of a picture.
        BadConfig: The extra ``pictures`` is not installed.
    """
    axes_of = sorted(problem.criteria, key=lambda one: -one.weight)[:2]
    points = _points(problem, answer, axes_of)
    front = {one.option for one in answer.ranking if one.front == 1}
    winners = {*answer.best} if answer.method != "pareto" else set()
    with picture(file, width=8.0, height=5.5) as figure:
        axes = figure.add_subplot()
        for best, options in (
            (False, [name for name in points if name not in front | winners]),
            (True, [name for name in points if name in front and name not in winners]),
        ):
            _marks(axes, points, options, "o", COLOURS[0] if best else FAINT)
        _marks(axes, points, [name for name in points if name in winners], "*", COLOURS[5])
        if len(problem.criteria) == 2:
            _line(axes, [points[name] for name in points if name in front], axes_of)
        if len(points) <= _NAMED:
            for name, point in points.items():
                axes.annotate(
                    shortened(name, 24),
                    point,
                    xytext=(5, 5),
                    textcoords="offset points",
                    fontsize=8,
                )
        axes.set_xlabel(_label(axes_of[0]))
        axes.set_ylabel(_label(axes_of[1]) if len(axes_of) > 1 else "place")
        axes.grid(visible=True, color=FAINT, linewidth=0.4)
        axes.set_axisbelow(True)
        axes.set_title(_title(answer, len(front)), fontsize=10)


def _points(problem: DecisionProblem, answer: Decision, axes_of: list[Criterion]) -> Points:
    """Where options are; one whose value is not known has no place."""
    ranks = {one.option: one.rank for one in answer.ranking}
    points: Points = {}
    for option in problem.options:
        known = [option.values.get(one.name) for one in axes_of]
        values = [value for value in known if value is not None]
        if option.name in ranks and len(values) == len(axes_of):
            x, y = values if len(values) == 2 else (values[0], float(ranks[option.name]))
            points[option.name] = (x, y)
    return points


def _marks(axes: "Axes", points: Points, names: list[str], marker: str, colour: str) -> None:
    axes.scatter(
        [points[name][0] for name in names],
        [points[name][1] for name in names],
        s=160 if marker == "*" else 36,
        marker=marker,
        color=colour,
        edgecolors=INK,
        linewidths=0.5,
        zorder=3,
    )


def _line(axes: "Axes", front: list[tuple[float, float]], axes_of: list[Criterion]) -> None:
    """Steps along the front: what lies behind them is dominated."""
    # From the best x on: each step keeps its y until the next option, worse by x, has a better one.
    ordered = sorted(front, reverse=axes_of[0].direction == "more")
    axes.step(
        [x for x, _ in ordered],
        [y for _, y in ordered],
        where="post",
        color=COLOURS[0],
        linewidth=1,
        zorder=2,
    )


def _label(criterion: Criterion) -> str:
    unit = f" [{criterion.unit}]" if criterion.unit else ""
    return f"{shortened(criterion.name)}{unit}: {criterion.direction} is better"


def _title(answer: Decision, front: int) -> str:
    told = f"{front} of {len(answer.ranking)} on the Pareto front"
    if answer.method == "pareto":
        return told
    return f"{shortened(', '.join(answer.best), 60)} by {answer.method}; {told}"
