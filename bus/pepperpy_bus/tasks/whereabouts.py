"""Where a task is that has not ended: scheduled, queued, behind its key, running, suspended."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias

import msgspec

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.streams.reading import Stored, read_as_stored
from pepperpy_bus.tasks.history import History
from pepperpy_bus.tasks.journal import Journal
from pepperpy_bus.tasks.scheduled import Schedule, read_schedule
from pepperpy_bus.tasks.wakes import wake_name
from pepperpy_schemas.catalog.sharding import SHARDED_TASK
from pepperpy_schemas.catalog.tasks import RESUME, SCHEDULE, TASK, TASK_BARE
from pepperpy_schemas.errors import BadName
from pepperpy_schemas.headers import ID, ROOT
from pepperpy_schemas.subjects import stream_name
from pepperpy_schemas.tokens import topic_of

Read: TypeAlias = Callable[[Connection, str, Mapping[str, Any]], Awaitable[Stored | None]]
"""Reads one message of a stream, from its leader or from any replica."""

_SAME: Final = timedelta(microseconds=10)
"""Times of one message that were read in two ways differ by less."""
_BARE: Final = re.compile(r"(.+)-([0-9]{1,18})")


class Kept(msgspec.Struct, frozen=True):
    """A message that would start a task, or go on with it.

    Attributes:
        stream: The stream that keeps it.
        message: The message.
    """

    stream: str
    message: Stored


class Whereabouts(msgspec.Struct, frozen=True):
    """A task as the broker knows it.

    Attributes:
        task_id: The task.
        topic: Its topic, without the lane.
        body: Its body.
        headers: Its headers, names in lower case.
        history: What its journal says.
        kept: The messages that would start it, or go on with it.
        schedule: What submits it later, or None.
        key: Its key, or empty.
    """

    task_id: str
    topic: str
    body: bytes
    headers: Mapping[str, str]
    history: History
    kept: list[Kept]
    schedule: Schedule | None = None
    key: str = ""

    @property
    def root(self) -> str:
        """Id of the first task of the family."""
        return self.headers.get(ROOT.lower(), "") or self.task_id


async def find_task(
    connection: Connection, prefix: str, task_id: str, read: Read
) -> Whereabouts | None:
    """Returns where a task is; None when the broker has nothing of it but perhaps its result.

    A task without an id in its subject whose header names one is found when it has a journal.

    Args:
        connection: The connection.
        prefix: The deployment's prefix.
        task_id: The task.
        read: How messages are read.
    """
    journal = Journal(connection, prefix, task_id, "")
    # One after the other in the order of a task's way: what moves on meanwhile is met later.
    schedule = await _scheduled(connection, prefix, task_id, read)
    keyed = await _last(connection, prefix, "KEYED", SHARDED_TASK.pattern(prefix, id=task_id), read)
    queued = await _queued(connection, prefix, task_id, read)
    resumes = RESUME.pattern(prefix, id=task_id)
    _, woken = await asyncio.gather(
        journal.read(), _last(connection, prefix, RESUME.stream, resumes, read)
    )
    kept = [one for one in (keyed, queued, woken) if one is not None]
    history, given = journal.history, journal.history.input
    first = queued or keyed
    key = "" if given is None else given.key
    if keyed is not None:
        key = SHARDED_TASK.parse(prefix, keyed.message.subject)["key"]
    if given is not None:
        topic, body, headers = given.topic, bytes(given.input), given.headers
    elif first is not None:
        message = first.message
        topic, body, headers = _topic(message.subject), message.body, dict(message.headers)
    elif schedule is not None:
        topic, body, headers = schedule.topic, schedule.body, dict(schedule.headers)
    else:
        return None
    return Whereabouts(task_id, topic, body, headers, history, kept, schedule, key)


async def is_under_way(
    connection: Connection, prefix: str, task_id: str, seq: int, queued: datetime
) -> bool:
    """Whether a task that was queued a second time still runs, or waits, because of the first.

    Args:
        connection: The connection.
        prefix: The deployment's prefix.
        task_id: The task.
        seq: Sequence number of its second message.
        queued: When that was queued first: one that was moved may still lie where it was.
    """
    tasks, schedules = stream_name(prefix, "TASKS"), stream_name(prefix, "SCHED")
    first, woken, wake = await asyncio.gather(
        read_as_stored(
            connection, tasks, {"next_by_subj": TASK.pattern(prefix, id=task_id), "seq": 1}
        ),
        _last(
            connection, prefix, RESUME.stream, RESUME.pattern(prefix, id=task_id), read_as_stored
        ),
        read_as_stored(
            connection, schedules, {"last_by_subj": SCHEDULE.of(prefix, id=wake_name(task_id))}
        ),
    )
    # What takes a forgotten wake's place for a second has no body.
    waits = wake is not None and bool(wake.body)
    before = first is not None and first.seq < seq and _stored(first) < queued - _SAME
    return waits or woken is not None or before


def _stored(message: Stored) -> datetime:
    return datetime.fromisoformat(message.time[:26].rstrip("Z") + "+00:00")


async def _scheduled(
    connection: Connection, prefix: str, task_id: str, read: Read
) -> Schedule | None:
    found = await _last(connection, prefix, "SCHED", SCHEDULE.of(prefix, id=task_id), read)
    return None if found is None else read_schedule(prefix, found.message)


async def _queued(connection: Connection, prefix: str, task_id: str, read: Read) -> Kept | None:
    found = await _last(connection, prefix, "TASKS", TASK.pattern(prefix, id=task_id), read)
    if found is not None:
        return found
    stream, bare = stream_name(prefix, "TASKS"), _BARE.fullmatch(task_id)
    if bare is None or bare[1] != stream:
        return None
    message = await read(connection, stream, {"seq": int(bare[2])})
    if message is None or ID.lower() in message.headers:
        return None
    try:
        TASK_BARE.parse(prefix, message.subject)
    except BadName:
        return None
    return Kept(stream, message)


async def _last(
    connection: Connection, prefix: str, suffix: str, subject: str, read: Read
) -> Kept | None:
    stream = stream_name(prefix, suffix)
    message = await read(connection, stream, {"last_by_subj": subject})
    return None if message is None else Kept(stream, message)


def _topic(subject: str) -> str:
    return topic_of(subject.split(".")[2])
