"""The parts of a pattern with the records that each can be."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pepperpy_bus.where import Predicate, compile_where, names_in
from pepperpy_capabilities.reasoning.patterns.moments import seconds
from pepperpy_capabilities.reasoning.patterns.shapes import Key, Value, Values, shape
from pepperpy_schemas.errors import BadPayload, BadProblem
from pepperpy_schemas.patterns import Part

VARIABLES = "vars"
"""How the condition of a part names the variables."""


class Candidate(NamedTuple):
    """A record that can be a part.

    Attributes:
        position: Its place in the order in which records are looked at.
        record: It.
        values: What the part's variables stand for in it.
    """

    position: int
    record: Mapping[str, Any]
    values: dict[str, Value]


class Slot:
    """A part, and what can be it.

    Args:
        number: Its number, from 0.
        part: It, as it is declared.
        records: All records, in the order in which they are looked at.

    Attributes:
        number: Its number.
        absent: Whether nothing may be it.
        within: Seconds since the part before; None for any.

    Raises:
        BadProblem: The part cannot be read.
    """

    def __init__(self, number: int, part: Part, records: Sequence[Mapping[str, Any]]) -> None:
        self.number = number
        self.absent = part.absent
        self.within = seconds(part.within, f"find[{number}].within")
        looks = shape(part.fits, f"find[{number}].fits")
        alone, self._together = _conditions(part.where, f"find[{number}].where")
        self._candidates = [
            Candidate(position, record, values)
            for position, record in enumerate(records)
            if (values := looks.fit(record)) is not None and (alone is None or alone(record))
        ]
        self._by_value: dict[str, dict[Key, list[Candidate]]] = {}
        self._names = [name for _, name in looks.variables]

    def between(self, values: Values, after: int, before: int) -> list[Candidate]:
        """Returns what can be it between two positions, given what variables stand for."""
        known = self._known(values)
        low = bisect_right(known, after, key=_position)
        high = bisect_left(known, before, key=_position)
        return [one for one in known[low:high] if _agree(one.values, values)]

    def holds(self, record: Mapping[str, Any], values: Values) -> bool:
        """Whether its condition on variables holds."""
        if self._together is None:
            return True
        named = {name: one.value for name, one in values.items()}
        return self._together({**record, VARIABLES: named})

    def _known(self, values: Values) -> list[Candidate]:
        """Candidates that agree in one variable, which are few."""
        name = next((name for name in self._names if name in values), None)
        if name is None:
            return self._candidates
        if name not in self._by_value:
            index = self._by_value[name] = {}
            for one in self._candidates:
                index.setdefault(one.values[name].key, []).append(one)
        return self._by_value[name].get(values[name].key, [])


def condition(text: str, field: str) -> Predicate | None:
    """Returns a condition; None without one.

    Raises:
        BadProblem: It cannot be read.
    """
    if not text:
        return None
    try:
        return compile_where(text)
    except BadPayload as error:
        raise BadProblem(
            f"{field}: {error.message}",
            hint=error.hint,
            context={**error.context, "field": field},
        ) from None


def slots(parts: Sequence[Part], records: Sequence[Mapping[str, Any]]) -> Iterator[Slot]:
    """Yields the parts of a pattern.

    Raises:
        BadProblem: One cannot be read.
    """
    for number, part in enumerate(parts):
        yield Slot(number, part, records)


def _conditions(text: str, field: str) -> tuple[Predicate | None, Predicate | None]:
    """A part's condition, as one of the record alone or one that must wait for the variables."""
    test = condition(text, field)
    if test is None or VARIABLES not in names_in(text):
        return test, None
    return None, test


def _agree(one: Values, other: Values) -> bool:
    return all(name not in other or other[name].key == value.key for name, value in one.items())


def _position(one: Candidate) -> int:
    return one.position
