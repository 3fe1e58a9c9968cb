"""How far workers are behind: what waits in the queues, read from the broker."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.streams.figures import consumers_of, subjects_of
from pepperpy_bus.streams.jetstream import api
from pepperpy_bus.streams.queues import (
    consumer_row,
    merged,
    queue_of,
    topic_of_consumer,
    uncovered,
)
from pepperpy_bus.streams.reading import read_directly
from pepperpy_bus.units import parse_time
from pepperpy_schemas.errors import NotFound
from pepperpy_schemas.monitor import ConsumerRow, TopicFigures
from pepperpy_schemas.subjects import stream_name
from pepperpy_schemas.tokens import topic_of

AGES: Final = 64
"""Consumers whose oldest message is looked up in one look: those that have the most to do."""
SUBJECTS: Final = 20_000
"""Subjects of a stream above which its messages are not counted by topic."""


class Behind:
    """Looks at queues again and again.

    Args:
        connection: The connection.
        prefix: The deployment's prefix.

    Attributes:
        queues: The streams that tasks wait in.
    """

    def __init__(self, connection: Connection, prefix: str) -> None:
        self.queues = [stream_name(prefix, each) for each in ("TASKS", "KEYED")]
        self._connection = connection
        self._letters = stream_name(prefix, "DLQ")

    async def look(self) -> list[TopicFigures]:
        """Returns what waits in the queue of each topic, by name.

        Raises:
            PermissionDenied: This user may not ask.
        """
        parts: list[TopicFigures] = []
        for name in self.queues:
            try:
                info = await api(self._connection, f"STREAM.INFO.{name}")
                rows = await self.consumers(info)
            except NotFound:
                continue
            parts += await self.topics(info, rows)
        return merged(parts, await self.letters())

    async def consumers(self, info: dict[str, Any]) -> list[ConsumerRow]:
        """Returns the durable consumers of a stream.

        Followers come and go, and nobody waits for what they do.

        Args:
            info: What the server says of the stream.
        """
        stream, now = info["config"]["name"], parse_time(info["ts"])
        found = [one for one in await consumers_of(self._connection, stream) if _lasts(one)]
        busy = sorted((one for one in found if _to_do(one)), key=_to_do, reverse=True)[:AGES]
        ages = {one["name"]: await self._oldest(stream, one, now) for one in busy}
        return [consumer_row(one, ages.get(one["name"])) for one in found]

    async def topics(
        self, info: dict[str, Any], consumers: Sequence[ConsumerRow]
    ) -> list[TopicFigures]:
        """Returns what waits in a queue, with and without a worker that could take it.

        Args:
            info: What the server says of the stream.
            consumers: Its consumers.
        """
        covered = [one for one in map(queue_of, consumers) if one is not None]
        return covered + await self._uncovered(info, consumers)

    async def letters(self) -> dict[str, int]:
        """Returns how many dead letters each topic has."""
        try:
            counts = await subjects_of(self._connection, self._letters)
        except NotFound:
            return {}
        return {subject.rpartition(".")[2]: count for subject, count in counts.items()}

    async def _uncovered(
        self, info: dict[str, Any], consumers: Sequence[ConsumerRow]
    ) -> list[TopicFigures]:
        """Tasks of topics that never had a worker: only the stream knows of them."""
        state, known = info["state"], sum(one.pending + one.in_hand for one in consumers)
        if state["messages"] <= known or state.get("num_subjects", 0) > SUBJECTS:
            return []
        name = info["config"]["name"]
        subjects = await subjects_of(self._connection, name)
        found = uncovered(subjects, (topic_of_consumer(one.name) for one in consumers))
        now, first = parse_time(info["ts"]), state["first_seq"]
        rows: list[TopicFigures] = []
        for n, (pattern, waiting) in enumerate(found.items()):
            topic = topic_of(pattern.split(".")[2])
            age = await self._age(name, pattern, first, now) if n < AGES else None
            rows.append(TopicFigures(topic=topic, waiting=waiting, oldest_s=age))
        return rows

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
        return None if stored is None else age(now, stored.time)


def age(now: datetime, then: str) -> float:
    """Returns the seconds between two moments of the server's clock, 0 or more."""
    return round(max(0.0, (now - parse_time(then)).total_seconds()), 3)


def _lasts(info: dict[str, Any]) -> bool:
    return bool(info["config"].get("durable_name"))


def _to_do(info: dict[str, Any]) -> int:
    return int(info.get("num_pending", 0) + info.get("num_ack_pending", 0))
