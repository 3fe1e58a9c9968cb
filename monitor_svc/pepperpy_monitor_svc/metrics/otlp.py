"""The metrics in OpenTelemetry's records, sent to a receiver of OTLP over HTTP."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Final, TypeAlias

import msgspec
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from pepperpy_bus.logs import get_log
from pepperpy_monitor_svc.metrics.names import Kind
from pepperpy_monitor_svc.metrics.names import Metric as Named
from pepperpy_monitor_svc.metrics.totals import Distribution, Family, Point

log = get_log("pepperpy.monitor")

EVERY: Final = 15.0
"""Seconds between two exports."""
PATIENCE: Final = 10.0
"""Seconds that one export, its repeats included, may take."""
LAST_WORD: Final = 2.0
"""The same for the export at the end."""
SCOPE: Final = InstrumentationScope("pepperpy_monitor_svc.metrics")

_CUMULATIVE: Final = AggregationTemporality.CUMULATIVE
_Data: TypeAlias = Gauge | Histogram | Sum


def metrics_data(
    families: Iterable[Family], resource: Resource, *, began: float, now: float
) -> MetricsData:
    """Returns metrics as OpenTelemetry's SDK hands them to its exporters.

    Args:
        families: The metrics.
        resource: Who says it.
        began: When counting began, in seconds since 1970.
        now: When the values were taken.
    """
    span = (_nanoseconds(began), _nanoseconds(now))
    metrics = [_metric(family, *span) for family in families]
    scope = ScopeMetrics(scope=SCOPE, metrics=metrics, schema_url="")
    told = ResourceMetrics(resource=resource, scope_metrics=[scope], schema_url="")
    return MetricsData(resource_metrics=[told])


def _metric(family: Family, began: int, now: int) -> Metric:
    named = family.metric
    return Metric(named.name, named.description, named.unit, _data(family, began, now))


def _data(family: Family, began: int, now: int) -> _Data:
    named = family.metric
    if named.kind is Kind.HISTOGRAM:
        measured = [_distributed(named, point, began, now) for point in family.points]
        return Histogram(measured, _CUMULATIVE)
    numbers = [_number(named, point, began, now) for point in family.points]
    if named.kind is Kind.COUNTER:
        return Sum(numbers, _CUMULATIVE, is_monotonic=True)
    return Gauge(numbers)


def _number(named: Named, point: Point, began: int, now: int) -> NumberDataPoint:
    assert not isinstance(point.value, Distribution)
    return NumberDataPoint(
        attributes=_attributes(named, point),
        start_time_unix_nano=began,
        time_unix_nano=now,
        value=point.value,
    )


def _distributed(named: Named, point: Point, began: int, now: int) -> HistogramDataPoint:
    value = point.value
    assert isinstance(value, Distribution)
    return HistogramDataPoint(
        attributes=_attributes(named, point),
        start_time_unix_nano=began,
        time_unix_nano=now,
        count=value.count,
        sum=value.sum,
        bucket_counts=list(value.buckets),
        explicit_bounds=named.buckets,
        min=value.least,
        max=value.most,
    )


def _attributes(named: Named, point: Point) -> dict[str, str]:
    pairs = zip(named.labels, point.labels, strict=True)
    return {label: value for label, value in pairs if value}


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)


class Told(msgspec.Struct, frozen=True):
    """What is sent again and again.

    Attributes:
        families: Returns the metrics of now; called in the event loop.
        who: Who says it, by the names of OpenTelemetry's resources.
        began: When counting began, in seconds since 1970.
    """

    families: Callable[[], Iterable[Family]]
    who: Mapping[str, str]
    began: float

    def now(self) -> MetricsData:
        """Returns the values of now."""
        resource = Resource(dict(self.who))
        return metrics_data(self.families(), resource, began=self.began, now=time.time())


@contextlib.asynccontextmanager
async def exporting(endpoint: str, told: Told, *, every: float = EVERY) -> AsyncIterator[None]:
    """Sends the metrics again and again, and once more at the end.

    Values are taken in the event loop, which has them, and sent from a thread. A receiver that
    does not answer holds nobody up: the next export has what this one had.

    Args:
        endpoint: The receiver, such as ``http://127.0.0.1:4318``; the path is added.
        told: What is sent.
        every: Seconds between two exports.
    """
    exporter = OTLPMetricExporter(f"{endpoint.rstrip('/')}/v1/metrics", timeout=PATIENCE)
    sending = asyncio.create_task(_send_forever(exporter, told, every), name="otlp-metrics")
    try:
        yield
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORD):
                await _send(exporter, told)
        # It breaks off what still runs.
        exporter.shutdown()


async def _send_forever(exporter: OTLPMetricExporter, told: Told, every: float) -> None:
    while True:
        await asyncio.sleep(every)
        await _send(exporter, told)


async def _send(exporter: OTLPMetricExporter, told: Told) -> None:
    began = time.monotonic()
    result = await asyncio.to_thread(exporter.export, told.now())
    if result is not MetricExportResult.SUCCESS:
        log.warning("monitor.metrics_not_sent", seconds=round(time.monotonic() - began, 1))
