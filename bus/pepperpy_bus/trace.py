"""W3C trace context: which trace a message belongs to, and what goes with it.

Only identifiers travel here; recording spans is for whoever listens. Headers that are malformed
begin a new trace, as the recommendation demands.

The spans of tasks have ids that follow from what they are (`span_of`), so that whoever makes spans
of what the broker keeps, now or later, makes the same ones: a worker need not tell them.
"""

import random
import re
from collections.abc import Mapping
from contextvars import ContextVar, Token
from hashlib import blake2b
from typing import Any, Final

import msgspec

from pepperpy_bus import foreign_spans
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
        span_id: 16 hexadecimal digits of this one operation; empty above the first one.
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

    def at(self, span_id: str) -> "TraceContext":
        """Returns the context of another operation of the same trace."""
        return TraceContext(
            self.trace_id, span_id, self.sampled, self.tracestate, self.baggage, self.random
        )

    def child(self) -> "TraceContext":
        """Returns the context of an operation below this one."""
        return self.at(_span_id())

    @property
    def traceparent(self) -> str:
        """The header's text."""
        flags = self.sampled * _SAMPLED | self.random * _RANDOM
        return f"00-{self.trace_id}-{self.span_id or _NO_SPAN}-0{flags}"

    def headers(self) -> dict[str, str]:
        """Returns the headers that carry it."""
        fields = {TRACEPARENT: self.traceparent}
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
    return carried(folded) or new_trace()


def carried(folded: Mapping[str, str]) -> TraceContext | None:
    """Returns the context that a message carries, or None.

    Args:
        folded: The message's headers, names in lower case.
    """
    found = _PARENT.fullmatch(folded.get(TRACEPARENT, ""))
    if found is None or not _valid(found):
        return None
    flags = int(found["flags"], 16)
    return TraceContext(
        found["trace"],
        found["span"],
        bool(flags & _SAMPLED),
        _kept(folded.get(TRACESTATE, ""), _MAX_STATE),
        _kept(folded.get(BAGGAGE, ""), _MAX_BAGGAGE),
        bool(flags & _RANDOM),
    )


def told(folded: Mapping[str, str]) -> str:
    """Returns the ``traceparent`` that a message carries, as events tell it; empty for none.

    Args:
        folded: The message's headers, names in lower case.
    """
    context = carried(folded) if TRACEPARENT in folded else None
    return "" if context is None else context.traceparent


# --- ids that follow from what they stand for -----------------------------------------------------


def span_of(*parts: str | int) -> str:
    """Returns the id of the span of something: a task's attempt, a step of it, a request.

    It is the beginning of a BLAKE2b digest; the same parts are always the same span.
    """
    name = "\0".join(map(str, parts)).encode(errors="replace")
    return blake2b(name, digest_size=8, person=b"pp-span").hexdigest()


def sent_task(folded: Mapping[str, str], task_id: str, *, parent: str, root: str) -> TraceContext:
    """Returns the context that a task was sent with: its trace, and the span that sent it.

    Senders that know of no traces send none: then the family of the first task is the trace, and
    a child is sent by its parent.

    Args:
        folded: The task's headers, names in lower case.
        task_id: The task.
        parent: The task that submitted it, or empty.
        root: The first task of the family, or empty for the first itself.
    """
    context = carried(folded)
    if context is not None:
        return context
    first = (root or task_id).encode(errors="replace")
    trace_id = blake2b(first, digest_size=16, person=b"pp-trace").hexdigest()
    return TraceContext(trace_id, send_span(parent) if parent else "")


def send_span(task_id: str) -> str:
    """Returns the id of the span that stands for a task's submission, above its attempts."""
    return span_of(task_id, "send")


def attempt_span(task_id: str, attempt: int) -> str:
    """Returns the id of the span of one attempt at a task."""
    return span_of(task_id, attempt)


def place_span(task_id: str, attempt: int, n: int) -> str:
    """Returns the id of the span of the step or wait at a place, as an attempt did it."""
    return span_of(task_id, attempt, n)


def request_span(request_id: str) -> str:
    """Returns the id of the span of a request to a service."""
    return span_of(request_id, "request")


# --- what runs now --------------------------------------------------------------------------------


class Attempted:
    """The context of an attempt at a task, made when somebody first asks for it: most never do.

    Args:
        headers: The task's headers, names in lower case.
        task_id: The task.
        parent: The task that submitted it, or empty.
        root: The first task of the family.
        attempt: The attempt's number.
    """

    __slots__ = ("_about", "_context")

    def __init__(
        self, headers: Mapping[str, str], task_id: str, parent: str, root: str, attempt: int
    ) -> None:
        self._about = (headers, task_id, parent, root, attempt)
        self._context: TraceContext | None = None

    @property
    def context(self) -> TraceContext:
        """The context."""
        if self._context is None:
            headers, task_id, parent, root, attempt = self._about
            sent = sent_task(headers, task_id, parent=parent, root=root)
            self._context = sent.at(attempt_span(task_id, attempt))
        return self._context


class active:  # noqa: N801 - used like a function: with active(context): …
    """Makes a context the current one inside a ``with`` block.

    Where the program uses OpenTelemetry itself, spans that it opens there are children of it.
    """

    __slots__ = ("_attached", "_context", "_token")

    def __init__(self, context: "TraceContext | Attempted") -> None:
        self._context = context
        self._token: Token[TraceContext | Attempted | None] | None = None
        self._attached: Any = None

    def __enter__(self) -> "TraceContext | Attempted":
        self._token = _current.set(self._context)
        if foreign_spans.in_use():
            now = _plain(self._context)
            if now.span_id:
                self._attached = foreign_spans.attach(
                    now.trace_id, now.span_id, sampled=now.sampled, tracestate=now.tracestate
                )
        return self._context

    def __exit__(self, *exc_info: object) -> None:
        if self._attached is not None:
            foreign_spans.detach(self._attached)
        if self._token is not None:
            _current.reset(self._token)


def current() -> TraceContext | None:
    """Returns the context of what runs now, if any; of a span of the program's own before ours."""
    now = _current.get()
    ours = None if now is None else _plain(now)
    if not foreign_spans.in_use():
        return ours
    theirs = foreign_spans.current()
    if theirs is None or (ours is not None and theirs.span_id == ours.span_id):
        return ours
    baggage = ours.baggage if ours is not None else ""
    return TraceContext(
        theirs.trace_id, theirs.span_id, theirs.sampled, theirs.tracestate, baggage, theirs.random
    )


def outgoing() -> TraceContext:
    """Returns the context for something that is sent now: the current one, or a new trace."""
    return current() or new_trace()


def _plain(context: "TraceContext | Attempted") -> TraceContext:
    return context.context if isinstance(context, Attempted) else context


_current: ContextVar[TraceContext | Attempted | None] = ContextVar("pepperpy_trace", default=None)


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


def _kept(value: str, limit: int) -> str:
    return value if len(value) <= limit and value.isprintable() else ""
