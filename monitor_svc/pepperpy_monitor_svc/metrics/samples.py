"""The metrics as single numbers: what alerts are evaluated on, and what snapshots keep."""

from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Protocol

import msgspec

from pepperpy_monitor_svc.metrics.names import Kind
from pepperpy_monitor_svc.metrics.totals import Distribution, Family

Labels = tuple[tuple[str, str], ...]


class Measuring(Protocol):
    """Knows metrics."""

    def families(self) -> list[Family]:
        """Returns every metric that has a value now."""


class Metered(Protocol):
    """A monitor, as far as its metrics go."""

    @property
    def meters(self) -> Measuring:
        """Its metrics."""


class Sample(msgspec.Struct, frozen=True):
    """One number, named as Prometheus names it.

    Attributes:
        name: The series' name, such as ``pepperpy_tasks_waiting``; a histogram has one for each of
            its buckets, its sum and its count.
        labels: Names and values, sorted by name; those without a value are left out.
        value: The number, in the metric's unit.
    """

    name: str
    labels: Labels
    value: float


def samples(monitor: Metered) -> list[Sample]:
    """Returns every number of a monitor as it is now: what ``/metrics`` shows."""
    return list(samples_of(monitor.meters.families()))


def samples_of(families: Iterable[Family]) -> Iterator[Sample]:
    """Yields the numbers of metrics; buckets of histograms are added up, as Prometheus has them."""
    for family in families:
        metric = family.metric
        name, keys = metric.prometheus, metric.prometheus_labels
        for point in family.points:
            pairs = list(zip(keys, point.labels, strict=True))
            if isinstance(point.value, Distribution):
                yield from _distributed(name, pairs, metric.buckets, point.value)
            else:
                assert metric.kind is not Kind.HISTOGRAM
                yield Sample(name, _labels(pairs), point.value)


def _distributed(
    name: str, pairs: list[tuple[str, str]], bounds: tuple[float, ...], value: Distribution
) -> Iterator[Sample]:
    for bound, count in buckets(bounds, value):
        yield Sample(f"{name}_bucket", _labels([*pairs, ("le", bound)]), count)
    yield Sample(f"{name}_count", _labels(pairs), value.count)
    yield Sample(f"{name}_sum", _labels(pairs), value.sum)


def buckets(bounds: tuple[float, ...], value: Distribution) -> list[tuple[str, float]]:
    """Returns how many were no larger than each bound; the last bound is ``+Inf``."""
    names = [*map(_number, bounds), "+Inf"]
    return list(zip(names, map(float, accumulate(value.buckets)), strict=True))


def _number(bound: float) -> str:
    """A bound as `prometheus_client` and Prometheus itself write it."""
    return str(float(bound))


def _labels(pairs: Iterable[tuple[str, str]]) -> Labels:
    return tuple(sorted((key, value) for key, value in pairs if value))
