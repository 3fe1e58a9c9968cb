"""Events: told without holding up the work, heard by pattern and field, none of them twice.

Those that begin or end a task are sent with a message id and watched until the server has them;
when it has not within a few seconds, or the connection broke, they are sent again. The others are
best effort, and counted when they are dropped.
"""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Self

import msgspec

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.logs import get_log
from pepperpy_bus.outbox import Outbox
from pepperpy_bus.streams.delivery import Delivery
from pepperpy_bus.streams.follow import follow
from pepperpy_bus.trace import current
from pepperpy_bus.units import now
from pepperpy_bus.where import Predicate, compile_where
from pepperpy_schemas.catalog.events import EVENT, EVENT_HIGH
from pepperpy_schemas.errors import BadName, PepperError
from pepperpy_schemas.messages import Event
from pepperpy_schemas.subjects import Subject, stream_name
from pepperpy_schemas.tokens import check_token, new_id

log = get_log("pepperpy.events")

_LEVELS = 4
_TOKENS = _LEVELS + 2


class Heard(msgspec.Struct, frozen=True):
    """An event as a listener gets it: what its subject says and what its body says.

    Attributes:
        entity: What it is about: task, agent, llm, memory, tool, alert, shard, graph.
        verb: What happened.
        scope: The topic, agent or rule.
        id: The task's, agent's or alert's id.
        event: The body.
        seq: Its sequence number in the stream of events.
    """

    entity: str
    verb: str
    scope: str
    id: str
    event: Event
    seq: int = 0

    @property
    def name(self) -> str:
        """Entity and verb: ``task.completed``."""
        return f"{self.entity}.{self.verb}"

    @property
    def data(self) -> dict[str, Any]:
        """The event's own values."""
        return self.event.data

    def fields(self) -> dict[str, Any]:
        """Returns every value by name, as ``where`` expressions see them."""
        return {
            "entity": self.entity,
            "verb": self.verb,
            "scope": self.scope,
            "id": self.id,
            "ts": self.event.ts.isoformat(),
            "correlation": self.event.correlation,
            "causation": self.event.causation,
            "attempt": self.event.attempt,
            "priority": self.event.priority,
            "data": self.event.data,
            "trace": self.event.trace,
        }


class Emitter:
    """Sends the events of one process while its context is open.

    Attributes:
        outbox: Where those that must arrive are watched.
    """

    def __init__(self, connection: Connection, prefix: str) -> None:
        self._connection = connection
        self._prefix = prefix
        self._dropped = 0
        self.outbox = Outbox(connection)

    async def __aenter__(self) -> Self:
        await self.outbox.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.outbox.__aexit__(*exc_info)

    @property
    def dropped(self) -> int:
        """Events that were not sent: the connection was away, or the broker does not allow them."""
        return self._dropped + self.outbox.dropped

    async def emit(
        self,
        entity: str,
        verb: str,
        *,
        scope: str,
        id: str,  # noqa: A002 - the field's name on the wire
        correlation: str = "",
        causation: str = "",
        attempt: int = 0,
        priority: str = "normal",
        data: Mapping[str, Any] | None = None,
        certain: bool = False,
        event_id: str = "",
        trace: str | None = None,
    ) -> None:
        """Tells what happened.

        Args:
            entity: What it is about: task, agent, llm, memory, tool, alert, shard, graph.
            verb: What happened, one token.
            scope: The topic, agent or rule.
            id: The task's, agent's or alert's id.
            correlation: Id of the root task; the id itself by default.
            causation: Id of the task or event that caused it; the correlation by default.
            attempt: Number of the task's attempt.
            priority: ``high`` ones travel on their own lane, which listeners read first.
            data: The event's own values.
            certain: Watch until the server has it, and send again if not.
            event_id: Equal for repeats of the same fact; random by default.
            trace: The ``traceparent`` that it belongs to; of what runs now by default.
        """
        if trace is None:
            running = current()
            trace = running.traceparent if running is not None else ""
        kind = EVENT_HIGH if priority == "high" else EVENT
        subject = kind.of(self._prefix, entity=entity, verb=verb, scope=scope, id=id)
        event = Event(
            id=event_id or new_id(),
            ts=now(),
            correlation=correlation or id,
            causation=causation or correlation or id,
            attempt=attempt,
            priority=priority,
            data=dict(data) if data else {},
            trace=trace,
        )
        body = kind.encode(event)
        try:
            if certain and not self.outbox.full:
                await self.outbox.send(subject, body, event.id)
            elif not certain and self._connection.connected:
                await self._connection.publish(subject, body)
            else:
                self._dropped += 1
        except PepperError as error:
            self._dropped += 1
            log.debug("events.dropped", subject=subject, error=str(error))

    async def flush(self, timeout: float = 5.0) -> bool:
        """Waits until the server has every certain event; returns whether it has."""
        return await self.outbox.flush(timeout)


def event_subjects(prefix: str, pattern: str) -> list[str]:
    """Returns the subjects of both lanes for a pattern such as ``task.failed.*``, high first.

    A pattern names entity, verb, scope and id from the left; what is missing matches all.

    Raises:
        BadName: A token of the pattern is not valid.
    """
    parts = pattern.split(".") if pattern else [">"]
    if len(parts) > _LEVELS:
        raise BadName(
            f"event pattern {pattern!r:.80} has {len(parts)} tokens",
            hint="write entity.verb.scope.id, for example task.failed.*",
        )
    for n, part in enumerate(parts, start=1):
        if part != "*" and not (part == ">" and n == len(parts)):
            check_token(part, what="event pattern")
    if parts[-1] != ">" and len(parts) < _LEVELS:
        parts.append(">")
    return [_lane(kind, prefix, ".".join(parts)) for kind in (EVENT_HIGH, EVENT)]


def _lane(kind: Subject[Event], prefix: str, rest: str) -> str:
    root = kind.pattern(prefix).removesuffix(".*" * _LEVELS)
    return f"{root}.{rest}"


def heard(delivery: Delivery) -> Heard:
    """Returns a delivered event.

    Raises:
        PepperError: It is not an event.
    """
    tokens = delivery.subject.split(".")
    if len(tokens) != _TOKENS:
        raise BadName(f"{delivery.subject!r:.100} is not the subject of an event")
    entity, verb, scope, id_ = tokens[-_LEVELS:]
    return Heard(entity, verb, scope, id_, EVENT.decode(delivery.body), delivery.seq)


async def listen(
    connection: Connection,
    prefix: str,
    pattern: str = ">",
    *,
    where: str = "",
    since: timedelta | datetime | None = None,
    until_end: bool = False,
) -> AsyncIterator[Heard]:
    """Yields events as they happen, in order and without a gap, over reconnects.

    Args:
        connection: The connection.
        prefix: The deployment's prefix.
        pattern: Entity, verb, scope and id from the left: ``task.failed.*``, ``llm.>``.
        where: A condition on the fields: ``data.code == 'timeout' and attempt > 1``.
        since: Start this long ago, or at this time; by default with what happens from now on.
        until_end: End with the last event that is there now.
    """
    matches: Predicate | None = compile_where(where) if where else None
    start = now() - since if isinstance(since, timedelta) else since
    stream = stream_name(prefix, "EVENTS")
    subjects = event_subjects(prefix, pattern)
    async with follow(connection, stream, subjects, since=start, new=start is None) as follower:
        deliveries = follower.until_end() if until_end else aiter(follower)
        async for delivery in deliveries:
            try:
                one = heard(delivery)
            except PepperError as error:
                log.warning("events.unreadable", subject=delivery.subject, error=str(error))
                continue
            if matches is None or matches(one.fields()):
                yield one
