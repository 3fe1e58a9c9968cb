"""What was counted and measured since the start: counters and histograms, cheap to add to.

The meters of OpenTelemetry's SDK take many times as long and keep every set of labels that they
ever saw (`docs/decisions/0027-metrics-without-meters.md`); its records of what was measured, and
what sends them, are used as they are.
"""

import time
from bisect import bisect_left
from collections.abc import Callable, Iterator

import msgspec

from pepperpy_monitor_svc.metrics.bounds import Bound
from pepperpy_monitor_svc.metrics.names import METRICS, MONITOR_LABELS, Kind, Metric

Values = tuple[str, ...]
"""One value for each of a metric's labels; an empty one is none."""


class Distribution:
    """How often which size was measured.

    Attributes:
        buckets: How many fell into each bucket, not added up; the last has no bound.
        sum: All sizes together.
        least: The smallest.
        most: The largest.
    """

    __slots__ = ("buckets", "least", "most", "sum")

    def __init__(self, bounds: int) -> None:
        self.buckets = [0] * (bounds + 1)
        self.sum = 0.0
        self.least = float("inf")
        self.most = float("-inf")

    @property
    def count(self) -> int:
        """How many were measured."""
        return sum(self.buckets)

    def add(self, place: int, size: float) -> None:
        """Adds what was measured to a bucket."""
        self.buckets[place] += 1
        self.sum += size
        self.least = min(self.least, size)
        self.most = max(self.most, size)

    def copy(self) -> "Distribution":
        """Returns it as it is now."""
        same = Distribution(0)
        same.buckets, same.sum = list(self.buckets), self.sum
        same.least, same.most = self.least, self.most
        return same


class Point(msgspec.Struct, frozen=True):
    """The value of one series.

    Attributes:
        labels: Values of the metric's labels, in their order.
        value: The value; of a histogram how it is distributed.
    """

    labels: Values
    value: float | Distribution


class Family(msgspec.Struct, frozen=True):
    """A metric with all its series."""

    metric: Metric
    points: list[Point]


class Totals:
    """Counters and histograms by name; every one of `METRICS` is there from the start.

    Attributes:
        began: When counting began, in seconds since 1970.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.began = clock()
        self._counts: dict[str, dict[Values, float]] = {}
        self._measured: dict[str, dict[Values, Distribution]] = {}
        self._bounds: dict[str, Bound] = {}
        for name, metric in METRICS.items():
            self._bounds[name] = Bound(metric.labels, self._overflowed)
            match metric.kind:
                case Kind.COUNTER:
                    self._counts[name] = {}
                case Kind.HISTOGRAM:
                    self._measured[name] = {}

    def count(self, metric: Metric, *labels: str, by: float = 1.0) -> None:
        """Adds to a counter; values of labels in the metric's order."""
        counts = self._counts[metric.name]
        try:
            counts[labels] += by
        except KeyError:
            admitted = self._bounds[metric.name].admit(labels)
            counts[admitted] = counts.get(admitted, 0.0) + by

    def measure(self, metric: Metric, size: float, *labels: str) -> None:
        """Adds to a histogram, in its unit; values of labels in the metric's order."""
        measured = self._measured[metric.name]
        found = measured.get(labels)
        if found is None:
            admitted = self._bounds[metric.name].admit(labels)
            found = measured.setdefault(admitted, Distribution(len(metric.buckets)))
        # A bucket has what is at most its bound.
        found.add(bisect_left(metric.buckets, size), size)

    def families(self) -> Iterator[Family]:
        """Yields each metric that has a value, as it is now."""
        for name, metric in METRICS.items():
            if counts := self._counts.get(name):
                yield Family(metric, [Point(labels, value) for labels, value in counts.items()])
            elif measured := self._measured.get(name):
                points = [Point(labels, value.copy()) for labels, value in measured.items()]
                yield Family(metric, points)

    def _overflowed(self, label: str) -> None:
        counts = self._counts[MONITOR_LABELS.name]
        counts[(label,)] = counts.get((label,), 0.0) + 1
