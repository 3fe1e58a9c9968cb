"""The client: submit tasks, wait for results, watch and listen."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar, Unpack, cast, overload

from pepperpy_bus.bodies import fingerprint, to_json
from pepperpy_bus.config import Settings
from pepperpy_bus.events import Emitter, Heard, listen
from pepperpy_bus.link.connection import Connection
from pepperpy_bus.link.hooks import Hook
from pepperpy_bus.routing import Addressee, addressed
from pepperpy_bus.streams.blobs import claim_check
from pepperpy_bus.streams.jetstream import store
from pepperpy_bus.submission import (
    SubmitOptions,
    earlier,
    headers_of,
    refuse_conflict,
    subject_of,
)
from pepperpy_bus.submitted import SubmittedTasks, outcome
from pepperpy_bus.tasks.timing import OPTIONS, read_timing, refuse_recurring
from pepperpy_bus.tasks.topic_schemas import schema_name, validate
from pepperpy_bus.units import Duration, parse_duration
from pepperpy_schemas import headers as h
from pepperpy_schemas.errors import BadConfig
from pepperpy_schemas.tokens import check_topic, new_id

T = TypeVar("T")


class ClientState(StrEnum):
    """Where a client's connection is."""

    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    CLOSED = "closed"


class Client(SubmittedTasks):
    """A connected client; `connect` makes one."""

    def __init__(self, connection: Connection, settings: Settings, *, source: str = "") -> None:
        super().__init__(connection, settings, source=source)
        self._slots = asyncio.Semaphore(settings.bus.max_in_flight)

    # --- state ----------------------------------------------------------------------------------

    @property
    def state(self) -> ClientState:
        """Where the connection is now."""
        if self.connection.closed:
            return ClientState.CLOSED
        return ClientState.CONNECTED if self.connection.connected else ClientState.DISCONNECTED

    def on_disconnect(self, hook: Hook) -> Hook:
        """Calls the hook whenever the connection is lost; usable as a decorator."""
        self.connection.on_disconnect.append(hook)
        return hook

    def on_reconnect(self, hook: Hook) -> Hook:
        """Calls the hook whenever the connection is back; usable as a decorator."""
        self.connection.on_reconnect.append(hook)
        return hook

    def on_close(self, hook: Hook) -> Hook:
        """Calls the hook when the connection ends for good; usable as a decorator."""
        self.connection.on_close.append(hook)
        return hook

    # --- tasks ----------------------------------------------------------------------------------

    async def submit(
        self, topic: str | Addressee, data: Any = None, **options: Unpack[SubmitOptions]
    ) -> str:
        """Publishes a task and returns its id when the broker has stored it.

        With ``every`` or ``cron`` it is the id of the schedule.

        Args:
            topic: The topic, where workers of any language listen; or a `Group` or `Graph`.
            data: The body: a Struct, dataclass, pydantic model or plain value; JSON as `bytes`.
            **options: See `SubmitOptions`.

        Raises:
            BadName: The topic or id is not a valid name.
            BadPayload: The body is no JSON, or does not fit the topic's schema.
            BadSchedule: The time is past, or is none.
            Conflict: The id was used with another body.
            QueueFull: The queue has reached its limit.
            Unreachable: The broker did not come back in time.
        """
        task_id = options.get("id") or new_id()
        topic, data = await addressed(topic, self.registry, data)
        await self.send(topic, task_id, to_json(data), options)
        return task_id

    @overload
    async def run(
        self,
        topic: str | Addressee,
        data: Any = None,
        *,
        type: type[T],
        wait: Duration | None = None,
        **options: Unpack[SubmitOptions],
    ) -> T: ...
    @overload
    async def run(
        self,
        topic: str | Addressee,
        data: Any = None,
        *,
        wait: Duration | None = None,
        **options: Unpack[SubmitOptions],
    ) -> Any: ...
    async def run(
        self,
        topic: str | Addressee,
        data: Any = None,
        *,
        type: Any = Any,  # noqa: A002 - reads as msgspec's own argument
        wait: Duration | None = None,
        **options: Unpack[SubmitOptions],
    ) -> Any:
        """Submits a task, waits for its end and returns what its handler returned.

        Args:
            topic: The topic, or a `Group` or `Graph`.
            data: The body; what a graph as a whole is given.
            type: Decode the answer into this type; plain values by default.
            wait: How long to wait for the end; for ever by default.
            **options: See `SubmitOptions`.

        Raises:
            TimeoutError: It had not ended in time. It goes on; `result` finds its end later.
            PepperError: The task failed; the error is the one it failed with.
        """
        refuse_recurring(options)
        seconds = None if wait is None else parse_duration(wait)
        task_id = options.get("id") or new_id()
        topic, data = await addressed(topic, self.registry, data)
        body = to_json(data)
        async with self.results.expect(task_id, submitted="id" in options) as waiter:
            mine = await self.send(topic, task_id, body, options)
            ended = await waiter.wait(seconds)
        refuse_conflict(task_id, mine, ended.fingerprint)
        return outcome(ended, type)

    async def rerun(
        self,
        task_id: str,
        *,
        from_step: int | str | None = None,
        unfinished: bool = False,
        changes: Mapping[str, Any] | None = None,
    ) -> str:
        """Does a task again, all of it or from a step on, and returns the id of the new task.

        What stands in the journal before that step is taken over and not done again.

        Args:
            task_id: The task.
            from_step: The first step that is done again: its name, or its place as `explain`
                shows it.
            unfinished: Begin after the last step, wait or child that the task came to.
            changes: New values in its input by path: ``{"customer.name": "Ana"}``.

        Raises:
            NotFound: What it was given is not kept any more, or it has no such step.
            BadPayload: A path leads nowhere.
        """
        from pepperpy_bus.tasks.rerunning import find_again

        if unfinished and from_step is not None:
            raise BadConfig(f"unfinished says where to begin, and from_step {from_step!r} too")
        again = await find_again(
            self.connection, self.prefix, self.results, self.dead_letters, task_id
        )
        first = again.last_place + 1 if unfinished else from_step
        body, options = await again.changed(self.connection, self.prefix, first, changes or {})
        new = new_id()
        await self.send(again.topic, new, body, cast("SubmitOptions", options))
        return new

    # --- events ---------------------------------------------------------------------------------

    def events(
        self,
        pattern: str = ">",
        *,
        where: str = "",
        since: datetime | Duration | None = None,
        until_end: bool = False,
    ) -> AsyncIterator[Heard]:
        """Yields events as they happen, in order and without a gap, over reconnects.

        Args:
            pattern: Entity, verb, scope and id from the left: ``task.failed.*``, ``llm.>``.
            where: A condition on the fields: ``data.code == 'timeout' and attempt > 1``.
            since: Start this long ago (``"10m"``) or at this time; by default from now on.
            until_end: End with the last event that is there now.
        """
        start = since
        if start is not None and not isinstance(start, datetime):
            start = timedelta(seconds=parse_duration(start))
        return listen(
            self.connection, self.prefix, pattern, where=where, since=start, until_end=until_end
        )

    @contextlib.asynccontextmanager
    async def emitter(self) -> AsyncIterator[Emitter]:
        """Opens an emitter of events; what it has sent is with the broker at the end."""
        async with Emitter(self.connection, self.prefix) as emitter:
            yield emitter
            await emitter.flush()

    # --- below ----------------------------------------------------------------------------------

    async def send(self, topic: str, task_id: str, body: bytes, options: SubmitOptions) -> str:
        """Publishes a task under an id; returns its fingerprint when the caller chose that.

        `submit` and `run` are made of it, and the children of tasks, whose ids are derived.
        """
        check_topic(topic)
        headers = headers_of(options, prefix=self.prefix, source=self.source)
        if options.get("check"):
            await self._check(topic, body, headers)
        timing = None if OPTIONS.isdisjoint(options) else await read_timing(options, self._clock)
        if timing is not None:
            await self.schedules.put(topic, task_id, timing, body, headers)
            return ""
        threshold = self.settings.bus.blob_threshold
        if len(body) > threshold:
            body, headers = await claim_check(
                self.connection, self.prefix, body, headers, threshold
            )
        subject = subject_of(self.prefix, topic, task_id, options)
        async with self._slots:
            ack = await store(
                self.connection,
                subject,
                body,
                msg_id=task_id,
                headers=headers,
                timeout=self.settings.bus.publish_timeout,
            )
        if "id" not in options:
            return ""
        mine = fingerprint(topic, body, h.fold(headers))
        if ack.duplicate:
            other = await earlier(self.connection, self.results, task_id, ack)
            refuse_conflict(task_id, mine, other)
        return mine

    async def _check(self, topic: str, body: bytes, headers: dict[str, str]) -> None:
        schema = await self.schemas.latest(topic)
        if schema is not None:
            validate(schema, body)
            headers.setdefault(h.SCHEMA, schema_name(schema))
