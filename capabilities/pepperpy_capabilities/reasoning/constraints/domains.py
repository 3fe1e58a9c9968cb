"""The bounds of variables, looked through."""

from pepperpy_schemas.constraints import LARGEST, IntervalVariable, IntVariable
from pepperpy_schemas.errors import BadProblem, TooBig, Unbounded


def bounds(variable: IntVariable | IntervalVariable, place: str) -> tuple[int, int]:
    """Returns the least and the largest that a variable may be.

    Raises:
        Unbounded: One of them is not said.
        BadProblem: There is nothing between them.
        TooBig: One is beyond what may be counted with.
    """
    low, high = variable.low, variable.high
    if low is None or high is None:
        raise Unbounded(
            f"{place} has no {'low' if low is None else 'high'}", context={"field": place}
        )
    check_sizes([low, high], place)
    if low > high:
        raise BadProblem(f"{place} has low {low} above high {high}", context={"field": place})
    return low, high


def check_sizes(values: list[int], place: str) -> None:
    """Looks whether numbers may be counted with.

    Raises:
        TooBig: One is beyond what may be.
    """
    if too := [value for value in values if abs(value) > LARGEST]:
        raise TooBig(f"{place}: {too[0]} is beyond {LARGEST:,}", context={"field": place})


def sizes(variable: IntervalVariable, place: str) -> tuple[int, int]:
    """Returns the least and the largest size of an interval.

    Raises:
        BadProblem: It has no room between its bounds.
    """
    low, high = bounds(variable, place)
    least = variable.size
    most = least if variable.max_size is None else variable.max_size
    check_sizes([least, most], place)
    if not 0 <= least <= most or least > high - low:
        raise BadProblem(
            f"{place} has no room: {least} to {most} long, between {low} and {high}",
            context={"field": place},
        )
    return least, most
