"""The metrics in the text that Prometheus scrapes."""

import asyncio
from collections.abc import Iterable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.core import Metric as Told
from prometheus_client.registry import Collector

from pepperpy_monitor_svc.metrics.names import Kind
from pepperpy_monitor_svc.metrics.samples import Metered, buckets
from pepperpy_monitor_svc.metrics.totals import Distribution, Family

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


async def prometheus_text(monitor: Metered) -> bytes:
    """Returns the metrics of a monitor as they are now, as `CONTENT_TYPE`.

    They are taken in the event loop and written in a thread: of a thousand agents that takes long.
    """
    return await asyncio.to_thread(exposition, monitor.meters.families())


def exposition(families: Iterable[Family]) -> bytes:
    """Returns the text, format 0.0.4."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(families))
    return generate_latest(registry)


class _Families(Collector):
    def __init__(self, families: Iterable[Family]) -> None:
        self._families = families

    def collect(self) -> Iterator[Told]:
        return map(_told, self._families)


def _told(family: Family) -> Told:
    metric = family.metric
    about = (metric.prometheus, metric.description)
    labels = metric.prometheus_labels
    told: CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily
    match metric.kind:
        case Kind.COUNTER:
            told = CounterMetricFamily(*about, labels=labels)
        case Kind.GAUGE:
            told = GaugeMetricFamily(*about, labels=labels)
        case Kind.HISTOGRAM:
            histogram = HistogramMetricFamily(*about, labels=labels)
            for point in family.points:
                assert isinstance(point.value, Distribution)
                series = buckets(metric.buckets, point.value)
                histogram.add_metric(point.labels, series, point.value.sum)
            return histogram
    for point in family.points:
        assert not isinstance(point.value, Distribution)
        told.add_metric(point.labels, point.value)
    return told
