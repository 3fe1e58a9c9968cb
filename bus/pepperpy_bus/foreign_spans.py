"""The spans of a program that uses OpenTelemetry itself: ours above them, and theirs above ours.

OpenTelemetry is never imported here: where the program has not, there are no spans of its own.
"""

import sys
from types import ModuleType
from typing import Any, Final

import msgspec

_API: Final = "opentelemetry.trace"
_SAMPLED: Final = 1
_RANDOM: Final = 2


class ForeignSpan(msgspec.Struct, frozen=True):
    """The current span of OpenTelemetry, in the form of the W3C headers.

    Attributes:
        trace_id: 32 hexadecimal digits.
        span_id: 16 hexadecimal digits.
        sampled: Whether it is recorded.
        tracestate: What tracing systems add.
        random: Whether the trace id is known to be random.
    """

    trace_id: str
    span_id: str
    sampled: bool
    tracestate: str
    random: bool


def in_use() -> bool:
    """Returns whether the program has imported OpenTelemetry's tracing."""
    return _API in sys.modules


def current() -> ForeignSpan | None:
    """Returns the span that is open here, or None."""
    found = _api().get_current_span().get_span_context()
    if not found.is_valid:
        return None
    flags = int(found.trace_flags)
    return ForeignSpan(
        f"{found.trace_id:032x}",
        f"{found.span_id:016x}",
        bool(flags & _SAMPLED),
        found.trace_state.to_header(),
        bool(flags & _RANDOM),
    )


def attach(trace_id: str, span_id: str, *, sampled: bool, tracestate: str) -> Any:
    """Makes one of our spans the parent of spans that are opened from now on.

    Args:
        trace_id: 32 hexadecimal digits.
        span_id: 16 hexadecimal digits.
        sampled: Whether it is recorded: samplers that follow the parent do as it says.
        tracestate: What tracing systems add.

    Returns:
        What undoes it; for `detach`.
    """
    api = _api()
    span = api.NonRecordingSpan(
        api.SpanContext(
            int(trace_id, 16),
            int(span_id, 16),
            is_remote=True,
            trace_flags=api.TraceFlags(_SAMPLED if sampled else 0),
            trace_state=api.TraceState.from_header([tracestate]) if tracestate else None,
        )
    )
    return _context().attach(api.set_span_in_context(span))


def detach(token: Any) -> None:
    """Undoes an `attach`."""
    _context().detach(token)


def _api() -> ModuleType:
    return sys.modules[_API]


def _context() -> ModuleType:
    return sys.modules["opentelemetry.context"]
