"""Numbers over time: the last steps of a fixed length, in a fixed room."""

from array import array
from datetime import UTC, datetime
from math import isnan
from typing import Final

from pepperpy_schemas.monitor import Series

_LAST: Final = datetime(9999, 12, 31, tzinfo=UTC).timestamp()


def instant(at: float) -> datetime:
    """Returns seconds since 1970 as a moment in UTC, the nearest one from then to the year 9999.

    Anybody may claim to have waited for ages.
    """
    return datetime.fromtimestamp(min(max(at, 0.0), _LAST), UTC)


class Ring:
    """One number for each of the last steps; older ones are forgotten.

    Facts may come in any order: one that belongs to a step in the ring is added there, one from
    before it is left out.

    Args:
        step: Seconds of a step.
        size: How many steps are kept.
        empty: The value of a step that nothing is known of: 0 for sums, NaN for readings.
    """

    __slots__ = ("_begins", "_cells", "_empty", "_ends", "_head", "_place", "step")

    def __init__(self, step: float, size: int, *, empty: float = 0.0) -> None:
        self.step = step
        self._empty = empty
        self._cells = array("f", [empty]) * size
        self._head = -1
        # The newest step, which nearly every fact belongs to.
        self._place, self._begins, self._ends = 0, 0.0, 0.0

    def add(self, at: float, amount: float = 1.0) -> None:
        """Adds to the step of a moment."""
        if self._begins <= at < self._ends:
            self._cells[self._place] += amount
        elif (cell := self._cell(at)) >= 0:
            self._cells[cell] += amount

    def put(self, at: float, value: float) -> None:
        """Sets the value of the step of a moment; the last one of a step counts."""
        if (cell := self._cell(at)) >= 0:
            self._cells[cell] = value

    def rate(self, now: float, seconds: float) -> float:
        """Returns how much was added per second, over the last so many seconds."""
        total, span = self._recent(now, seconds)
        return total / span

    def total(self, now: float, seconds: float) -> float:
        """Returns how much was added in the last so many seconds, to a step's exactness."""
        return self._recent(now, seconds)[0]

    def series(self, now: float, name: str, unit: str, *, scale: float = 1.0) -> Series:
        """Returns all steps as a line of a chart, each value times `scale`."""
        last, size = int(now // self.step), len(self._cells)
        cells = self._until(last)
        return Series(
            name=name,
            unit=unit,
            start=instant((last - size + 1) * self.step),
            step_s=self.step,
            values=[None if isnan(one) else round(one * scale, 4) for one in cells],
        )

    def _recent(self, now: float, seconds: float) -> tuple[float, float]:
        last = int(now // self.step)
        steps = max(1, min(len(self._cells), round(seconds / self.step)))
        found = sum(self._until(last)[-steps:])
        # The last step has only begun; a rate over its whole length would be too small.
        return found, max(now - (last - steps + 1) * self.step, self.step)

    def _until(self, last: int) -> "array[float]":
        """All steps that end with this one, in their order."""
        size = len(self._cells)
        self._go_on(last)
        # The head may be ahead: a fact can be told a little before its time.
        cut = (self._head + 1) % size
        cells = self._cells[cut:] + self._cells[:cut]
        early = min(size, self._head - last)
        return array("f", [self._empty]) * early + cells[: size - early]

    def _cell(self, at: float) -> int:
        """The place of a moment; -1 when it is too old."""
        tick, size = int(at // self.step), len(self._cells)
        if tick > self._head:
            self._go_on(tick)
        return tick % size if tick > self._head - size else -1

    def _go_on(self, tick: int) -> None:
        size = len(self._cells)
        if tick - self._head >= size:
            self._cells = array("f", [self._empty]) * size
        else:
            for gone in range(self._head + 1, tick + 1):
                self._cells[gone % size] = self._empty
        if tick > self._head:
            self._head, self._place = tick, tick % size
            self._begins, self._ends = tick * self.step, (tick + 1) * self.step
