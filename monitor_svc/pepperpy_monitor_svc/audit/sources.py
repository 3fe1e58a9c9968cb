"""Where acts are told of: streams that are read from where the chain has come, without a gap.

A stream whose messages were removed unread, or that lost its end, gives an act of its own that says
so: what the log does not know stands in it.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from pepperpy_bus.events import event_subjects
from pepperpy_bus.link.connection import Connection
from pepperpy_bus.streams.delivery import Delivery
from pepperpy_bus.streams.follow import Follower, follow
from pepperpy_bus.streams.jetstream import api
from pepperpy_bus.streams.reading import read_directly
from pepperpy_bus.units import format_time, now, parse_time
from pepperpy_monitor_svc.audit.acts import (
    TOOL_VERBS,
    Act,
    act_of,
    moment,
    noted_of,
    task_act,
)
from pepperpy_schemas.audit import Place
from pepperpy_schemas.catalog.events import AUDIT
from pepperpy_schemas.catalog.server import NOTED
from pepperpy_schemas.catalog.tasks import ANSWER
from pepperpy_schemas.subjects import stream_name

_LOOKED_UP: Final = 64
"""Messages without a note that are looked for one by one; of more it is said how many they are."""
_NOTING: Final = ("TASKS", "KEYED", "CANCELS")


class Source(msgspec.Struct, frozen=True):
    """A stream that tells of acts.

    Attributes:
        stream: Its name.
        subjects: What of it is read.
        whole: Whether every message of it is read, so that a missing number is a missing message.
    """

    stream: str
    subjects: tuple[str, ...]
    whole: bool = True


def sources(prefix: str) -> list[Source]:
    """Returns the streams of a deployment that tell of acts."""
    tools = [one for verb in TOOL_VERBS for one in event_subjects(prefix, f"tool.{verb}")]
    return [
        Source(stream_name(prefix, "AUDIT"), (f"{_root(AUDIT.template, prefix)}.>",)),
        Source(stream_name(prefix, "NOTED"), (f"{NOTED.format(p=prefix)}.>",)),
        Source(stream_name(prefix, "ANSWERS"), (ANSWER.pattern(prefix),), whole=False),
        Source(stream_name(prefix, "EVENTS"), tuple(tools), whole=False),
    ]


async def opened(
    connection: Connection, source: Source, place: Place | None
) -> tuple[Follower, list[Act]]:
    """Returns a follower from a place on, and what is to be said of what is not there any more."""
    if place is None:
        return follow(connection, source.stream, source.subjects), []
    info = await api(connection, f"STREAM.INFO.{source.stream}")
    last, since = int(info["state"]["last_seq"]), parse_time(place.time)
    is_another = parse_time(info["created"]) > since
    if last < place.seq or is_another:
        # Another stream of the name, or one that lost its end: its numbers come again.
        first, why = (1, "begun anew") if is_another else (last + 1, "lost")
        lost = _gap(source.stream, format_time(now()), first, place.seq, why)
        return follow(connection, source.stream, source.subjects, since=since), [lost]
    return follow(connection, source.stream, source.subjects, from_seq=place.seq + 1), []


class Reader:
    """Makes acts of what one stream delivers, and knows how far it is.

    Args:
        connection: The connection.
        prefix: The deployment's prefix.
        source: The stream.
        read: How far each stream was read.
    """

    def __init__(
        self, connection: Connection, prefix: str, source: Source, read: dict[str, Place]
    ) -> None:
        self._connection = connection
        self._prefix = prefix
        self._source = source
        self._place = read.get(source.stream)
        # In any other stream the headers of a note are only what some sender has written.
        is_notes = source.stream == stream_name(prefix, "NOTED")
        noting = [stream_name(prefix, one) for one in _NOTING] if is_notes else []
        self._noted = {one: read[one].seq for one in noting if one in read}
        self._noting = frozenset(noting)

    async def acts(
        self, deliveries: Sequence[Delivery]
    ) -> list[tuple[list[Act], dict[str, Place]]]:
        """Returns for each message the acts that it tells of, and how far what was read then."""
        found = []
        for delivery in deliveries:
            if self._is_old(delivery):
                continue
            acts = list(self._gaps(delivery))
            acts += await self._unnoted(delivery)
            act = act_of(self._prefix, delivery)
            acts += [] if act is None else [act]
            self._place = Place(delivery.seq, moment(delivery.time_ns))
            found.append((acts, {self._source.stream: self._place, **self._origin(delivery)}))
        return found

    def _is_old(self, delivery: Delivery) -> bool:
        """Whether it was read before its stream lost its end."""
        place = self._place
        return (
            place is not None
            and delivery.seq <= place.seq
            and moment(delivery.time_ns) <= place.time
        )

    def _gaps(self, delivery: Delivery) -> Iterator[Act]:
        place = self._place
        if self._source.whole and place is not None and delivery.seq > place.seq + 1:
            at = moment(delivery.time_ns)
            last = delivery.seq - 1
            yield _gap(self._source.stream, at, place.seq + 1, last, "removed unread")

    def _origin(self, delivery: Delivery) -> dict[str, Place]:
        """How far the stream is whose message is noted."""
        stream, seq = noted_of(delivery)
        if stream not in self._noting:
            return {}
        self._noted[stream] = seq
        return {stream: Place(seq)}

    async def _unnoted(self, delivery: Delivery) -> list[Act]:
        """What was stored without a note since the last one: it has the server's own headers.

        The server makes no note of what a schedule submits, nor of a message whose sender asks for
        what the stream of notes does not do.
        """
        stream, seq = noted_of(delivery)
        before = self._noted.get(stream, seq)
        first, last = before + 1, seq - 1
        if stream not in self._noting or first > last:
            return []
        at = moment(delivery.time_ns)
        if last - first >= _LOOKED_UP:
            return [_unnoted(stream, at, first, last)]
        acts: list[Act] = []
        for number in range(first, last + 1):
            found = await read_directly(self._connection, stream, {"seq": number})
            if found is None:
                acts.append(_unnoted(stream, at, number, number))
                continue
            subject = found.subject.removeprefix(f"{self._prefix}.")
            act = task_act(
                subject, found.headers, at=at, stream=stream, seq=number, size=len(found.body)
            )
            acts += [] if act is None else [act]
        return acts


def _gap(stream: str, at: str, first: int, last: int, why: str) -> Act:
    return Act(
        at=at,
        claimed=False,
        action="gap",
        target=stream,
        data={"first": first, "last": last, "why": why},
        source=f"{stream}:{first}",
    )


def _unnoted(stream: str, at: str, first: int, last: int) -> Act:
    return Act(
        at=at,
        action="unnoted",
        target=f"{stream}-{first}",
        data={"messages": last - first + 1},
        source=f"{stream}:{first}",
    )


def _root(template: str, prefix: str) -> str:
    return template.partition(".{principal}")[0].format(p=prefix)
