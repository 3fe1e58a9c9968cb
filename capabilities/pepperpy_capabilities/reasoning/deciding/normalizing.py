"""Values of different units made comparable: after it, more is better by every criterion.

The formulas are those of the textbooks (Hwang and Yoon, Multiple Attribute Decision Making, 1981;
Triantaphyllou, Multi-criteria Decision Making Methods, 2000). For values x of a criterion:

==========  ==========================  ==========================
            more is better              less is better
==========  ==========================  ==========================
min-max     (x - min) / (max - min)     (max - x) / (max - min)
max         x / max                     min / x
sum         x / Σx                      (1/x) / Σ(1/x)
vector      x / √Σx²                    1 - x / √Σx²
none        x                           -x
==========  ==========================  ==========================

A criterion by which all options are alike cannot tell them apart: with ``min-max`` all are best by
it (1), and zeros stay zeros (0) with ``max``, ``sum`` and ``vector``.
"""

import math
from collections.abc import Callable
from typing import Literal

from pepperpy_capabilities.reasoning.deciding.tableau import Tableau
from pepperpy_schemas.decisions import Criterion, Normalization
from pepperpy_schemas.errors import BadProblem

Column = list[float]


def normalized(tableau: Tableau, how: Normalization) -> list[Column]:
    """Returns the rows of a tableau, comparable, more being better.

    Raises:
        BadProblem: A value is negative, or zero where less is better, and ``max`` or ``sum`` can
            do nothing with it.
    """
    form = _FORMS[how]
    columns: list[Column] = []
    for n, one in enumerate(tableau.criteria):
        column = tableau.column(n)
        if how in ("max", "sum"):
            _check(tableau, column, one, how)
        columns.append(form(column, one.direction))
    return [list(row) for row in zip(*columns, strict=True)]


def _check(tableau: Tableau, column: Column, criterion: Criterion, how: Normalization) -> None:
    least = 0.0 if criterion.direction == "more" else math.ulp(0.0)
    for option, place, value in zip(tableau.options, tableau.places, column, strict=True):
        if value < least:
            wanted = "0 or more" if criterion.direction == "more" else "more than 0"
            raise BadProblem(
                f"{option} has {value:g} for {criterion.name}: normalization {how} divides by it,"
                f" and wants {wanted}",
                hint="use normalization: min-max or vector",
                context={"field": f"options[{place}].values.{criterion.name}"},
            )


Direction = Literal["more", "less"]


def _min_max(column: Column, direction: Direction) -> Column:
    low, high = min(column), max(column)
    if low == high:
        return [1.0] * len(column)
    if direction == "more":
        return [(x - low) / (high - low) for x in column]
    return [(high - x) / (high - low) for x in column]


def _max(column: Column, direction: Direction) -> Column:
    if direction == "more":
        high = max(column)
        return [x / high if high else 0.0 for x in column]
    low = min(column)
    return [low / x for x in column]


def _sum(column: Column, direction: Direction) -> Column:
    # Beside the least one, so that the smallest values have finite inverses.
    amounts = column if direction == "more" else _max(column, direction)
    total = math.fsum(amounts)
    return [x / total if total else 0.0 for x in amounts]


def _vector(column: Column, direction: Direction) -> Column:
    length = math.hypot(*column)
    shares = [x / length if length else 0.0 for x in column]
    return shares if direction == "more" else [1.0 - x for x in shares]


def _none(column: Column, direction: Direction) -> Column:
    return list(column) if direction == "more" else [-x for x in column]


_FORMS: dict[Normalization, Callable[[Column, Direction], Column]] = {
    "min-max": _min_max,
    "max": _max,
    "sum": _sum,
    "vector": _vector,
    "none": _none,
}
