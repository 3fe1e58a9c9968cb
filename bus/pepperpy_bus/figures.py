"""How a deployment is right now: topics, instances and recent events, from the broker.

A figure that this user may not read is None; the rest is shown all the same.
"""

import asyncio
import time
from collections.abc import Awaitable
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from pepperpy_bus.client import Client
from pepperpy_bus.events import Heard
from pepperpy_bus.streams.figures import consumers_of
from pepperpy_bus.streams.jetstream import api
from pepperpy_bus.streams.reading import message_at
from pepperpy_bus.units import now, parse_time
from pepperpy_schemas.catalog.events import EVENT, EVENT_HIGH
from pepperpy_schemas.catalog.tasks import DEAD_LETTER, TASK, TASK_BARE
from pepperpy_schemas.errors import BadName, NotFound, PepperError, PermissionDenied
from pepperpy_schemas.messages import AgentInstance
from pepperpy_schemas.subjects import stream_name
from pepperpy_schemas.tokens import HIGH_LANE, topic_of

RECENT = 10
"""Events shown."""
MAX_SUBJECTS = 20_000
"""Waiting tasks above which those without a consumer are not counted by topic."""

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
        self._settled: dict[str, int] = {}
        self._looked = 0.0
        self._denied: dict[str, None] = {}

    async def look(self) -> Figures:
        """Returns the figures of this moment."""
        client = self._client
        consumers, letters, instances, schemas, events = await asyncio.gather(
            self._allowed("consumers", self._consumers()),
            self._allowed("dead letters", self._dead_letters()),
            self._allowed("instances", client.registry.instances()),
            self._allowed("schemas", client.schemas.all()),
            self._allowed("events", self._events()),
        )
        lanes = _by_topic(consumers or [])
        bare = await self._allowed("tasks", self._without_consumer(lanes)) or {}
        names = {*lanes, *bare, *(letters or {}), *(one.topic for one in schemas or [])}
        names |= {topic for one in instances or [] for topic in one.topics}
        rates = self._rates(lanes)
        topics = [
            TopicFigures(
                name,
                waiting=sum(int(c["num_pending"]) for c in lanes.get(name, ())) + bare.get(name, 0),
                in_flight=sum(int(c["num_ack_pending"]) for c in lanes.get(name, ())),
                done_per_s=rates.get(name),
                failed=None if letters is None else letters.get(name, 0),
                workers=sum(name in one.topics for one in instances or []),
                pulls=sum(int(c.get("num_waiting", 0)) for c in lanes.get(name, ())),
            )
            for name in sorted(names)
        ]
        return Figures(
            at=now(),
            server=client.connection.server,
            topics=[await self._aged(one) for one in topics],
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

    async def _consumers(self) -> list[dict[str, Any]]:
        return await consumers_of(self._client.connection, self._stream("TASKS"))

    async def _dead_letters(self) -> dict[str, int]:
        subject = DEAD_LETTER.pattern(self._client.prefix)
        info = await self._stream_info("DLQ", subjects_filter=subject)
        counts = (info["state"].get("subjects") or {}).items()
        return {subject.rsplit(".", 1)[1]: int(count) for subject, count in counts}

    async def _without_consumer(self, lanes: dict[str, list[dict[str, Any]]]) -> dict[str, int]:
        """Tasks of topics that never had a worker: only the stream knows of them."""
        state = (await self._stream_info("TASKS"))["state"]
        known = sum(c["num_pending"] + c["num_ack_pending"] for cs in lanes.values() for c in cs)
        if state["messages"] <= known or state.get("num_subjects", 0) > MAX_SUBJECTS:
            return {}
        tree = TASK_BARE.of(self._client.prefix, topic="x").removesuffix("x") + ">"
        state = (await self._stream_info("TASKS", subjects_filter=tree))["state"]
        waiting: dict[str, int] = {}
        for subject, count in (state.get("subjects") or {}).items():
            topic = topic_of(subject.split(".")[2])
            if topic not in lanes:
                waiting[topic] = waiting.get(topic, 0) + int(count)
        return waiting

    async def _events(self) -> list[Heard]:
        last = int((await self._stream_info("EVENTS"))["state"]["last_seq"])
        stream = self._stream("EVENTS")
        numbers = range(max(1, last - RECENT + 1), last + 1)
        reads = (message_at(self._client.connection, stream, n) for n in numbers)
        stored = await asyncio.gather(*reads)
        found = [_heard(self._client.prefix, s.subject, s.body, s.seq) for s in stored if s]
        return [one for one in found if one is not None]

    async def _aged(self, one: TopicFigures) -> TopicFigures:
        """The topic with the age of its oldest task, where the tasks may be read."""
        if not (one.waiting or one.in_flight) or "ages" in self._denied:
            return one
        prefix, lanes = self._client.prefix, (one.topic, one.topic + HIGH_LANE)
        subjects = [TASK_BARE.of(prefix, topic=lane) for lane in lanes]
        subjects += [TASK.pattern(prefix, topic=lane) for lane in lanes]
        moments = [await self._allowed("ages", self._first(subject)) for subject in subjects]
        ages = [(now() - moment).total_seconds() for moment in moments if moment]
        return msgspec.structs.replace(one, oldest_s=max(ages, default=None))

    async def _first(self, subject: str) -> datetime:
        request = {"seq": 1, "next_by_subj": subject}
        answer = await api(
            self._client.connection, f"STREAM.MSG.GET.{self._stream('TASKS')}", request
        )
        return parse_time(answer["message"]["time"])

    def _rates(self, lanes: dict[str, list[dict[str, Any]]]) -> dict[str, float]:
        moment, before, then = time.monotonic(), self._settled, self._looked
        self._looked = moment
        self._settled = {
            name: sum(int(c["delivered"]["consumer_seq"]) - int(c["num_ack_pending"]) for c in cs)
            for name, cs in lanes.items()
        }
        return {
            name: max(0, count - before.get(name, 0)) / (moment - then)
            for name, count in self._settled.items()
            if then
        }

    async def _stream_info(self, suffix: str, **request: object) -> dict[str, Any]:
        action = f"STREAM.INFO.{self._stream(suffix)}"
        return await api(self._client.connection, action, request or None)

    def _stream(self, suffix: str) -> str:
        return stream_name(self._client.prefix, suffix)


def _by_topic(consumers: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The consumers of tasks, both lanes under the topic's name."""
    lanes: dict[str, list[dict[str, Any]]] = {}
    for one in consumers:
        if one["name"].startswith("w_"):
            topic = topic_of(one["name"].removeprefix("w_"))
            lanes.setdefault(topic, []).append(one)
    return lanes


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
