"""The splits of a deployment: read, and set."""

from collections.abc import Mapping
from typing import Final

from pepperpy_bus.audit import Audit
from pepperpy_bus.link.connection import Connection
from pepperpy_bus.logs import get_log
from pepperpy_bus.registry import Registry
from pepperpy_bus.state.cells import Cells
from pepperpy_bus.streams.consumers import resume_consumer, task_consumer
from pepperpy_bus.streams.jetstream import api
from pepperpy_bus.streams.reading import read_as_stored
from pepperpy_bus.units import now
from pepperpy_schemas.catalog.tasks import RESUME, TASK
from pepperpy_schemas.catalog.versions import SPLIT, SPLIT_CONTROL
from pepperpy_schemas.errors import BadConfig, NotFound, PepperError
from pepperpy_schemas.splits import Split
from pepperpy_schemas.subjects import stream_name
from pepperpy_schemas.tokens import HIGH_LANE, SEMVER, check_topic, version_lane

log = get_log("pepperpy.versions")

MAX_WEIGHT: Final = 1_000_000
"""The largest weight; parts are weights divided by their sum."""


class Splits:
    """Which topics are split among versions, and how.

    Args:
        connection: The connection.
        prefix: The deployment's prefix.
    """

    def __init__(self, connection: Connection, prefix: str) -> None:
        self._connection = connection
        self._prefix = prefix
        self._cells = Cells(connection, prefix)

    async def all(self) -> dict[str, Split]:
        """Returns the splits by topic, those that were ended included."""
        entries = await self._cells.bucket.entries(self._cells.pattern(SPLIT))
        found = {_topic(one.key): _read(one.key, one.value) for one in entries}
        return {topic: split for topic, split in found.items() if split is not None}

    async def get(self, topic: str) -> Split | None:
        """Returns the split of a topic, or None when it was never split."""
        entry = await self._cells.get(self._cells.key(SPLIT, topic=topic))
        return None if entry is None else SPLIT.decode(entry.value)

    async def put(self, topic: str, weights: Mapping[str, int], *, by: str = "") -> Split:
        """Splits a topic among versions from now on; without weights it ends the split.

        Versions that had a part keep their lanes until they have gone and the lanes are empty.

        Args:
            topic: The topic.
            weights: Versions with their weights. One that is not named gets nothing more.
            by: Who sets them.

        Raises:
            BadName: The topic cannot be split.
            BadConfig: A weight is not valid, or all of them are 0.
        """
        check_topic(topic)
        check_weights(topic, weights)
        said = " ".join(f"{version}={weight}" for version, weight in sorted(weights.items()))
        await Audit(self._connection, self._prefix, source=by).say("split", topic, weights=said)
        empty = await self._forget_empty(topic, weights)
        after = Split({})

        def edit(before: bytes | None) -> bytes:
            nonlocal after
            former = () if before is None else SPLIT.decode(before).lanes
            lanes = sorted({*former, *weights} - empty)
            after = Split(dict(sorted(weights.items())), lanes, now(), by)
            return SPLIT.encode(after)

        await self._cells.change(self._cells.key(SPLIT, topic=topic), edit)
        await self._connection.publish(SPLIT_CONTROL.of(self._prefix, topic=topic), b"")
        await self._connection.flush()
        return after

    async def waiting(self, topic: str, version: str) -> bool:
        """Whether tasks are in the lanes of a version, waiting or in hand."""
        lane = version_lane(topic, version)
        tasks, wakes = (stream_name(self._prefix, one.stream) for one in (TASK, RESUME))
        for stream, subject in (
            (tasks, TASK.pattern(self._prefix, topic=lane)),
            (tasks, TASK.pattern(self._prefix, topic=lane + HIGH_LANE)),
            (wakes, RESUME.pattern(self._prefix, topic=lane)),
        ):
            query = {"seq": 1, "next_by_subj": subject}
            if await read_as_stored(self._connection, stream, query) is not None:
                return True
        return False

    async def _forget_empty(self, topic: str, weights: Mapping[str, int]) -> set[str]:
        """Removes the empty lanes that nobody fills any more; returns their versions.

        What a consumer has handed out when it is removed is handed out again. So it stays while a
        version is up, or had a weight until now.
        """
        former = await self.get(topic)
        if former is None:
            return set()
        up = await Registry(self._connection, self._prefix).instances(topic=topic)
        kept = {one.version for one in up} | former.weights.keys() | weights.keys()
        empty: set[str] = set()
        for version in set(former.lanes) - kept:
            if not await self.waiting(topic, version):
                await self._forget(topic, version)
                empty.add(version)
        return empty

    async def _forget(self, topic: str, version: str) -> None:
        """Removes the consumers of empty lanes; who still pulls from them makes them anew."""
        lane = version_lane(topic, version)
        for suffix, name in (
            (TASK.stream, task_consumer(self._prefix, lane)["name"]),
            (TASK.stream, task_consumer(self._prefix, lane, high=True)["name"]),
            (RESUME.stream, resume_consumer(self._prefix, lane)["name"]),
        ):
            stream = stream_name(self._prefix, suffix)
            try:
                await api(self._connection, f"CONSUMER.DELETE.{stream}.{name}")
            except NotFound:
                continue


def check_weights(topic: str, weights: Mapping[str, int]) -> None:
    """Looks whether a topic can be split like this.

    Raises:
        BadName: The topic is too long to be split.
        BadConfig: A version is not a semantic one, a weight is not valid, or all are 0.
    """
    for version, weight in weights.items():
        if SEMVER.fullmatch(version) is None:
            raise BadConfig(
                f"{version!r:.60} is not a semantic version",
                hint="write three numbers: 1.1.0=10",
            )
        if not 0 <= weight <= MAX_WEIGHT:
            raise BadConfig(f"weight of {version} is {weight}", hint=f"use 0 to {MAX_WEIGHT}")
        version_lane(topic, version)
    if weights and not any(weights.values()):
        raise BadConfig(
            f"no version of {topic} has a weight above 0",
            hint="give one of them a weight, or end the split: --off",
        )


def _topic(key: str) -> str:
    return key.rpartition(".")[2]


def _read(key: str, value: bytes) -> Split | None:
    """A split, or None: one that cannot be read must not stop the others."""
    try:
        return SPLIT.decode(value)
    except PepperError as error:
        log.warning("versions.unreadable", key=key, error=str(error))
        return None
