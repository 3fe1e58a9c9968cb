"""What the server publishes later: it keeps the schedules itself, so no process has to wait."""

from datetime import datetime
from typing import Final

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.streams.jetstream import store
from pepperpy_bus.units import format_time
from pepperpy_schemas import headers as h
from pepperpy_schemas.catalog import DUE_RESUME, SCHEDULE
from pepperpy_schemas.tokens import new_id

_GONE: Final = "1s"
"""How long what takes a removed schedule's place is kept; the server knows no shorter time."""


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
    await _clear(connection, SCHEDULE.of(prefix, id=name))


async def _clear(connection: Connection, subject: str) -> None:
    # To publish is all that every role may do here; a rollup purges without the permission to.
    await store(connection, subject, b"", msg_id=new_id(), headers={h.ROLLUP: "sub"}, ttl=_GONE)
