"""What the server publishes later: it keeps the schedules itself, so no process has to wait."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import msgspec

from pepperpy_bus.audit import Audit
from pepperpy_bus.bodies import fingerprint
from pepperpy_bus.link.connection import Connection
from pepperpy_bus.streams.blobs import THRESHOLD, claim_check
from pepperpy_bus.streams.compare_and_set import compare_and_set
from pepperpy_bus.streams.jetstream import store
from pepperpy_bus.streams.reading import Stored, all_on
from pepperpy_bus.tasks.scheduled import Schedule, read_schedule
from pepperpy_bus.tasks.timing import Timing, unknown_zone
from pepperpy_bus.units import format_time, now
from pepperpy_schemas import headers as h
from pepperpy_schemas.catalog.tasks import DUE_RESUME, SCHEDULE
from pepperpy_schemas.errors import (
    Conflict,
    NotFound,
    RefusedByServer,
    TooLarge,
    Unavailable,
    WrongSequence,
)
from pepperpy_schemas.subjects import stream_name
from pepperpy_schemas.tokens import new_id

_GONE: Final = "1s"
"""How long what takes a removed schedule's place is kept; the server knows no shorter time."""
_BLOBS_LAST: Final = timedelta(days=23)
"""A body by reference is kept a week longer, for the time that its task waits for a worker."""
_UNKNOWN_ZONE: Final = 10223
_MOST: Final = 1_000_000
_TRIES: Final = 4
"""Times that a schedule is stored whose place is another one than what was seen there."""
_REPLACES: Final = {h.ROLLUP: "sub"}


class Schedules:
    """The scheduled tasks of a deployment.

    Args:
        connection: The connection.
        prefix: The deployment's prefix.
        threshold: Bytes above which a body travels by reference.
        source: Who changes them, for the audit log.
    """

    def __init__(
        self, connection: Connection, prefix: str, *, threshold: int = THRESHOLD, source: str = ""
    ) -> None:
        self._connection = connection
        self._prefix = prefix
        self._stream = stream_name(prefix, "SCHED")
        self._threshold = threshold
        self._audit = Audit(connection, prefix, source=source)

    async def put(
        self,
        topic: str,
        schedule_id: str,
        timing: Timing,
        body: bytes,
        headers: Mapping[str, str],
    ) -> None:
        """Has the server submit a task at its time; the same schedule twice is one.

        Args:
            topic: The task's topic.
            schedule_id: The schedule's id, and the task's when it fires once.
            timing: When.
            body: The task's body, JSON.
            headers: The task's headers.

        Raises:
            Conflict: The id stands for another schedule.
            BadSchedule: The server does not know the time zone.
            TooLarge: The body does not fit into a message, and a reference would not last.
            Unavailable: Others keep adding and removing schedules of this id.
        """
        await self._audit.say("schedule", schedule_id, topic=topic, when=timing.spec)
        folded = h.fold(headers)
        body, folded = await self._packed(timing, body, folded)
        new = Schedule(
            id=schedule_id,
            topic=topic,
            timing=timing,
            paused=False,
            stored=now(),
            body=body,
            headers=folded,
            seq=0,
        )
        refused = None
        for _ in range(_TRIES):
            try:
                await self._keep(new)
            except WrongSequence as error:
                refused = error
            else:
                return
            stored = await self._last(schedule_id)
            there = read_schedule(self._prefix, stored) if stored else None
            if there is not None:
                _refuse_other(there, new)
                return
            # What took a removed one's place is still there, or has just gone.
            new = msgspec.structs.replace(new, seq=stored.seq if stored else 0)
        raise Unavailable(f"schedule {schedule_id} is changed all the time") from refused

    async def all(self, *, topic: str = "") -> list[Schedule]:
        """Returns the schedules there are, the oldest first.

        Args:
            topic: Only of this topic.
        """
        subject = SCHEDULE.pattern(self._prefix)
        stored = await all_on(self._connection, self._stream, subject, limit=_MOST)
        found = [read_schedule(self._prefix, one) for one in stored]
        return [one for one in found if one is not None and topic in ("", one.topic)]

    async def get(self, schedule_id: str) -> Schedule:
        """Returns one schedule.

        Raises:
            NotFound: There is none with this id, or no more.
        """
        stored = await self._last(schedule_id)
        found = read_schedule(self._prefix, stored) if stored else None
        if found is None:
            raise _none(schedule_id)
        return found

    async def pause(self, schedule_id: str) -> Schedule:
        """Keeps a schedule from firing until it is resumed; returns it as it is then.

        Raises:
            NotFound: There is none with this id, or no more.
        """
        return await self._change(schedule_id, paused=True)

    async def resume(self, schedule_id: str) -> Schedule:
        """Lets a paused schedule fire again; returns it as it is then.

        One that fires once and whose time has passed meanwhile fires now; an interval begins anew.

        Raises:
            NotFound: There is none with this id, or no more.
        """
        return await self._change(schedule_id, paused=False)

    async def remove(self, schedule_id: str) -> None:
        """Removes a schedule; the tasks that it has submitted already stay.

        Raises:
            NotFound: There is none with this id, or no more.
        """
        found = await self.get(schedule_id)
        await self._audit.say("schedule-remove", schedule_id, topic=found.topic)
        try:
            # To publish is all that every role may do here; a rollup purges without the
            # permission to.
            await self._replace(schedule_id, b"", _REPLACES, last=found.seq, ttl=_GONE)
        except WrongSequence:
            raise _none(schedule_id) from None

    async def _packed(
        self, timing: Timing, body: bytes, headers: dict[str, str]
    ) -> tuple[bytes, dict[str, str]]:
        """The body, or a reference to it if that lasts until the schedule has fired."""
        if timing.at is not None and timing.at - now() < _BLOBS_LAST:
            return await claim_check(self._connection, self._prefix, body, headers, self._threshold)
        return body, headers

    async def _change(self, schedule_id: str, *, paused: bool) -> Schedule:
        found = await self.get(schedule_id)
        if found.paused == paused:
            return found
        action = "schedule-pause" if paused else "schedule-resume"
        await self._audit.say(action, schedule_id, topic=found.topic)
        changed = msgspec.structs.replace(found, paused=paused, stored=now())
        try:
            seq = await self._keep(changed)
        except WrongSequence:
            raise _none(schedule_id) from None
        return msgspec.structs.replace(changed, seq=seq)

    async def _keep(self, schedule: Schedule) -> int:
        """Stores a schedule in the place of what has its sequence number, 0 for nothing."""
        fields = schedule.fields(self._prefix)
        try:
            return await self._replace(schedule.id, schedule.body, fields, last=schedule.seq)
        except TooLarge as error:
            hint = "what fires more than once, or in more than 23 days, must fit into a message"
            raise TooLarge(str(error), hint=hint, context=error.context) from error
        except RefusedByServer as error:
            if error.context.get("err_code") != _UNKNOWN_ZONE:
                raise
            raise unknown_zone(schedule.timing.tz) from error

    async def _replace(
        self, schedule_id: str, body: bytes, fields: Mapping[str, str], *, last: int, ttl: str = ""
    ) -> int:
        return await compare_and_set(
            self._connection,
            self._stream,
            SCHEDULE.of(self._prefix, id=schedule_id),
            body,
            last=last,
            msg_id=new_id(),
            headers=fields,
            ttl=ttl,
            read=partial(self._last, schedule_id),
        )

    async def _last(self, schedule_id: str) -> Stored | None:
        # Producers may read this stream by direct get alone, and not by subject.
        subject = SCHEDULE.of(self._prefix, id=schedule_id)
        found = await all_on(self._connection, self._stream, subject, limit=1)
        return found[0] if found else None


