"""Spans: what took place in a trace, from when to when, and within what."""

from collections.abc import Iterator
from datetime import datetime
from typing import Literal, TypeAlias

import msgspec

Kind: TypeAlias = Literal["internal", "producer", "consumer", "client", "server"]
What: TypeAlias = Literal["send", "attempt", "step", "wait", "model", "memory", "tool", "hop"]
Value: TypeAlias = str | bool | int | float | list[str]


class Mark(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something that happened in a moment of a span.

    Attributes:
        name: What: ``task.progress``.
        ts: When.
        attributes: Its values.
    """

    name: str
    ts: datetime
    attributes: dict[str, Value] = {}


class Span(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One operation.

    Attributes:
        trace_id: 32 hexadecimal digits.
        span_id: 16 hexadecimal digits, always the same for the same operation.
        parent_id: The operation that it is part of; empty for none.
        name: Its name, by OpenTelemetry's conventions.
        what: What it is of.
        kind: OpenTelemetry's kind.
        start: When it began.
        end: When it ended; null while it lasts.
        error: The code of the error that it ended with, or empty.
        message: What the error says.
        service: Who did it: an agent, ``provider``, ``memory``, the sender.
        instance: Which instance of that, or empty.
        task_id: The task that it belongs to, or empty.
        attributes: Named values, by OpenTelemetry's conventions; ours begin with ``pepperpy.``.
        marks: What happened in it.
        sampled: Whether the sender of the trace wants it recorded.
    """

    trace_id: str
    span_id: str
    parent_id: str = ""
    name: str
    what: What
    kind: Kind = "internal"
    start: datetime
    end: datetime | None = None
    error: str = ""
    message: str = ""
    service: str = ""
    instance: str = ""
    task_id: str = ""
    attributes: dict[str, Value] = {}
    marks: list[Mark] = []
    sampled: bool = True

    @property
    def seconds(self) -> float | None:
        """How long it took; None while it lasts."""
        return None if self.end is None else (self.end - self.start).total_seconds()


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """A task with everything that it set off.

    Attributes:
        task_id: The task that was asked for.
        root: The first task of its family that anything is known of.
        trace_id: Its trace.
        ended: Whether all tasks in it have ended.
        left_out: Whether there is more than was read.
        spans: The spans, each below its parent, in order of time.
    """

    task_id: str
    root: str
    trace_id: str
    ended: bool
    left_out: bool
    spans: list[Span]


def in_order(spans: list[Span]) -> Iterator[tuple[int, Span]]:
    """Yields spans as a tree is read, with their depth; each parent before its children."""
    below: dict[str, list[Span]] = {}
    known = {one.span_id for one in spans}
    for one in sorted(spans, key=lambda one: (one.start, one.end or one.start)):
        below.setdefault(one.parent_id if one.parent_id in known else "", []).append(one)
    told: set[str] = set()
    waiting = [(0, one) for one in reversed(below.get("", []))]
    while waiting:
        depth, one = waiting.pop()
        if one.span_id not in told:
            told.add(one.span_id)
            yield depth, one
            waiting += [(depth + 1, child) for child in reversed(below.get(one.span_id, []))]
