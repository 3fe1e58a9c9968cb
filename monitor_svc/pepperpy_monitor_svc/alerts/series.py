"""What rules read: series of metrics, as they are or over a window, reduced by some labels.

Each part can be worked out here and be written for Prometheus. Both give the same, by Prometheus'
semantics: values of one moment, windows that include their
begin, NaN that passes no comparison. A part's values are kept by the labels that they are grouped
by; a label that a series does not have is an empty text.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Literal, Protocol, TypeAlias

import msgspec

from pepperpy_bus.units import format_duration
from pepperpy_monitor_svc.alerts.history import History, Points, change, quantile
from pepperpy_monitor_svc.alerts.labels import MAX_VALUE, Matching
from pepperpy_monitor_svc.metrics.samples import Sample

Key: TypeAlias = tuple[str, ...]
"""Values of the labels that a part is grouped by."""
Values: TypeAlias = dict[Key, float]
Aggregate = Literal["sum", "max", "min", "avg", "count"]
Window = Literal["increase", "rate", "delta", "grown"]
"""What is made of a window. ``grown`` is Prometheus' ``increase``, but of a series that has begun
in the window the whole value: the first dead letter of a topic is news that ``increase`` misses.
"""
CLOCK: Final = "pepperpy_monitor_leads"
"""What the monitor has from its start: a series with fewer points in a window has begun later."""


class Frame(msgspec.Struct, frozen=True):
    """What a rule sees at one moment.

    Attributes:
        at: The moment, seconds.
        now: The series of this moment by their metric.
        history: What they were.
        firing: The alerts of a rule that fire already, by the rule's name.
    """

    at: float
    now: Mapping[str, list[Sample]]
    history: History
    firing: Mapping[str, frozenset[Key]] = {}


class Expression(Protocol):
    """A part of a rule's condition."""

    def values(self, frame: Frame) -> Values:
        """Returns its values at a moment."""

    def promql(self) -> str:
        """Returns it as Prometheus reads it."""

    def series(self) -> "list[Series]":
        """Returns all series that it looks at."""


class Series(msgspec.Struct, frozen=True):
    """Series of a metric, as they are or over a window.

    Attributes:
        metric: The metric.
        where: Which of its series.
        window: Seconds to look back; 0 takes the values of the moment.
        function: What is made of a window.
    """

    metric: str
    where: Matching = Matching()
    window: float = 0.0
    function: Window = "increase"

    def read(self, frame: Frame) -> Iterable[tuple[dict[str, str], float]]:
        """Yields labels and value of each series."""
        if not self.window:
            for one in frame.now.get(self.metric, ()):
                labels = dict(one.labels)
                if self.where.fits(labels):
                    yield labels, one.value
            return
        begin = frame.at - self.window
        for labelled, points in frame.history.series(self.metric):
            labels = dict(labelled)
            if not self.where.fits(labels):
                continue
            times, values = points.since(begin)
            if self.function == "grown" and _is_new(points, frame, begin):
                yield labels, values[-1]
                continue
            counter = self.function != "delta"
            found = change(times, values, begin, frame.at, counter=counter)
            if found is not None:
                yield labels, found / self.window if self.function == "rate" else found

    def promql(self) -> str:
        """Returns it as Prometheus reads it."""
        matchers = ", ".join(one.promql(name) for name, one in self.where.patterns.items())
        series = self.metric + (f"{{{matchers}}}" if matchers else "")
        if not self.window:
            return series
        window = format_duration(self.window)
        if self.function != "grown":
            return f"{self.function}({series}[{window}])"
        older = f"on () group_left () max(count_over_time({CLOCK}[{window}]))"
        new = f"({series} and (count_over_time({series}[{window}]) < {older}))"
        return f"{new} or increase({series}[{window}])"


class Grouped(msgspec.Struct, frozen=True):
    """Series added up, or reduced otherwise, by some of their labels."""

    of: Series
    by: tuple[str, ...] = ()
    how: Aggregate = "sum"

    def values(self, frame: Frame) -> Values:
        """Returns its values at a moment."""
        groups: dict[Key, list[float]] = {}
        for labels, value in self.of.read(frame):
            key = tuple(labels.get(name, "")[:MAX_VALUE] for name in self.by)
            groups.setdefault(key, []).append(value)
        reduce = _REDUCE[self.how]
        return {key: reduce(found) for key, found in groups.items()}

    def promql(self) -> str:
        """Returns it as Prometheus reads it."""
        return f"{self.how}{_by(self.by)} ({self.of.promql()})"

    def series(self) -> list[Series]:
        """Returns all series that it looks at."""
        return [self.of]


class Quantile(msgspec.Struct, frozen=True):
    """The value below which a share of what a histogram counted in a window lies.

    Attributes:
        share: From 0 to 1.
        buckets: The histogram's buckets, over a window.
        by: The labels that it is grouped by.
    """

    share: float
    buckets: Series
    by: tuple[str, ...] = ()

    def values(self, frame: Frame) -> Values:
        """Returns its values at a moment."""
        inner = Grouped(self.buckets, (*self.by, "le"))
        groups: dict[Key, list[tuple[float, float]]] = {}
        for (*key, written), count in inner.values(frame).items():
            bound = _bound(written)
            if not math.isnan(bound):
                groups.setdefault(tuple(key), []).append((bound, count))
        return {key: quantile(self.share, found) for key, found in groups.items()}

    def promql(self) -> str:
        """Returns it as Prometheus reads it."""
        inner = Grouped(self.buckets, (*self.by, "le")).promql()
        return f"histogram_quantile({self.share:g}, {inner})"

    def series(self) -> list[Series]:
        """Returns all series that it looks at."""
        return [self.buckets]


class Absent(msgspec.Struct, frozen=True):
    """1 when a metric has no series at all of those that are meant."""

    of: Series

    def values(self, frame: Frame) -> Values:
        """Returns its values at a moment."""
        return {} if any(True for _ in self.of.read(frame)) else {(): 1.0}

    def promql(self) -> str:
        """Returns it as Prometheus reads it."""
        # Without the sum its labels would be those of the matchers, which say nothing here.
        return f"sum(absent({self.of.promql()}))"

    def series(self) -> list[Series]:
        """Returns all series that it looks at."""
        return [self.of]


def _is_new(points: Points, frame: Frame, begin: float) -> bool:
    """Whether a series that is there now has begun in the window, and after the history has."""
    oldest = frame.history.first(begin)
    return points.times[-1] == frame.at and oldest is not None and points.born > oldest


def _bound(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _by(labels: tuple[str, ...]) -> str:
    return f" by ({', '.join(labels)})" if labels else ""


def _extreme(pick: Callable[[Iterable[float]], float]) -> Callable[[list[float]], float]:
    def reduce(values: list[float]) -> float:
        numbers = [value for value in values if not math.isnan(value)]
        return pick(numbers) if numbers else math.nan

    return reduce


_REDUCE: Final[dict[Aggregate, Callable[[list[float]], float]]] = {
    "sum": sum,
    "max": _extreme(max),
    "min": _extreme(min),
    "avg": lambda values: sum(values) / len(values),
    "count": lambda values: float(len(values)),
}
