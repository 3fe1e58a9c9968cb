"""From a task's story to its spans: sent, attempts, steps, waits, and the tools that it called.

Names and kinds follow OpenTelemetry's messaging conventions 1.44: ``send {topic}`` is a producer's,
``process {topic}`` a consumer's, one for each attempt. Nothing here talks to the broker.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from pepperpy_bus.events import Heard
from pepperpy_bus.tasks.explanation import Explanation, ToldAttempt
from pepperpy_bus.trace import TraceContext, attempt_span, place_span, send_span
from pepperpy_bus.tracing.call_spans import call_span, parent_of, tool_spans
from pepperpy_bus.tracing.spans import Mark, Span, Value

SYSTEM: Final = "nats"
"""``messaging.system``."""

_UNFINISHED: Final = 64
"""Places after the last known one in which a step may have begun that has not ended."""
_NO_ERROR: Final = frozenset({"completed", "suspended", ""})


def spans_of(story: Explanation, calls: Sequence[Heard] = ()) -> list[Span]:
    """Returns the spans of one task, without those of its children.

    Args:
        story: What is known of the task.
        calls: Events of services in the same trace; those that belong to this task are told.
    """
    making = _Making(story)
    spans = making.own()
    spans += tool_spans(story, making.service)
    mine = {one.span_id for one in spans}
    spans += making.unfinished(spans, calls)
    mine |= {one.span_id for one in spans}
    # A request below a request: the memory asks a model for vectors.
    waiting = list(calls)
    while found := [one for one in waiting if parent_of(one) in mine]:
        waiting = [one for one in waiting if parent_of(one) not in mine]
        made = [call_span(one, task_id=story.id) for one in found]
        mine |= {one.span_id for one in made}
        spans += made
    return spans


class _Making:
    def __init__(self, story: Explanation) -> None:
        self.story = story
        self._trace = story.trace or TraceContext("", "")
        self._first = story.began or datetime.min.replace(tzinfo=UTC)
        last = story.attempts[-1] if story.attempts else None
        self.service = last.instance.partition("/")[0] if last is not None else ""

    def own(self) -> list[Span]:
        """The submission, attempts, steps and waits."""
        return [self._sent(), *self._attempts(), *self._steps(), *self._waits()]

    def _span(self, *, start: datetime, end: datetime | None, **values: Any) -> Span:
        start = max(start, self._first)
        return Span(
            trace_id=self._trace.trace_id,
            sampled=self._trace.sampled,
            task_id=self.story.id,
            start=start,
            end=max(start, end) if end is not None else None,
            **values,
        )

    def _messaging(self, operation: str) -> dict[str, Value]:
        return {
            "messaging.system": SYSTEM,
            "messaging.operation.name": operation,
            "messaging.operation.type": operation,
            "messaging.destination.name": self.story.topic,
            "messaging.message.id": self.story.id,
        }

    def _sent(self) -> Span:
        story = self.story
        about: dict[str, Value] = {"pepperpy.task.state": str(story.state)}
        for name, value in (
            ("parent", story.parent),
            ("root", story.root),
            ("key", story.key),
            ("replay_of", story.replay_of),
        ):
            if value:
                about[f"pepperpy.task.{name}"] = value
        failed = story.error if not story.attempts else None
        return self._span(
            span_id=send_span(story.id),
            parent_id=self._trace.span_id,
            name=f"send {story.topic}",
            what="send",
            kind="producer",
            start=self._first,
            end=self._first,
            error=failed.code if failed is not None else "",
            message=failed.message if failed is not None else "",
            service=story.source,
            attributes=self._messaging("send") | about,
        )

    def _attempts(self) -> Iterator[Span]:
        story = self.story
        for one in story.attempts:
            start = one.started or one.ended or self._first
            error = one.error.code if one.error is not None else one.end
            service, _, instance = one.instance.partition("/")
            yield self._span(
                span_id=attempt_span(story.id, one.number),
                parent_id=send_span(story.id),
                name=f"process {story.topic}",
                what="attempt",
                kind="consumer",
                start=start,
                end=one.ended or self._lost_at(one),
                error="" if one.end in _NO_ERROR else error,
                message=one.error.message if one.error is not None else "",
                service=service,
                instance=instance,
                attributes=self._messaging("process")
                | {
                    "messaging.consumer.group.name": service,
                    "pepperpy.task.attempt": one.number,
                    "pepperpy.task.attempt.end": one.end,
                },
                marks=self._marks(one.number),
            )

    def _lost_at(self, attempt: ToldAttempt) -> datetime | None:
        """When an attempt without an end was over at the latest: the next one began."""
        if not attempt.end:
            return None
        later = [one.started for one in self.story.attempts if one.number > attempt.number]
        return next((one for one in later if one is not None), self.story.ended)

    def _marks(self, attempt: int) -> list[Mark]:
        return [
            Mark(one.name, one.ts, plain(one.data))
            for one in self.story.happenings
            if one.attempt == attempt and not one.name.startswith("tool.")
        ]

    def _steps(self) -> Iterator[Span]:
        for step in self.story.steps:
            if not step.copied:
                yield self._span(
                    span_id=place_span(self.story.id, step.attempt, step.n),
                    parent_id=attempt_span(self.story.id, step.attempt),
                    name=step.name,
                    what="step",
                    start=step.ts - timedelta(milliseconds=step.ms),
                    end=step.ts,
                    service=self.service,
                    attributes={"pepperpy.step.n": step.n, "pepperpy.step.bytes": step.size},
                )

    def _waits(self) -> Iterator[Span]:
        for wait in self.story.waits:
            if not wait.copied:
                # It outlasts the attempt that came to it.
                yield self._span(
                    span_id=place_span(self.story.id, wait.attempt, wait.n),
                    parent_id=send_span(self.story.id),
                    name=f"wait {wait.what}",
                    what="wait",
                    start=wait.began,
                    end=wait.ended or self.story.ended,
                    service=self.service,
                    attributes={
                        "pepperpy.wait.for": wait.what,
                        "pepperpy.wait.how": wait.how,
                        "pepperpy.wait.n": wait.n,
                    },
                )

    def unfinished(self, spans: Sequence[Span], calls: Sequence[Heard]) -> Iterator[Span]:
        """Steps that did not end, or have not yet: only what was called in them tells of them."""
        story = self.story
        known = {one.span_id: one for one in spans}
        orphans: dict[str, list[datetime]] = {}
        for parent, start in (
            *((parent_of(one), call_span(one).start) for one in calls),
            *((one.parent_id, one.start) for one in spans if one.what == "tool"),
        ):
            if parent not in known:
                orphans.setdefault(parent, []).append(start)
        if not orphans:
            return
        places = [one.n for one in story.steps] + [one.n for one in story.waits]
        places += [one.n for one in story.children]
        last = max(places, default=0) + _UNFINISHED
        for attempt in story.attempts:
            for n in range(1, last + 1):
                span_id = place_span(story.id, attempt.number, n)
                if span_id in orphans:
                    within = known[attempt_span(story.id, attempt.number)]
                    yield msgspec.structs.replace(
                        within,
                        span_id=span_id,
                        parent_id=within.span_id,
                        name=f"step {n}",
                        what="step",
                        kind="internal",
                        start=max(within.start, min(orphans[span_id])),
                        attributes={"pepperpy.step.n": n},
                        marks=[],
                    )


def plain(data: dict[str, object]) -> dict[str, Value]:
    """Returns the values of an event that an attribute can have."""
    return {
        name: value for name, value in data.items() if isinstance(value, str | bool | int | float)
    }