def _refuse_other(there: Schedule, new: Schedule) -> None:
    """Raises when an id stands for another schedule; a delay says another time each time."""
    one, other = (fingerprint(each.topic, each.body, each.headers) for each in (there, new))
    timed = (there.timing.spec, there.timing.tz) == (new.timing.spec, new.timing.tz)
    once = new.timing.relative and not there.recurring
    if one != other or not (timed or once):
        raise Conflict(
            f"schedule id {new.id} is taken by one with another time, topic or body",
            hint=f"choose another id, or remove it first: pepperpy schedules rm {new.id}",
            context={"schedule": new.id},
        )


def _none(schedule_id: str) -> NotFound:
    return NotFound(
        f"no schedule {schedule_id}: it has fired, was removed or changed, or never was",
        hint="list them with: pepperpy schedules ls",
    )


async def wake_at(
    connection: Connection,
    prefix: str,
    *,
    topic: str,
    task_id: str,
    when: datetime,
    body: bytes,
    name: str,
) -> None:
    """Has the server resume a suspended task at a time; one that is past is now.

    Args:
        connection: The connection.
        prefix: The deployment's prefix.
        topic: The task's topic.
        task_id: The task.
        when: The time, by the server's clock.
        body: A `Resume` message.
        name: What the wake is forgotten by; a new one of the same name replaces it.

    Raises:
        BadName: The name is no token.
        BadUnit: The time has no time zone.
    """
    fields = {
        h.SCHEDULE: f"@at {format_time(when)}",
        h.SCHEDULE_TARGET: DUE_RESUME.of(prefix, topic=topic, id=task_id),
    }
    subject = SCHEDULE.of(prefix, id=name)
    await store(connection, subject, body, msg_id=new_id(), headers=fields)


async def forget_wake(connection: Connection, prefix: str, name: str) -> None:
    """Takes a wake back; one that is not there, or no more, is forgotten already."""
    subject = SCHEDULE.of(prefix, id=name)
    await store(connection, subject, b"", msg_id=new_id(), headers=_REPLACES, ttl=_GONE)
