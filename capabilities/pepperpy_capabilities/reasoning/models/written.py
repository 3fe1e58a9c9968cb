"""Translations for solvers as a model writes them."""

from typing import Annotated, Any

import msgspec

Wanted = Annotated[
    list[Annotated[str, msgspec.Meta(min_length=1, max_length=100)]], msgspec.Meta(max_length=50)
]


class WrittenRules(msgspec.Struct, frozen=True, kw_only=True):
    """A logic program.

    Attributes:
        rules: Facts and rules, each with a point behind it.
        query: Conditions, parted by commas.
        wanted: The variables of the query that are asked for; none if it is asked whether.
    """

    rules: Annotated[str, msgspec.Meta(max_length=100_000)]
    query: Annotated[str, msgspec.Meta(min_length=1, max_length=4000)]
    wanted: Wanted


class WrittenConstraints(msgspec.Struct, frozen=True, kw_only=True):
    """A constraint problem.

    Attributes:
        problem: Variables, constraints, and what shall be minimized or maximized.
        wanted: The variables that are asked for.
    """

    problem: dict[str, Any]
    wanted: Wanted
