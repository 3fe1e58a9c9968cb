"""Values that are what they are at this moment, and the metrics that they belong to."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from pepperpy_monitor_svc.metrics.bounds import SERIES
from pepperpy_monitor_svc.metrics.names import METRICS, Metric
from pepperpy_monitor_svc.metrics.totals import Family, Point, Values


class Reading(NamedTuple):
    """One value as it was found.

    Attributes:
        metric: Its metric: a gauge, or a counter that somebody else counts.
        labels: Values of the metric's labels, in their order.
        value: The value.
    """

    metric: Metric
    labels: Values
    value: float


def families_of(readings: Iterable[Reading]) -> Iterator[Family]:
    """Yields each metric that has a value; of equal labels the last value, at most `SERIES`."""
    found: dict[str, dict[Values, float]] = {}
    for metric, labels, value in readings:
        series = found.setdefault(metric.name, {})
        if len(series) < SERIES or labels in series:
            series[labels] = value
    for name, metric in METRICS.items():
        if name in found:
            points = [Point(labels, value) for labels, value in found[name].items()]
            yield Family(metric, points)
