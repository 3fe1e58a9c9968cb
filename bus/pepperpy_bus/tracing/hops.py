"""The broker's own part of a trace: which server took a message, and what it did with it.

A server whose account has ``msg_trace`` tells this of every message with a sampled
``traceparent``, whatever the letter case of that header. It is kept in a stream that only
deployments have that ask for it. Whoever may send there can write there, too: it is a claim.
"""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Final

import msgspec

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.logs import get_log
from pepperpy_bus.streams.follow import Follower, follow
from pepperpy_bus.trace import carried, request_span, send_span, span_of
from pepperpy_bus.tracing.spans import Span, Value
from pepperpy_bus.units import BadUnit, parse_time
from pepperpy_schemas.catalog.server import HOP
from pepperpy_schemas.catalog.services import SERVICE
from pepperpy_schemas.catalog.tasks import KEYED_TASK, TASK
from pepperpy_schemas.codec import decode
from pepperpy_schemas.errors import BadName, BadPayload, NotFound, PepperError, PermissionDenied
from pepperpy_schemas.headers import ID, fold
from pepperpy_schemas.subjects import stream_name

log = get_log("pepperpy.trace")

HOPS: Final = "HOPS"
"""The stream, where there is one."""
MOST_HOPS: Final = 20_000
"""Messages of the server that are looked through for those of one trace."""

_ID: Final = ID.lower()


class _Server(msgspec.Struct, frozen=True):
    name: str = ""
    id: str = ""
    seq: int = 0


class _Request(msgspec.Struct, frozen=True):
    header: dict[str, list[str]] = {}
    msgsize: int = 0


class _Step(msgspec.Struct, frozen=True):
    """What the server did: took it in, stored it, handed it out."""

    type: str
    ts: str
    name: str = ""
    subj: str = ""
    stream: str = ""
    error: str = ""


class _Told(msgspec.Struct, frozen=True):
    server: _Server
    request: _Request
    events: list[_Step]


def hop_span(prefix: str, body: bytes) -> Span | None:
    """Returns the span of what a server did with a message; None when it is of no trace.

    Args:
        prefix: The deployment's prefix.
        body: What the server tells.
    """
    try:
        told = decode(body, _Told)
        times = [parse_time(one.ts) for one in told.events]
    except (BadPayload, BadUnit):
        return None
    headers = fold({name: values[0] for name, values in told.request.header.items() if values})
    context = carried(headers)
    if context is None or not told.events:
        return None
    first = told.events[0]
    stored = next((one.stream for one in told.events if one.stream), "")
    parent, task_id = _parent(prefix, first.subj, headers.get(_ID, ""))
    about: dict[str, Value] = {
        "messaging.system": "nats",
        "messaging.destination.name": first.subj,
        "messaging.message.envelope.size": told.request.msgsize,
        "pepperpy.hop.from": first.name,
        "pepperpy.hop.to": [one.name or one.stream for one in told.events[1:]],
    }
    return Span(
        trace_id=context.trace_id,
        span_id=span_of(told.server.id, told.server.seq),
        parent_id=parent or context.span_id,
        name=f"store {stored}" if stored else "deliver",
        what="hop",
        kind="server",
        start=min(times),
        end=max(times),
        error=next((one.error for one in told.events if one.error), ""),
        service="nats-server",
        instance=told.server.name,
        task_id=task_id,
        attributes=about,
        sampled=context.sampled,
    )


def _parent(prefix: str, subject: str, message_id: str) -> tuple[str, str]:
    """The span of the task or request that a message is, and the task; empty for others."""
    for kind in (TASK, KEYED_TASK):
        try:
            task_id = message_id or kind.parse(prefix, subject)["id"]
        except BadName:
            continue
        return send_span(task_id), task_id
    try:
        SERVICE.parse(prefix, subject)
    except BadName:
        return "", ""
    return (request_span(message_id) if message_id else ""), ""


async def read_hops(
    connection: Connection, prefix: str, since: datetime, trace_ids: set[str]
) -> list[Span]:
    """Returns what servers tell of traces; nothing where they tell nothing, or this user may not.

    Args:
        connection: The connection.
        prefix: The deployment's prefix.
        since: The beginning.
        trace_ids: The traces.
    """
    found: list[Span] = []
    read = 0
    try:
        async with _following(connection, prefix, since) as follower:
            async for delivery in follower.until_end():
                read += 1
                span = hop_span(prefix, delivery.body)
                if span is not None and span.trace_id in trace_ids:
                    found.append(span)
                if read >= MOST_HOPS:
                    break
    except (NotFound, PermissionDenied):
        pass
    except PepperError as error:
        log.debug("trace.no_hops", error=str(error))
    return found


async def follow_hops(connection: Connection, prefix: str) -> AsyncIterator[Span]:
    """Yields what servers tell from now on, of any trace.

    Raises:
        NotFound: They tell nothing here.
    """
    async with _following(connection, prefix, None) as follower:
        async for delivery in follower:
            span = hop_span(prefix, delivery.body)
            if span is not None:
                yield span


def _following(connection: Connection, prefix: str, since: datetime | None) -> Follower:
    subjects = [HOP.format(p=prefix)]
    stream = stream_name(prefix, HOPS)
    return follow(connection, stream, subjects, since=since, new=since is None)
