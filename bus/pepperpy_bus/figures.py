"""How a deployment is right now: topics, instances and recent events, from the broker.

A figure that this user may not read is None; the rest is shown all the same.
"""

import asyncio
import time
from collections.abc import Awaitable, Mapping
from datetime import datetime
from typing import TypeVar

import msgspec

from pepperpy_bus.client import Client
from pepperpy_bus.events import Heard
from pepperpy_bus.streams.behind import Behind
from pepperpy_bus.streams.jetstream import api
from pepperpy_bus.streams.reading import message_at
from pepperpy_bus.units import now
from pepperpy_schemas.catalog.events import EVENT, EVENT_HIGH
from pepperpy_schemas.errors import BadName, NotFound, PepperError, PermissionDenied
from pepperpy_schemas.messages import AgentInstance
from pepperpy_schemas.monitor import TopicFigures as Queue
from pepperpy_schemas.subjects import stream_name

RECENT = 10
"""Events shown."""

T = TypeVar("T")


class TopicFigures(msgspec.Struct, frozen=True):
    """One topic, its high-priority lane included.

    Attributes:
        topic: Its name.
        waiting: Tasks that no worker has yet.
        in_flight: Tasks that a worker has.
        done_per_s: Tasks settled per second since the last look.
        failed: Dead letters that are there.
        oldest_s: Age of the oldest unfinished task, in seconds.
        workers: Live instances that say they work on it.
        pulls: Open requests for its tasks, those of foreign workers too.
    """

    topic: str
    waiting: int = 0
    in_flight: int = 0
    done_per_s: float | None = None
    failed: int | None = None
    oldest_s: float | None = None
    workers: int = 0
    pulls: int = 0


class Figures(msgspec.Struct, frozen=True):
    """Everything at one moment.

    Attributes:
        at: When.
        server: The broker.
        topics: By name.
        instances: The live agents' instances.
        events: The last ones, the oldest first.
        denied: What this user may not read.
    """

    at: datetime
    server: str
    topics: list[TopicFigures]
    instances: list[AgentInstance]
    events: list[Heard]
    denied: list[str]


class Looker:
    """Looks at a deployment again and again; rates are between two looks."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._behind = Behind(client.connection, client.prefix)
        self._settled: dict[str, int] = {}
        self._looked = 0.0
        self._denied: dict[str, None] = {}

    async def look(self) -> Figures:
        """Returns the figures of this moment."""
        client = self._client
        queues, instances, schemas, events = await asyncio.gather(
            self._allowed("queues", self._behind.look()),
            self._allowed("instances", client.registry.instances()),
            self._allowed("schemas", client.schemas.all()),
            self._allowed("events", self._events()),
        )
        behind = {one.topic: one for one in queues or []}
        names = {*behind, *(one.topic for one in schemas or [])}
        names |= {topic for one in instances or [] for topic in one.topics}
        rates = self._rates(behind)
        topics = []
        for name in sorted(names):
            one = behind.get(name) or Queue(topic=name)
            topics.append(
                TopicFigures(
                    name,
                    waiting=one.waiting,
                    in_flight=one.in_hand,
                    done_per_s=rates.get(name),
                    failed=None if queues is None else one.letters or 0,
                    oldest_s=one.oldest_s,
                    workers=sum(name in one.topics for one in instances or []),
                    pulls=one.pulls,
                )
            )
        return Figures(
            at=now(),
            server=client.connection.server,
            topics=topics,
            instances=instances or [],
            events=events or [],
            denied=list(self._denied),
        )

    async def _allowed(self, what: str, reading: Awaitable[T]) -> T | None:
        """What was read, or None when it may not be, or is not there (yet)."""
        try:
            return await reading
        except PermissionDenied:
            self._denied[what] = None
        except NotFound:
            pass
        return None

    async def _events(self) -> list[Heard]:
        connection, stream = self._client.connection, stream_name(self._client.prefix, "EVENTS")
        last = int((await api(connection, f"STREAM.INFO.{stream}"))["state"]["last_seq"])
        numbers = range(max(1, last - RECENT + 1), last + 1)
        stored = await asyncio.gather(*(message_at(connection, stream, n) for n in numbers))
        found = [_heard(self._client.prefix, s.subject, s.body, s.seq) for s in stored if s]
        return [one for one in found if one is not None]

    def _rates(self, behind: Mapping[str, Queue]) -> dict[str, float]:
        moment, before, then = time.monotonic(), self._settled, self._looked
        self._looked = moment
        # Topics that have no consumer settle nothing, and have no rate.
        self._settled = {name: one.settled for name, one in behind.items()}
        return {
            name: max(0, count - before.get(name, 0)) / (moment - then)
            for name, count in self._settled.items()
            if then
        }


def _heard(prefix: str, subject: str, body: bytes, seq: int) -> Heard | None:
    for kind in (EVENT_HIGH, EVENT):
        try:
            tokens = kind.parse(prefix, subject)
            return Heard(**tokens, event=kind.decode(body), seq=seq)
        except BadName:
            continue
        except PepperError:
            return None
    return None
