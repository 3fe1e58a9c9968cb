"""Events: told without holding up the work, heard by pattern and field, none of them twice.

Those that begin or end a task are sent with a message id and watched until the server has them;
when it has not within a few seconds, or the connection broke, they are sent again. The others are
best effort, and counted when they are dropped.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from pepperpy_bus.link.connection import Connection, Subscription
from pepperpy_bus.link.message import Message
from pepperpy_bus.logs import get_log
from pepperpy_bus.streams.delivery import Delivery
from pepperpy_bus.streams.follow import follow
from pepperpy_bus.units import now
from pepperpy_bus.where import Predicate, compile_where
from pepperpy_schemas import headers as h
from pepperpy_schemas.catalog import EVENT, EVENT_HIGH
from pepperpy_schemas.errors import BadName, PepperError, Unreachable
from pepperpy_schemas.messages import Event
from pepperpy_schemas.subjects import Subject, stream_name
from pepperpy_schemas.tokens import check_token, new_id

log = get_log("pepperpy.events")

RESEND_AFTER = 5.0
"""Seconds without an acknowledgement after which an event is sent again."""
MAX_WAITING = 10_000
"""Unacknowledged events above which new ones are dropped and counted."""

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
        }


class _Unacknowledged(msgspec.Struct):
    subject: str
    body: bytes
    msg_id: str
    sent: float = msgspec.field(default_factory=time.monotonic)


class Emitter:
    """Sends the events of one process while its context is open."""

    def __init__(self, connection: Connection, prefix: str) -> None:
        self._connection = connection
        self._prefix = prefix
        self._waiting: dict[str, _Unacknowledged] = {}
        self._count = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._back = asyncio.Event()
        self._inbox = f"{connection.new_inbox()}."
        self._subscription: Subscription | None = None
        self._resender: asyncio.Task[None] | None = None
        self.dropped = 0

    async def __aenter__(self) -> "Emitter":
        self._subscription = await self._connection.subscribe(f"{self._inbox}*", self._on_ack)
        self._connection.on_denied.append(self._drop_denied)
        self._connection.on_reconnect.append(self._back.set)
        self._resender = asyncio.create_task(self._resend_loop(), name="events-resend")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._resender is not None:
            self._resender.cancel()
            await asyncio.gather(self._resender, return_exceptions=True)
        if self._subscription is not None:
            await self._subscription.stop()
        self._connection.on_denied.remove(self._drop_denied)
        self._connection.on_reconnect.remove(self._back.set)

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
        """
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
        )
        body = kind.encode(event)
        try:
            if certain:
                await self._send_certain(_Unacknowledged(subject, body, event.id))
            elif self._connection.connected:
                await self._connection.publish(subject, body)
            else:
                self.dropped += 1
        except PepperError as error:
            self.dropped += 1
            log.debug("events.dropped", subject=subject, error=str(error))

    async def flush(self, timeout: float = 5.0) -> bool:
        """Waits until the server has every certain event; returns whether it has."""
        if self._connection.closed:
            return not self._waiting
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._idle.wait()
        return not self._waiting

    async def _send_certain(self, event: _Unacknowledged) -> None:
        if len(self._waiting) >= MAX_WAITING:
            self.dropped += 1
            return
        self._count += 1
        token = f"{self._count:x}"
        self._waiting[token] = event
        self._idle.clear()
        try:
            await self._send(token, event)
        except Unreachable:
            pass  # sent again when the connection is back
        except PepperError:
            self._done(token)
            raise

    async def _send(self, token: str, event: _Unacknowledged) -> None:
        await self._connection.publish(
            event.subject, event.body, headers={h.MSG_ID: event.msg_id}, reply=self._inbox + token
        )

    def _on_ack(self, message: Message) -> None:
        if b'"error"' in message.body or message.status:
            return  # sent again until the stream is ready for it
        self._done(message.subject[len(self._inbox) :])

    def _drop_denied(self, lowered: str) -> None:
        """What the broker does not allow would be sent again for ever."""
        for token, event in list(self._waiting.items()):
            if event.subject.lower() == lowered:
                self.dropped += 1
                self._done(token)

    def _done(self, token: str) -> None:
        self._waiting.pop(token, None)
        if not self._waiting:
            self._idle.set()

    async def _resend_loop(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RESEND_AFTER / 2):
                    await self._back.wait()
            # What was on its way when the connection broke is not answered any more.
            late = time.monotonic() - (0.0 if self._back.is_set() else RESEND_AFTER)
            self._back.clear()
            for token, event in list(self._waiting.items()):
                if event.sent < late and self._connection.connected:
                    event.sent = time.monotonic()
                    with contextlib.suppress(PepperError):
                        await self._send(token, event)


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
