"""Spans in OpenTelemetry's records, sent to a receiver of OTLP over HTTP.

What its sender asked not to record is not sent, nor what has not ended yet.
"""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from pepperpy_bus.installing import install
from pepperpy_bus.tracing.spans import Span
from pepperpy_schemas.errors import BadConfig, Unavailable

if TYPE_CHECKING:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan

PATIENCE: Final = 10.0
"""Seconds that one sending, its repeats included, may take."""
SCOPE: Final = "pepperpy_bus.tracing"
"""Who says it."""

_NEEDED: Final = "opentelemetry.exporter.otlp.proto.http"
_LAST_NS: Final = (1 << 64) - 1
_SENDER: Final = "pepperpy"
"""The service of tasks whose sender does not say who it is."""


def exporter(endpoint: str) -> "OTLPSpanExporter":
    """Returns what sends spans to a receiver.

    Args:
        endpoint: The receiver, such as ``http://127.0.0.1:4318``; the path is added.

    Raises:
        BadConfig: The packages for it are not installed, or it is no address of HTTP.
    """
    if not endpoint.startswith(("http://", "https://")):
        raise BadConfig(
            f"{endpoint!r:.200} is no receiver of OTLP over HTTP",
            hint="give it as http://HOST:4318",
        )
    if not _installed():
        raise BadConfig("OpenTelemetry is not installed", hint=install("monitor"))
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=PATIENCE)


async def send(endpoint: str, spans: Sequence[Span]) -> int:
    """Sends spans once; returns how many.

    Raises:
        BadConfig: The packages for it are not installed, or it is no address of HTTP.
        Unavailable: The receiver did not take them.
    """
    sending = exporter(endpoint)
    try:
        return await hand_over(sending, spans)
    except Unavailable as error:
        raise Unavailable(f"{endpoint} did not take the spans", hint=error.hint) from None
    finally:
        await asyncio.to_thread(sending.shutdown)


async def hand_over(sending: "OTLPSpanExporter", spans: Sequence[Span]) -> int:
    """Sends spans by an exporter that stays; returns how many.

    Raises:
        Unavailable: The receiver did not take them.
    """
    from opentelemetry.sdk.trace.export import SpanExportResult

    told = records(spans)
    if told:
        # It waits for the network.
        result = await asyncio.to_thread(sending.export, told)
        if result is not SpanExportResult.SUCCESS:
            raise Unavailable(
                "the receiver of traces did not take them",
                hint="is it there, and does it speak OTLP over HTTP?",
            )
    return len(told)


def records(spans: Iterable[Span]) -> "list[ReadableSpan]":
    """Returns the spans that are sent, as OpenTelemetry's SDK hands them to its exporters."""
    return [_record(one) for one in spans if one.sampled and one.end is not None]


def _record(span: Span) -> "ReadableSpan":
    from opentelemetry.sdk.trace import Event, ReadableSpan
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

    def context(span_id: str) -> Any:
        trace_id, flags = int(span.trace_id, 16), TraceFlags(TraceFlags.SAMPLED)
        return SpanContext(trace_id, int(span_id, 16), is_remote=True, trace_flags=flags)

    attributes = {name: value for name, value in span.attributes.items() if value != ""}
    if span.task_id:
        attributes["pepperpy.task.id"] = span.task_id
    if span.error:
        attributes["error.type"] = span.error
    assert span.end is not None
    return ReadableSpan(
        name=span.name,
        context=context(span.span_id),
        parent=context(span.parent_id) if span.parent_id else None,
        resource=_resource(span.service, span.instance),
        attributes=attributes,
        events=[Event(one.name, one.attributes, _nanoseconds(one.ts)) for one in span.marks],
        kind=SpanKind[span.kind.upper()],
        status=Status(StatusCode.ERROR, span.message or span.error) if span.error else Status(),
        start_time=_nanoseconds(span.start),
        end_time=_nanoseconds(span.end),
        instrumentation_scope=InstrumentationScope(SCOPE),
    )


@lru_cache(maxsize=1024)
def _resource(service: str, instance: str) -> "Resource":
    from opentelemetry.sdk.resources import Resource

    values = {"service.name": service or _SENDER, "service.namespace": "pepperpy"}
    if instance:
        values["service.instance.id"] = instance
    return Resource(values)


def _nanoseconds(moment: datetime) -> int:
    """Nanoseconds since 1970; OTLP has no others than those of 64 bits."""
    return min(max(0, int(moment.timestamp() * 1e6) * 1000), _LAST_NS)


def _installed() -> bool:
    try:
        return find_spec(_NEEDED) is not None
    except ModuleNotFoundError:  # a package above it is not there
        return False
