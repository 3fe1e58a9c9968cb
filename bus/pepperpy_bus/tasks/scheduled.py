"""A scheduled task and the message that keeps it: what each says of the other."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec

from pepperpy_bus.streams.reading import Stored
from pepperpy_bus.tasks.timing import Timing
from pepperpy_bus.units import now, parse_time
from pepperpy_schemas import headers as h
from pepperpy_schemas.catalog.tasks import DUE_TASK, DUE_TASK_BARE, SCHEDULE
from pepperpy_schemas.errors import BadName
from pepperpy_schemas.tokens import HIGH_LANE, topic_of

# A task that comes again and again is no part of what its first submission belonged to.
_NOT_REPEATED: Final = frozenset(
    name.lower() for name in (h.ID, h.REPLY_TO, h.TRACEPARENT, h.TRACESTATE)
)


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """A task that the server submits later, once or again and again.

    Attributes:
        id: Its id; that of the task when it fires once.
        topic: The task's topic.
        timing: When it fires.
        paused: Whether it is kept without firing.
        stored: When it was made, or last paused or resumed.
        body: The task's body.
        headers: The task's headers, names in lower case.
        seq: Its sequence number.
    """

    id: str
    topic: str
    timing: Timing
    paused: bool
    stored: datetime
    body: bytes
    headers: Mapping[str, str]
    seq: int

    @property
    def recurring(self) -> bool:
        """Whether it fires again and again, each time a task of its own."""
        return self.timing.at is None

    @property
    def priority(self) -> str:
        """The task's priority, ``normal`` or ``high``."""
        return self.headers.get(h.PRIORITY.lower(), "normal")

    @property
    def source(self) -> str:
        """Who says to have made it."""
        return self.headers.get(h.SOURCE.lower(), "")

    def next(self, since: datetime | None = None) -> datetime | None:
        """Returns when it fires next; None while it is paused, or when that cannot be told.

        Args:
            since: The time from which to look; now by default.
        """
        return None if self.paused else self.timing.next(self.stored, since or now())

    def fields(self, prefix: str) -> dict[str, str]:
        """Returns the headers of the message that keeps it."""
        lane = self.topic + HIGH_LANE if self.priority == "high" else self.topic
        fields = h.unfold(self.headers)
        if self.recurring:
            fields = {k: v for k, v in fields.items() if k.lower() not in _NOT_REPEATED}
            fields[h.SCHEDULE_ID] = self.id
            fields[h.SCHEDULE_TARGET] = DUE_TASK_BARE.of(prefix, topic=lane)
        else:
            # With its id a worker looks for an earlier result, should the task come twice.
            fields[h.ID] = self.id
            fields[h.SCHEDULE_TARGET] = DUE_TASK.of(prefix, topic=lane, id=self.id)
        fields[h.PAUSED if self.paused else h.SCHEDULE] = self.timing.spec
        # The server sets it where it knows of a schedule.
        fields[h.ROLLUP] = "sub"
        return fields | ({h.SCHEDULE_TIME_ZONE: self.timing.tz} if self.timing.tz else {})


def read_schedule(prefix: str, stored: Stored) -> Schedule | None:
    """Returns the scheduled task that a message keeps, or None when it keeps something else."""
    fields = stored.headers
    spec, paused = fields.get(h.SCHEDULE.lower()), fields.get(h.PAUSED.lower())
    lane = _lane(prefix, fields.get(h.SCHEDULE_TARGET.lower(), ""))
    if not lane or not (spec or paused):
        return None
    own = (h.PAUSED.lower(), h.SCHEDULE.lower())
    return Schedule(
        id=SCHEDULE.parse(prefix, stored.subject)["id"],
        topic=topic_of(lane),
        timing=Timing(spec or paused or "", fields.get(h.SCHEDULE_TIME_ZONE.lower(), "")),
        paused=not spec,
        stored=parse_time(stored.time),
        body=stored.body,
        headers={k: v for k, v in h.from_user(fields).items() if k not in own},
        seq=stored.seq,
    )


def _lane(prefix: str, target: str) -> str:
    for subject in (DUE_TASK, DUE_TASK_BARE):
        try:
            return subject.parse(prefix, target)["topic"]
        except BadName:
            continue
    return ""
