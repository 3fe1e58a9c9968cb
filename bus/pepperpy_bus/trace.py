"""W3C trace context: which trace a message belongs to, and what goes with it.

Only identifiers travel here; recording spans is for whoever listens. Headers that are malformed
begin a new trace, as the recommendation demands.
"""

import random
import re
from collections.abc import Mapping
from contextvars import ContextVar, Token
from typing import Final

import msgspec

from pepperpy_schemas.headers import BAGGAGE, TRACEPARENT, TRACESTATE

_PARENT: Final = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})"
    r"-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?",
    re.ASCII,
)
_NO_TRACE: Final = "0" * 32
_NO_SPAN: Final = "0" * 16
_MAX_STATE: Final = 512
_MAX_BAGGAGE: Final = 8192
_SAMPLED: Final = 1
_RANDOM: Final = 2


class TraceContext(msgspec.Struct, frozen=True):
    """A place in a trace.

    Attributes:
        trace_id: 32 hexadecimal digits, equal over everything that one request set off.
        span_id: 16 hexadecimal digits of this one operation.
        sampled: Whether the trace is recorded.
        tracestate: What tracing systems add, as it came.
        baggage: Named values that go along, as they came.
        random: Whether the trace id is known to be random (flag 02 of level 2).
    """

    trace_id: str
    span_id: str
    sampled: bool = True
    tracestate: str = ""
    baggage: str = ""
    random: bool = False

    def child(self) -> "TraceContext":
        """Returns the context of an operation below this one."""
        return TraceContext(
            self.trace_id, _span_id(), self.sampled, self.tracestate, self.baggage, self.random
        )

    def headers(self) -> dict[str, str]:
        """Returns the headers that carry it."""
        flags = self.sampled * _SAMPLED | self.random * _RANDOM
        fields = {TRACEPARENT: f"00-{self.trace_id}-{self.span_id}-0{flags}"}
        if self.tracestate:
            fields[TRACESTATE] = self.tracestate
        if self.baggage:
            fields[BAGGAGE] = self.baggage
        return fields


def new_trace(*, sampled: bool = True) -> TraceContext:
    """Returns the first context of a new trace."""
    # Ids tell traces apart and guard nothing; after a fork the generator is seeded anew.
    return TraceContext(f"{random.getrandbits(128) or 1:032x}", _span_id(), sampled)


def parse(folded: Mapping[str, str]) -> TraceContext:
    """Returns the context that a message carries, or a new one.

    Args:
        folded: The message's headers, names in lower case.
    """
    found = _PARENT.fullmatch(folded.get(TRACEPARENT, ""))
    if found is None or not _valid(found):
        return new_trace()
    flags = int(found["flags"], 16)
    return TraceContext(
        found["trace"],
        found["span"],
        bool(flags & _SAMPLED),
        _carried(folded.get(TRACESTATE, ""), _MAX_STATE),
        _carried(folded.get(BAGGAGE, ""), _MAX_BAGGAGE),
        bool(flags & _RANDOM),
    )


class active:  # noqa: N801 - used like a function: with active(context): …
    """Makes a context the current one inside a ``with`` block."""

    __slots__ = ("_context", "_token")

    def __init__(self, context: TraceContext) -> None:
        self._context = context
        self._token: Token[TraceContext | None] | None = None

    def __enter__(self) -> TraceContext:
        self._token = _current.set(self._context)
        return self._context

    def __exit__(self, *exc_info: object) -> None:
        if self._token is not None:
            _current.reset(self._token)


def current() -> TraceContext | None:
    """Returns the context of what runs now, if any."""
    return _current.get()


def outgoing() -> TraceContext:
    """Returns the context for something that is sent now: a child, or a new trace."""
    now = _current.get()
    return new_trace() if now is None else now.child()


_current: ContextVar[TraceContext | None] = ContextVar("pepperpy_trace", default=None)


def _span_id() -> str:
    return f"{random.getrandbits(64) or 1:016x}"


def _valid(found: re.Match[str]) -> bool:
    version = found["version"]
    # Later versions may append fields; version 00 has exactly four, and ff is forbidden.
    return (
        version != "ff"
        and not (version == "00" and found["more"])
        and found["trace"] != _NO_TRACE
        and found["span"] != _NO_SPAN
    )


def _carried(value: str, limit: int) -> str:
    return value if len(value) <= limit and value.isprintable() else ""
