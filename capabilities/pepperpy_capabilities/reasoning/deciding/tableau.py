"""A decision problem as numbers: looked through once, so that the methods need not doubt them."""

import math
from dataclasses import dataclass

from pepperpy_schemas.decisions import Criterion, DecisionProblem, Option
from pepperpy_schemas.errors import BadProblem

LARGEST = 1e100
"""The largest amount of a value or weight: the squares of a thousand of them are finite."""


@dataclass(frozen=True, slots=True)
class Tableau:
    """Options by criteria.

    Attributes:
        criteria: The criteria, by which the columns are.
        options: The names of the rows.
        places: Which of the problem's options they are.
        values: A row for each option.
        weights: The criteria's shares of all weights; they add up to 1.
        left_out: Options that are no rows, as a value of them is not known.
        assumed: Of which options which criteria's values stand for unknown ones.
    """

    criteria: list[Criterion]
    options: list[str]
    places: list[int]
    values: list[list[float]]
    weights: list[float]
    left_out: list[str]
    assumed: dict[str, list[str]]

    def column(self, n: int) -> list[float]:
        """Returns the values of a criterion."""
        return [row[n] for row in self.values]

    def oriented(self) -> list[list[float]]:
        """Returns the values with those negated of which less is better."""
        signs = [1.0 if one.direction == "more" else -1.0 for one in self.criteria]
        return [[sign * x for sign, x in zip(signs, row, strict=True)] for row in self.values]


def tableau(problem: DecisionProblem) -> Tableau:
    """Returns a problem as numbers.

    Raises:
        BadProblem: A name is there twice, a value or weight is missing, infinite or negative, or
            all weights are zero; the context names the field.
    """
    _check_names(problem)
    weights = _shares(problem.criteria)
    _check_values(problem)
    gaps = {
        n: gaps
        for n, option in enumerate(problem.options)
        if (gaps := [one.name for one in problem.criteria if option.values.get(one.name) is None])
    }
    if gaps and problem.missing == "refuse":
        n, criteria = next(iter(gaps.items()))
        raise BadProblem(
            f"{problem.options[n].name} has no value for {criteria[0]}",
            hint="give it, or say what shall be done: missing: worst or leave-out",
            context={"field": f"options[{n}].values"},
        )
    out = set(gaps) if problem.missing == "leave-out" else set()
    places = [n for n in range(len(problem.options)) if n not in out]
    if not places:
        raise BadProblem(
            "every option lacks a value, so that none is left", context={"field": "options"}
        )
    options = [problem.options[n] for n in places]
    return Tableau(
        criteria=problem.criteria,
        options=[option.name for option in options],
        places=places,
        values=_rows(problem.criteria, options),
        weights=weights,
        left_out=[problem.options[n].name for n in sorted(out)],
        assumed={problem.options[n].name: names for n, names in gaps.items() if n not in out},
    )


def _check_names(problem: DecisionProblem) -> None:
    for field, names in (
        ("criteria", [one.name for one in problem.criteria]),
        ("options", [one.name for one in problem.options]),
    ):
        seen: set[str] = set()
        for n, name in enumerate(names):
            if name in seen:
                raise BadProblem(f"{name} is there twice", context={"field": f"{field}[{n}]"})
            seen.add(name)


def _shares(criteria: list[Criterion]) -> list[float]:
    for n, one in enumerate(criteria):
        if not 0 <= one.weight <= LARGEST:  # false for NaN, too
            raise BadProblem(
                f"the weight of {one.name} is {one.weight:g}, and must be 0 to {LARGEST:g}",
                hint="a criterion that counts against an option has the direction: less",
                context={"field": f"criteria[{n}].weight"},
            )
    total = math.fsum(one.weight for one in criteria)
    if not total:
        raise BadProblem("all weights are zero", context={"field": "criteria"})
    return [one.weight / total for one in criteria]


def _check_values(problem: DecisionProblem) -> None:
    known = {one.name for one in problem.criteria}
    for n, option in enumerate(problem.options):
        for criterion, value in option.values.items():
            field = {"field": f"options[{n}].values.{criterion}"}
            if criterion not in known:
                raise BadProblem(
                    f"{option.name} has a value for {criterion}, which is no criterion",
                    hint=f"criteria: {', '.join(sorted(known)[:10])}",
                    context=field,
                )
            if value is not None and not abs(value) <= LARGEST:
                raise BadProblem(
                    f"{option.name} has {value} for {criterion}, which is no number to count with",
                    hint="leave out what is not known",
                    context=field,
                )


def _rows(criteria: list[Criterion], options: list[Option]) -> list[list[float]]:
    """The values, with the worst of a column where one is not known."""
    columns: list[list[float]] = []
    for n, one in enumerate(criteria):
        given = [option.values.get(one.name) for option in options]
        known = [value for value in given if value is not None]
        if not known:
            raise BadProblem(
                f"no option has a value for {one.name}", context={"field": f"criteria[{n}]"}
            )
        worst = min(known) if one.direction == "more" else max(known)
        columns.append([worst if value is None else value for value in given])
    return [list(row) for row in zip(*columns, strict=True)]
