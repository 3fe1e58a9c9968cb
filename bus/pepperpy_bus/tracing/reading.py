"""Reading a trace: the task, its family, and what services tell of the requests of all of them."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Final

import msgspec

from pepperpy_bus.client import Client
from pepperpy_bus.events import Heard, event_subjects, heard
from pepperpy_bus.logs import get_log
from pepperpy_bus.streams.clock import to_datetime
from pepperpy_bus.streams.follow import follow
from pepperpy_bus.tasks.explanation import Explanation, ToldChild
from pepperpy_bus.trace import attempt_span
from pepperpy_bus.tracing.call_spans import SERVICES, is_call, trace_of
from pepperpy_bus.tracing.hops import read_hops
from pepperpy_bus.tracing.spans import Span, Trace
from pepperpy_bus.tracing.task_spans import spans_of
from pepperpy_bus.units import now
from pepperpy_schemas.errors import NotFound, PepperError
from pepperpy_schemas.subjects import stream_name

log = get_log("pepperpy.trace")

MOST_CALLS: Final = 50_000
"""Events of services, of anybody's, that are looked through for those of one trace."""
MOST_TASKS: Final = 1_000
"""Tasks of one family that are read."""
FOLLOWED_EVERY: Final = 0.5
"""Seconds between two looks at a task that runs."""

_AT_ONCE: Final = 16
_BROKEN: Final = frozenset({"failed", "lost", "canceled"})
_SKEW: Final = timedelta(seconds=5)
"""What the clocks of services and of the broker may differ."""


async def read_trace(client: Client, task_id: str) -> Trace:
    """Returns a task with everything above and below it that the broker still knows.

    Raises:
        NotFound: Nothing is known of the task, or not any more.
    """
    story = await client.explain(task_id)
    root = await _first_of(client, story)
    family, more = await _family(client, root)
    if all(one.id != task_id for one in family):
        # Its parents have forgotten it, or never told, or are too many.
        own, _ = await _family(client, story)
        family += own
    trace_ids = {one.trace.trace_id for one in family if one.trace is not None}
    calls, left_out = await _calls(client, family, trace_ids)
    spans: dict[str, Span] = {}
    for one in family:
        spans |= {span.span_id: span for span in spans_of(one, calls)}
    for hop in await _hops(client, family, trace_ids):
        spans.setdefault(hop.span_id, hop)
    return Trace(
        task_id=task_id,
        root=root.id,
        trace_id=story.trace.trace_id if story.trace is not None else "",
        ended=all(one.state.terminal for one in family),
        left_out=left_out or more,
        spans=sorted(spans.values(), key=lambda one: one.start),
    )


async def read_spans(client: Client, task_id: str) -> list[Span]:
    """Returns the spans of one task, without those of its children and of services.

    Raises:
        NotFound: Nothing is known of the task, or not any more.
    """
    story = await client.explain(task_id)
    calls: list[Heard] = []
    if story.trace is not None and any(one.end in _BROKEN for one in story.attempts):
        # Of steps that did not end nothing tells but what was called in them.
        calls, _ = await _calls(client, [story], {story.trace.trace_id})
    return [one for one in spans_of(story, calls) if one.what not in ("model", "memory")]


async def follow_trace(client: Client, task_id: str) -> AsyncIterator[Trace]:
    """Yields a trace as it grows, until every task in it has ended.

    Raises:
        NotFound: Nothing is known of the task, or not any more.
    """
    last: Trace | None = None
    while last is None or not last.ended:
        trace = await read_trace(client, task_id)
        if trace != last:
            yield trace
            last = trace
        if not trace.ended:
            await asyncio.sleep(FOLLOWED_EVERY)


async def _first_of(client: Client, story: Explanation) -> Explanation:
    """The first task of a family; the highest one that is still known."""
    for one in (story.root, story.parent):
        if one and one != story.id:
            with contextlib.suppress(NotFound):
                return await client.explain(one)
    return story


async def _family(client: Client, first: Explanation) -> tuple[list[Explanation], bool]:
    """A task with all below it, generation by generation, and whether there are more."""
    found, waiting = [first], deque((first, child) for child in first.children)
    while waiting and len(found) < MOST_TASKS:
        batch = [waiting.popleft() for _ in range(min(_AT_ONCE, len(waiting)))]
        for told in await asyncio.gather(*(_child(client, *one) for one in batch)):
            if told is not None:
                found.append(told)
                waiting += ((told, child) for child in told.children)
    return found, bool(waiting)


async def _child(client: Client, parent: Explanation, child: ToldChild) -> Explanation | None:
    try:
        told = await client.explain(child.id)
    except NotFound:
        return None
    if told.parent or parent.trace is None:
        return told
    # Of a child without a journal nothing says whose it is once its events have expired.
    trace = parent.trace.at(attempt_span(parent.id, child.attempt))
    return msgspec.structs.replace(told, parent=parent.id, trace=trace)


async def _hops(client: Client, family: list[Explanation], trace_ids: set[str]) -> list[Span]:
    """What servers tell of a trace, where they do."""
    starts = [one.began for one in family if one.began is not None]
    if not starts:
        return []
    return await read_hops(client.connection, client.prefix, min(starts) - _SKEW, trace_ids)


async def _calls(
    client: Client, family: list[Explanation], trace_ids: set[str]
) -> tuple[list[Heard], bool]:
    """What services tell of a trace, and whether not all could be read."""
    starts = [one.began for one in family if one.began is not None]
    if not starts:
        return [], False
    ends = [one.ended for one in family]
    until = max((one for one in ends if one is not None), default=now())
    if not all(ends):
        until = now()
    reads = (_told(client, one, min(starts), until, trace_ids) for one in SERVICES)
    found = await asyncio.gather(*reads)
    return [one for calls, _ in found for one in calls], any(more for _, more in found)


async def _told(
    client: Client, entity: str, since: datetime, until: datetime, trace_ids: set[str]
) -> tuple[list[Heard], bool]:
    found: list[Heard] = []
    read = 0
    stream, subjects = stream_name(client.prefix, "EVENTS"), event_subjects(client.prefix, entity)
    try:
        async with follow(client.connection, stream, subjects, since=since - _SKEW) as told:
            async for delivery in told.until_end():
                read += 1
                if read > MOST_CALLS:
                    return found, True
                # Not by its own time: one clock that is ahead would hide all that follows.
                if to_datetime(delivery.time_ns) > until + _SKEW:
                    break
                with contextlib.suppress(PepperError):  # it is no event
                    one = heard(delivery)
                    context = trace_of(one.event.trace)
                    if context is not None and context.trace_id in trace_ids and is_call(one):
                        found.append(one)
    except PepperError as error:
        log.debug("trace.no_calls", entity=entity, error=str(error))
        return found, True
    return found, False
