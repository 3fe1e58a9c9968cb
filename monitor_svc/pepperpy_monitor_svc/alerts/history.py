"""What the series of some metrics were, for as long as a rule looks back; bounded.

Points lie no closer together than a 720th part of the window, the newest excepted: of an hour
every five seconds are there, and a rule over a day needs no such many.
"""

import math
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Final

import msgspec

from pepperpy_monitor_svc.metrics.samples import Labels, Sample

MAX_POINTS: Final = 500_000
"""Points of one metric that are remembered; series for which there is no room are left out."""

_FINEST: Final = 720
_SLACK: Final = 1e-3


class Points(msgspec.Struct):
    """A series: moments in seconds, and values.

    Attributes:
        born: The first moment of which there was a value.
        times: Moments of the values that are kept.
        values: The values.
    """

    born: float
    times: "array[float]"
    values: "array[float]"

    def since(self, begin: float) -> tuple[Sequence[float], Sequence[float]]:
        """Returns what is there from this moment on."""
        first = bisect_left(self.times, begin)
        return self.times[first:], self.values[first:]


class History:
    """The series of those metrics that rules look back at.

    Args:
        windows: The longest window of each metric, in seconds.
        interval: Seconds between two moments, about.

    Attributes:
        left_out: How many series there was no room for, by their metric.
    """

    def __init__(self, windows: dict[str, float], *, interval: float = 5.0) -> None:
        self._windows = windows
        self._room = {
            name: round(MAX_POINTS / max(1.0, min(_FINEST, window / interval)))
            for name, window in windows.items()
        }
        self._series: dict[str, dict[Labels, Points]] = {name: {} for name in windows}
        self._since: float | None = None
        self._moments: array[float] = array("d")
        self.left_out: dict[str, int] = {}

    def add(self, samples: Iterable[Sample], at: float) -> None:
        """Takes the values of this moment, and forgets what nothing looks back at any more."""
        self._since = at if self._since is None else self._since
        self.left_out = {}
        self._moments.append(at)
        first = bisect_left(self._moments, at - max(self._windows.values(), default=0.0))
        del self._moments[:first]
        for one in samples:
            known = self._series.get(one.name)
            if known is None:
                continue
            points = known.get(one.labels)
            if points is None:
                if len(known) >= self._room[one.name]:
                    self.left_out[one.name] = self.left_out.get(one.name, 0) + 1
                    continue
                points = known[one.labels] = Points(at, array("d"), array("d"))
            _append(points, at, one.value, self._windows[one.name] / _FINEST)
        for name, window in self._windows.items():
            _forget(self._series[name], at - window)

    def clear(self) -> None:
        """Forgets everything: the clock has jumped."""
        self._series = {name: {} for name in self._windows}
        self._since = None
        self._moments = array("d")

    def first(self, begin: float) -> float | None:
        """Returns the first moment from this one on of which anything is known."""
        place = bisect_left(self._moments, begin)
        return self._moments[place] if place < len(self._moments) else None

    def covers(self, window: float, at: float) -> bool:
        """Whether it goes back this far."""
        return self._since is not None and at - self._since >= window

    def series(self, name: str) -> Iterator[tuple[Labels, Points]]:
        """Yields the series of a metric."""
        yield from self._series.get(name, {}).items()


def _append(points: Points, at: float, value: float, apart: float) -> None:
    times, values = points.times, points.values
    # The newest point is kept whatever its place; the one before it may have been too many.
    if len(times) > 1 and times[-1] - times[-2] < apart - _SLACK:
        times.pop()
        values.pop()
    times.append(at)
    values.append(value)


def _forget(series: dict[Labels, Points], begin: float) -> None:
    for labels in [labels for labels, points in series.items() if points.times[-1] < begin]:
        del series[labels]
    for points in series.values():
        first = bisect_left(points.times, begin)
        # Not with every round: taking away from the front moves all that stays.
        if first > len(points.times) // 2:
            del points.times[:first]
            del points.values[:first]


def change(
    times: Sequence[float],
    values: Sequence[float],
    begin: float,
    end: float,
    *,
    counter: bool,
) -> float | None:
    """Returns by how much a series changed from begin to end, or None where nobody can say.

    It is Prometheus' ``increase`` (of a counter, which may begin anew) and ``delta``: what is
    between the first and the last point is taken to go on to the window's borders, unless the
    points end well before them. Formula: ``extrapolatedRate`` in Prometheus' promql/functions.go.

    Args:
        times: Moments of the points in the window, seconds.
        values: Their values.
        begin: Where the window begins.
        end: Where it ends.
        counter: Whether a value that falls has begun at 0 again.
    """
    if len(times) < 2:
        return None
    found = values[-1] - values[0]
    if counter:
        found += sum(a for a, b in pairwise(values) if b < a)
    spanned = times[-1] - times[0]
    apart = spanned / (len(times) - 1)
    before, after = times[0] - begin, end - times[-1]
    if counter and found > 0 and values[0] >= 0:
        # A counter was 0 at some time, and not below it.
        before = min(before, spanned * (values[0] / found))
    for gap in (before, after):
        spanned += gap if gap < apart * 1.1 else apart / 2
    return found * (spanned / (times[-1] - times[0]))


def quantile(share: float, buckets: Iterable[tuple[float, float]]) -> float:
    """Returns the value below which a share of what a histogram counted lies; NaN without any.

    It is Prometheus' ``histogram_quantile``: within a bucket all values are taken to lie evenly.
    Formula: ``bucketQuantile`` in Prometheus' promql/quantile.go.

    Args:
        share: From 0 to 1.
        buckets: Upper bounds with what is counted up to them; the last has no bound.
    """
    joined: dict[float, float] = {}
    for bound, count in buckets:
        joined[bound] = joined.get(bound, 0.0) + count
    bounds = sorted(joined)
    if len(bounds) < 2 or bounds[-1] != math.inf:
        return math.nan
    counts, highest = [], -math.inf
    for bound in bounds:
        highest = max(highest, joined[bound])
        counts.append(highest)
    if not counts[-1] > 0:
        return math.nan
    rank = share * counts[-1]
    at = min(bisect_left(counts, rank), len(bounds) - 1)
    if at == len(bounds) - 1:
        return bounds[-2]
    if at == 0 and bounds[0] <= 0:
        return bounds[0]
    low, below = (bounds[at - 1], counts[at - 1]) if at else (0.0, 0.0)
    return low + (bounds[at] - low) * ((rank - below) / (counts[at] - below))
