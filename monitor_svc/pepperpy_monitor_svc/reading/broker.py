"""The broker's own figures: its streams, their consumers, and for how long messages wait there."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Final

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.logs import get_log
from pepperpy_bus.streams.figures import account, consumers_of, subjects_of
from pepperpy_bus.streams.jetstream import api
from pepperpy_bus.streams.reading import read_directly
from pepperpy_bus.trust.grants import BUCKETS, COMMANDS, LOGS, WORK_QUEUES
from pepperpy_bus.units import parse_time
from pepperpy_monitor_svc.reading.queues import (
    consumer_row,
    merged,
    queue_of,
    topic_of_consumer,
    uncovered,
)
from pepperpy_schemas.errors import NotFound, PepperError
from pepperpy_schemas.monitor import BrokerFigures, ConsumerRow, StreamRow, TopicFigures
from pepperpy_schemas.subjects import bucket_name, stream_name
from pepperpy_schemas.tokens import topic_of

log = get_log("pepperpy.monitor")

EVERY: Final = 5.0
"""Seconds between two looks."""
AGES: Final = 64
"""Consumers whose oldest message is looked up in one look: those that have the most to do."""
SUBJECTS: Final = 20_000
"""Subjects of a stream above which its messages are not counted by topic."""

Complete = Callable[[BrokerFigures], Awaitable[BrokerFigures]]
"""Adds what is known of the server itself."""


class BrokerReader:
    """Looks at the broker while `run` runs.

    Args:
        connection: The connection.
        prefix: The deployment's prefix.
        take: Called with the figures of each look, and when it was, seconds since the epoch.
        complete: Adds what is known of the server itself; nothing by default.
    """

    def __init__(
        self,
        connection: Connection,
        prefix: str,
        take: Callable[[BrokerFigures, float], None],
        complete: Complete | None = None,
    ) -> None:
        self._connection = connection
        self._take = take
        self._complete = complete
        self._queues = [stream_name(prefix, each) for each in ("TASKS", "KEYED")]
        self._letters = stream_name(prefix, "DLQ")
        self._streams = [
            *(stream_name(prefix, each) for each in (*WORK_QUEUES, *LOGS, *COMMANDS)),
            *(f"KV_{bucket_name(prefix, each)}" for each in BUCKETS),
            f"OBJ_{bucket_name(prefix, 'blobs')}",
        ]
        self._before: dict[str, tuple[int, float]] = {}

    async def run(self) -> None:
        """Looks until it is cancelled; that the broker is away is told, too."""
        while True:
            try:
                figures = await self.look()
            except PepperError as error:
                log.debug("monitor.no_figures", error=str(error))
                figures = BrokerFigures(connected=self._connection.connected)
            if self._complete is not None:
                figures = await self._complete(figures)
            self._take(figures, time.time())
            await asyncio.sleep(EVERY)

    async def look(self) -> BrokerFigures:
        """Returns the figures of this moment.

        Raises:
            PepperError: The broker does not answer.
        """
        began = time.monotonic()
        held = await account(self._connection)
        rtt = time.monotonic() - began
        streams: list[StreamRow] = []
        queues: list[TopicFigures] = []
        for name in self._streams:
            try:
                info = await api(self._connection, f"STREAM.INFO.{name}")
                rows = await self._consumers(name, info)
            except NotFound:
                continue
            streams.append(self._row(info, rows))
            if name in self._queues:
                queues += [one for one in map(queue_of, rows) if one is not None]
                queues += await self._uncovered(info, rows)
        return BrokerFigures(
            connected=True,
            version=self._connection.server_version,
            storage_bytes=held.storage.used,
            storage_limit=held.storage.limit if held.storage.limit >= 0 else None,
            rtt_ms=round(rtt * 1e3, 3),
            streams=streams,
            topics=merged(queues, await self._letters_by_topic()),
        )

    def _row(self, info: dict[str, Any], consumers: list[ConsumerRow]) -> StreamRow:
        config, state, name = info["config"], info["state"], info["config"]["name"]
        last, now = state["last_seq"], parse_time(info["ts"])
        before, then = self._before.get(name, (last, 0.0))
        moment = time.monotonic()
        self._before[name] = (last, moment)
        replicas = (info.get("cluster") or {}).get("replicas")
        return StreamRow(
            name=name,
            messages=state["messages"],
            bytes=state["bytes"],
            max_messages=_limit(config.get("max_msgs", -1)),
            max_bytes=_limit(config.get("max_bytes", -1)),
            first_seq=state["first_seq"],
            last_seq=last,
            oldest_s=_age(now, state["first_ts"]) if state["messages"] else None,
            rate=round(max(0, last - before) / (moment - then), 3) if then else 0.0,
            consumers=consumers,
            replicas=None if replicas is None else sum(bool(one["current"]) for one in replicas),
        )

    async def _consumers(self, stream: str, info: dict[str, Any]) -> list[ConsumerRow]:
        """The durable ones: followers come and go, and nobody waits for what they do.

        Buckets have none, and only the operator may list theirs.
        """
        if not info["state"]["consumer_count"] or stream.startswith(("KV_", "OBJ_")):
            return []
        found = [one for one in await consumers_of(self._connection, stream) if _lasts(one)]
        busy = sorted((one for one in found if _to_do(one)), key=_to_do, reverse=True)[:AGES]
        now = parse_time(info["ts"])
        ages = {one["name"]: await self._oldest(stream, one, now) for one in busy}
        return [consumer_row(one, ages.get(one["name"])) for one in found]

    async def _oldest(self, stream: str, info: dict[str, Any], now: datetime) -> float | None:
        """The age of the first message that a consumer has not settled."""
        config, first = info["config"], info["ack_floor"]["stream_seq"] + 1
        filters = config.get("filter_subjects") or [config.get("filter_subject") or ">"]
        ages = [await self._age(stream, subject, first, now) for subject in filters]
        return max((age for age in ages if age is not None), default=None)

    async def _age(self, stream: str, subject: str, first: int, now: datetime) -> float | None:
        """The age of the first message on a subject from a number on."""
        query = {"seq": first, "next_by_subj": subject}
        stored = await read_directly(self._connection, stream, query)
        return None if stored is None else _age(now, stored.time)

    async def _uncovered(
        self, info: dict[str, Any], consumers: Sequence[ConsumerRow]
    ) -> list[TopicFigures]:
        state, known = info["state"], sum(one.pending + one.in_hand for one in consumers)
        if state["messages"] <= known or state.get("num_subjects", 0) > SUBJECTS:
            return []
        subjects = await subjects_of(self._connection, info["config"]["name"])
        found = uncovered(subjects, (topic_of_consumer(one.name) for one in consumers))
        now, first = parse_time(info["ts"]), state["first_seq"]
        rows: list[TopicFigures] = []
        for n, (pattern, waiting) in enumerate(found.items()):
            topic = topic_of(pattern.split(".")[2])
            name = info["config"]["name"]
            age = await self._age(name, pattern, first, now) if n < AGES else None
            rows.append(TopicFigures(topic=topic, waiting=waiting, oldest_s=age))
        return rows

    async def _letters_by_topic(self) -> dict[str, int]:
        try:
            counts = await subjects_of(self._connection, self._letters)
        except NotFound:
            return {}
        return {subject.rpartition(".")[2]: count for subject, count in counts.items()}


def _lasts(info: dict[str, Any]) -> bool:
    return bool(info["config"].get("durable_name"))


def _to_do(info: dict[str, Any]) -> int:
    return int(info.get("num_pending", 0) + info.get("num_ack_pending", 0))


def _limit(value: int) -> int | None:
    return value if value >= 0 else None


def _age(now: datetime, then: str) -> float:
    return round(max(0.0, (now - parse_time(then)).total_seconds()), 3)
