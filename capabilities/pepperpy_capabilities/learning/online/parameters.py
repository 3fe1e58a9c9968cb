"""Parameters of learners as data: what each may be, checked before River sees it."""

import math
from collections.abc import Mapping
from typing import Any

import msgspec

from pepperpy_schemas.errors import BadProblem


class Parameter(msgspec.Struct, frozen=True):
    """A parameter of a learner or a detector.

    Attributes:
        default: Its value where none is given; its type is the parameter's.
        least: The least value of a number.
        most: The largest value of a number.
        words: The values that a text may have.
    """

    default: bool | int | float | str
    least: float = -math.inf
    most: float = math.inf
    words: tuple[str, ...] = ()

    def problem(self, value: Any) -> str:
        """Returns what is wrong with a value, or nothing."""
        if self.words:
            return "" if value in self.words else f"is none of {', '.join(self.words)}"
        if isinstance(self.default, bool):
            return "" if isinstance(value, bool) else "is not true or false"
        whole = isinstance(self.default, int)
        fits = isinstance(value, int) or (isinstance(value, float) and not whole)
        if isinstance(value, bool) or not fits or not math.isfinite(value):
            return "is no whole number" if whole else "is no number"
        if not self.least <= value <= self.most:
            return f"is not between {self.least:g} and {self.most:g}"
        return ""


def checked(
    what: str, known: Mapping[str, Parameter], given: Mapping[str, Any], *, field: str
) -> dict[str, Any]:
    """Returns all parameters, with their defaults where none are given.

    Args:
        what: Whose they are, for errors.
        known: All there are.
        given: Those that are given.
        field: Where in the request they are.

    Raises:
        BadProblem: One of them is unknown, or has a value that it may not have.
    """
    for name, value in given.items():
        if name not in known:
            raise BadProblem(
                f"{what} has no parameter {name!r:.80}",
                hint=f"it has: {', '.join(known)}" if known else "it has none",
                context={"field": f"{field}.{name:.80}"},
            )
        if wrong := known[name].problem(value):
            raise BadProblem(
                f"{name} of {what} is {value!r:.80}, which {wrong}",
                context={"field": f"{field}.{name}"},
            )
    return {name: given.get(name, one.default) for name, one in known.items()}
