"""Time that passes at once: clocks of a test's workers go ahead, and what is due then is fired.

The broker's own clock cannot be moved. What the broker measures by it stays as it is: the pauses
between attempts, how long a message may be worked on, and when stored things expire.
"""

import contextlib
from collections.abc import Iterator
from datetime import datetime, timedelta

from pepperpy_bus.client import Client
from pepperpy_bus.streams.clock import AHEAD, ServerClock
from pepperpy_bus.streams.jetstream import store
from pepperpy_bus.streams.reading import Stored, all_on
from pepperpy_bus.tasks.scheduled import Schedule, read_schedule
from pepperpy_bus.tasks.wakes import wake
from pepperpy_bus.units import Duration, parse_duration, parse_time
from pepperpy_schemas import headers as h
from pepperpy_schemas.catalog.tasks import DUE_RESUME, RESUME, SCHEDULE, TASK
from pepperpy_schemas.errors import BadConfig, BadName
from pepperpy_schemas.subjects import stream_name
from pepperpy_schemas.tokens import HIGH_LANE, new_id

_MOST = 100_000
_TIMES = 1_000
"""Times that one recurring schedule fires in one step; more is a slip."""


class Passing:
    """How far a test's clocks are ahead of the broker's."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    @contextlib.contextmanager
    def clocks(self) -> Iterator[None]:
        """Has the clocks that are made in its context go by this time."""
        token = AHEAD.set(lambda: self._ahead // timedelta(microseconds=1) * 1000)
        try:
            yield
        finally:
            AHEAD.reset(token)

    async def advance(self, client: Client, duration: Duration) -> list[str]:
        """Lets time pass, and fires what has become due; returns the ids of tasks that began.

        Args:
            client: The client.
            duration: How long.

        Raises:
            BadConfig: A schedule would fire more often than 1,000 times.
        """
        with self.clocks():
            clock = ServerClock(client.connection, client.prefix)
        await clock.sync()
        before = clock.now()
        self._ahead += timedelta(seconds=parse_duration(duration))
        after = clock.now()
        stream = stream_name(client.prefix, SCHEDULE.stream)
        stored = await all_on(
            client.connection, stream, SCHEDULE.pattern(client.prefix), limit=_MOST
        )
        began: list[str] = []
        for one in stored:
            schedule = read_schedule(client.prefix, one)
            if schedule is not None:
                began += await _submit_due(client, schedule, before, after)
            else:
                await _wake_due(client, one, after)
        return began


async def _wake_due(client: Client, stored: Stored, after: datetime) -> None:
    """Wakes a suspended task whose wait ends by now."""
    spec = stored.headers.get(h.SCHEDULE.lower(), "")
    try:
        target = DUE_RESUME.parse(client.prefix, stored.headers[h.SCHEDULE_TARGET.lower()])
    except (BadName, KeyError):
        return
    if parse_time(spec.removeprefix("@at ")) <= after:
        await wake(
            client.connection,
            client.prefix,
            topic=target["topic"],
            task_id=target["id"],
            resume=RESUME.decode(stored.body),
        )


async def _submit_due(
    client: Client, schedule: Schedule, before: datetime, after: datetime
) -> list[str]:
    """Submits the tasks of a schedule that are due by now, as the broker would."""
    if schedule.paused:
        return []
    if not schedule.recurring:
        due = schedule.timing.at
        if due is None or due > after:
            return []
        await client.schedules.remove(schedule.id)
        return [await _submit(client, schedule, schedule.id)]
    began: list[str] = []
    moment = schedule.next(before)
    while moment is not None and moment <= after:
        if len(began) == _TIMES:
            raise BadConfig(
                f"schedule {schedule.id} would fire more than {_TIMES} times",
                hint="advance by less at a time",
            )
        began.append(await _submit(client, schedule, new_id()))
        moment = schedule.next(moment + timedelta(microseconds=1))
    return began


async def _submit(client: Client, schedule: Schedule, task_id: str) -> str:
    lane = schedule.topic + HIGH_LANE if schedule.priority == "high" else schedule.topic
    named = {} if schedule.recurring else {h.ID: task_id}
    await store(
        client.connection,
        TASK.of(client.prefix, topic=lane, id=task_id),
        schedule.body,
        msg_id=task_id,
        headers=h.unfold(schedule.headers) | named,
    )
    return task_id
