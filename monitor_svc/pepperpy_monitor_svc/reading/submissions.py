"""What was submitted and waits: read from the queues themselves, of which nobody else may be told.

Whoever publishes a task without our client raises no event, and a queue can have no second
consumer. A plain subscription would be told of each task, but the server makes publishers wait for
a subscriber that reads too slowly. So the queues are looked at, again and again, from the last task
that was seen: what is gone by then was taken by a worker, whose events and results tell of it.
"""

import asyncio
from collections.abc import Mapping
from typing import Final, Protocol

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.logs import get_log
from pepperpy_bus.streams.jetstream import api
from pepperpy_bus.streams.reading import Stored, read_on
from pepperpy_bus.units import parse_time
from pepperpy_schemas.errors import NotFound, PepperError
from pepperpy_schemas.headers import ID
from pepperpy_schemas.tokens import TOKEN, topic_of

log = get_log("pepperpy.monitor")

EVERY: Final = 0.5
"""Seconds between two looks."""
BATCH: Final = 256
"""Tasks that are read at once."""
HORIZON: Final = 20_000
"""Waiting tasks that are looked at, the newest; of more only the broker's figures tell."""
_ID: Final = ID.lower()


class Submitted(Protocol):
    """Takes a task that waits."""

    def __call__(self, topic: str, task_id: str, at: float, headers: Mapping[str, str]) -> None:
        """Takes it: its topic, id, when the server stored it, and its headers in lower case."""


class QueueReader:
    """Looks at one queue while `run` runs.

    Attributes:
        stream: The queue.
        skipped: Tasks that came and were not looked at: too many of them waited.

    Args:
        connection: The connection.
        stream: The queue.
        take: Called with each task that is new.
    """

    def __init__(self, connection: Connection, stream: str, take: Submitted) -> None:
        self.stream = stream
        self.skipped = 0
        self._connection = connection
        self._take = take
        self._next = 0
        self._created = ""

    async def run(self) -> None:
        """Looks until it is cancelled."""
        while True:
            try:
                await self._look()
            except NotFound:
                log.debug("monitor.no_queue", stream=self.stream)
            except PepperError as error:
                if self._connection.closed:
                    raise
                log.warning("monitor.cannot_look", stream=self.stream, error=str(error))
            await asyncio.sleep(EVERY)

    async def _look(self) -> None:
        info = await api(self._connection, f"STREAM.INFO.{self.stream}")
        last = info["state"]["last_seq"]
        if info["created"] != self._created or last + 1 < self._next:
            self._created, self._next = info["created"], 1
        first = max(info["state"]["first_seq"], last - HORIZON + 1)
        self.skipped += max(0, first - self._next) if self._next > 1 else 0
        self._next = max(self._next, first)
        while self._next <= last:
            found = await read_on(self._connection, self.stream, self._next, limit=BATCH)
            if not found:
                self._next = last + 1
            for one in found:
                self._tell(one)
                self._next = one.seq + 1

    def _tell(self, one: Stored) -> None:
        place = task_place(self.stream, one)
        if place is not None:
            topic, task_id = place
            self._take(topic, task_id, parse_time(one.time).timestamp(), one.headers)


def task_place(stream: str, queued: Stored) -> tuple[str, str] | None:
    """Returns topic and id of a queued task, as the worker that takes it will call it.

    Args:
        stream: Its queue, which names a task without an id of its own.
        queued: On ``pp.task.<topic>[.<id>]``, or ``pp.sh.<topic>.<shard>.<key>.<id>``.

    Returns:
        None when its subject is no task's.
    """
    named = queued.headers.get(_ID, "")
    match queued.subject.split(".")[1:]:
        case ["task", lane]:
            pass
        case ["task", lane, last] | ["sh", lane, _, _, last]:
            named = named or last
        case _:
            return None
    return topic_of(lane), named if TOKEN.fullmatch(named) else f"{stream}-{queued.seq}"
