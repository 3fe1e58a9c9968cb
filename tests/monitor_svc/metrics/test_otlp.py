import asyncio
import gzip
import logging
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_CUMULATIVE, Metric

from pepperpy_monitor_svc.metrics.names import METRICS, PROCESS_DURATION, TASKS_ENDED, Kind
from pepperpy_monitor_svc.metrics.otlp import PATIENCE, Told, exporting
from pepperpy_monitor_svc.metrics.totals import Totals
from tests.monitor_svc.metrics.filled import filled

WHO = {"service.name": "pepperpy-monitor"}
EVERYTHING = Told(lambda: filled()[1], WHO, 1000.0)


class Receiver:
    """What an OTLP receiver got; `url` is where it listens."""

    def __init__(self) -> None:
        self.url = ""
        self.got: asyncio.Queue[ExportMetricsServiceRequest] = asyncio.Queue()
        self.refuses = 0
        self.silent: asyncio.Event | None = None

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        if self.silent is not None:
            await self.silent.wait()
            return web.Response(status=503)
        if self.refuses:
            self.refuses -= 1
            return web.Response(status=400)
        if request.headers.get("Content-Encoding") == "gzip" and body[:2] == b"\x1f\x8b":
            body = gzip.decompress(body)
        self.got.put_nowait(ExportMetricsServiceRequest.FromString(body))
        return web.Response(
            body=ExportMetricsServiceResponse().SerializeToString(),
            content_type="application/x-protobuf",
        )


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    one = Receiver()
    application = web.Application()
    application.router.add_post("/v1/metrics", one.take)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    one.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield one
    await runner.cleanup()


def metrics(request: ExportMetricsServiceRequest) -> dict[str, Metric]:
    (resource,) = request.resource_metrics
    said = {one.key: one.value.string_value for one in resource.resource.attributes}
    assert said["service.name"] == "pepperpy-monitor"
    (scope,) = resource.scope_metrics
    return {one.name: one for one in scope.metrics}


async def test_a_receiver_gets_every_metric_with_its_unit_labels_and_buckets(
    receiver: Receiver,
) -> None:
    totals, families = filled()
    told = Told(lambda: families, WHO, totals.began)
    async with exporting(receiver.url, told, every=0.01):
        got = metrics(await receiver.got.get())
    assert set(got) == set(METRICS)
    for name, metric in METRICS.items():
        assert (got[name].unit, got[name].description) == (metric.unit, metric.description)
        kinds = {Kind.COUNTER: "sum", Kind.GAUGE: "gauge", Kind.HISTOGRAM: "histogram"}
        assert got[name].WhichOneof("data") == kinds[metric.kind]
    ended = got[TASKS_ENDED.name].sum
    assert (ended.is_monotonic, ended.aggregation_temporality) == (
        True,
        AGGREGATION_TEMPORALITY_CUMULATIVE,
    )
    point = ended.data_points[1]
    assert {one.key: one.value.string_value for one in point.attributes} == dict.fromkeys(
        TASKS_ENDED.labels, "x"
    )
    assert (point.as_double, point.start_time_unix_nano) == (2.5, 1000 * 10**9)
    assert point.time_unix_nano > 1_700_000_000 * 10**9
    measured = got[PROCESS_DURATION.name].histogram.data_points[1]
    assert tuple(measured.explicit_bounds) == PROCESS_DURATION.buckets
    assert (measured.count, sum(measured.bucket_counts), measured.bucket_counts[0]) == (4, 4, 2)


async def test_the_last_values_are_sent_at_the_end(receiver: Receiver) -> None:
    totals = Totals()
    async with exporting(receiver.url, Told(totals.families, WHO, 0), every=3600):
        totals.count(TASKS_ENDED, "a", "b", "completed", "")
    assert TASKS_ENDED.name in metrics(receiver.got.get_nowait())


async def test_what_a_receiver_refuses_is_said_and_sent_again_with_the_next_values(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.refuses = 1
    with caplog.at_level(logging.WARNING, logger="pepperpy.monitor"):
        async with exporting(receiver.url, EVERYTHING, every=0.01):
            assert set(metrics(await receiver.got.get())) == set(METRICS)
    assert "monitor.metrics_not_sent" in caplog.text


async def test_the_end_does_not_wait_for_a_receiver_that_is_silent(receiver: Receiver) -> None:
    receiver.silent = asyncio.Event()
    async with asyncio.timeout(PATIENCE), exporting(receiver.url, EVERYTHING, every=3600):
        pass
    receiver.silent.set()
    assert receiver.got.empty()
