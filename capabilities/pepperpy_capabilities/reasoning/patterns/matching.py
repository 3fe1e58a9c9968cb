"""Which records match a pattern: pure, and the same for the same records."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from pepperpy_capabilities.reasoning.patterns.moments import moments, seconds
from pepperpy_capabilities.reasoning.patterns.parts import Candidate, Slot, condition, slots
from pepperpy_capabilities.reasoning.patterns.shapes import Value
from pepperpy_schemas.errors import BadProblem, TooBig
from pepperpy_schemas.patterns import Matched, Matches, PatternsProblem

Record = Mapping[str, Any]
Chosen = dict[int, Candidate]
"""The candidate of each part that must be there."""


def match(problem: PatternsProblem) -> Matches:
    """Returns what matches.

    Raises:
        BadProblem: The pattern cannot be read, or a record has no time.
        TooBig: A record is nested too deeply.
    """
    from pepperpy_capabilities.reasoning.patterns.showing import explained

    try:
        search = _Search(problem)
        found = list(islice(search.matches(), problem.most + 1))
    except RecursionError:
        raise TooBig("a record is nested too deeply") from None
    matches = sorted(
        found[: problem.most], key=lambda one: [n for n in one.records if n is not None]
    )
    return explained(Matches(matches=matches, more=len(found) > problem.most), problem)


class _Search:
    def __init__(self, problem: PatternsProblem) -> None:
        self._problem = problem
        self._timed = bool(problem.time)
        times = moments(problem.records, problem.time) if self._timed else []
        # In the order of time; those of one moment as they came.
        self._order = sorted(range(len(problem.records)), key=lambda n: times[n] if times else 0)
        self._times = [times[n] for n in self._order] if times else []
        records = [problem.records[n] for n in self._order]
        every = list(slots(problem.find, records))
        self._slots = [one for one in every if not one.absent]
        self._absent = [one for one in every if one.absent]
        self._within = seconds(problem.within, "within")
        self._where = condition(problem.where, "where")
        self._used: set[int] = set()
        self._check()

    def matches(self) -> Iterator[Matched]:
        """Yields the matches, each as soon as it is found."""
        # The last part first, the latest of those that fit it: as composite events are matched.
        # Without a time the first part comes first.
        order = self._slots[::-1] if self._timed else self._slots
        first = order[0]
        for candidate in first.between({}, -1, len(self._order)):
            for chosen, values in self._further(order, 1, {first.number: candidate}):
                if self._holds(chosen, values):
                    yield self._matched(chosen, values)
                    if self._problem.once:
                        self._used |= {one.position for one in chosen.values()}
                        break

    def _further(
        self, order: Sequence[Slot], at: int, chosen: Chosen
    ) -> Iterator[tuple[Chosen, dict[str, Value]]]:
        """Yields all ways to choose the parts that are still open."""
        if self._problem.once and any(one.position in self._used for one in chosen.values()):
            return
        values = {name: value for n in sorted(chosen) for name, value in chosen[n].values.items()}
        if at == len(order):
            yield chosen, values
            return
        slot = order[at]
        if not self._timed:
            candidates = slot.between(values, -1, len(self._order))
        else:
            later = chosen[order[at - 1].number].position
            earliest = self._earliest(order[at - 1], chosen[order[0].number].position, later)
            after = bisect_left(self._times, earliest) - 1
            candidates = slot.between(values, after, later)[::-1]
        for candidate in candidates:
            yield from self._further(order, at + 1, {**chosen, slot.number: candidate})

    def _earliest(self, later: Slot, last: int, position: int) -> float:
        """The earliest time that the part before a later one can have."""
        bounds = [float("-inf")]
        if later.within is not None:
            bounds.append(self._times[position] - later.within)
        if self._within is not None:
            bounds.append(self._times[last] - self._within)
        return max(bounds)

    def _holds(self, chosen: Chosen, values: Mapping[str, Value]) -> bool:
        named = {name: one.value for name, one in values.items()}
        if self._where is not None and not self._where(named):
            return False
        if not all(one.holds(chosen[one.number].record, values) for one in self._slots):
            return False
        return all(self._is_absent(one, chosen, values) for one in self._absent)

    def _is_absent(self, slot: Slot, chosen: Chosen, values: Mapping[str, Value]) -> bool:
        """Whether nothing is this part; a window that is not over yet may still bring it."""
        after, before = -1, len(self._order)
        until = float("inf")
        if self._timed:
            earlier = [n for n in chosen if n < slot.number]
            later = [n for n in chosen if n > slot.number]
            after = chosen[max(earlier)].position if earlier else -1
            before = chosen[min(later)].position if later else before
            if slot.within is not None:
                until = self._times[after] + slot.within
                if not later and until > self._times[-1]:
                    return False
        return not any(
            slot.holds(one.record, values)
            for one in slot.between(values, after, before)
            if not self._timed or self._times[one.position] <= until
        )

    def _matched(self, chosen: Chosen, values: Mapping[str, Value]) -> Matched:
        numbers = [
            self._order[chosen[n].position] if n in chosen else None
            for n in range(len(self._problem.find))
        ]
        return Matched(numbers, {name: one.value for name, one in values.items()})

    def _check(self) -> None:
        if not self._slots:
            raise BadProblem("all parts are absent", context={"field": "find"})
        timed = [n for n, one in enumerate(self._problem.find) if one.within]
        if not self._timed and (timed or self._problem.within):
            field = f"find[{timed[0]}].within" if timed else "within"
            raise BadProblem(
                f"{field} needs the time of the records",
                hint='say which field it is: "time": "at"',
                context={"field": field},
            )
        if timed and timed[0] == 0:
            raise BadProblem(
                "find[0].within: no part is before the first one",
                context={"field": "find[0].within"},
            )
