"""The versions of a topic as anybody sees them: what they should get, who is up, what waits."""

import asyncio
from collections import Counter

import msgspec

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.registry import Registry
from pepperpy_bus.streams.consumers import resume_consumer, task_consumer
from pepperpy_bus.streams.figures import ConsumerFigures, stream_figures
from pepperpy_bus.versions.sharing_out import in_force
from pepperpy_bus.versions.splits import Splits
from pepperpy_schemas.catalog.tasks import RESUME, TASK
from pepperpy_schemas.subjects import stream_name
from pepperpy_schemas.tokens import version_lane


class VersionView(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a topic.

    Attributes:
        topic: The topic.
        version: The version.
        weight: Its weight; 0 when it shall get nothing.
        share: The part of the new tasks that it gets now, from 0 to 1, as those are up that are;
            null when the topic is not split.
        up: How many of its instances work on the topic.
        waiting: Tasks in its lanes that nobody has taken; null when this user may not see that.
        running: Tasks of its lanes that somebody works on; the same.
    """

    topic: str
    version: str
    weight: int
    share: float | None
    up: int
    waiting: int | None
    running: int | None


async def look_at_versions(connection: Connection, prefix: str, topic: str) -> list[VersionView]:
    """Returns the versions of a topic that are up, have a weight, or may have tasks in a lane."""
    split, instances, tasks, wakes = await asyncio.gather(
        Splits(connection, prefix).get(topic),
        Registry(connection, prefix).instances(topic=topic),
        stream_figures(connection, stream_name(prefix, TASK.stream)),
        stream_figures(connection, stream_name(prefix, RESUME.stream)),
    )
    lanes: dict[str, ConsumerFigures] = {}
    visible = True
    for stream in (tasks, wakes):
        consumers = None if stream is None else stream.consumers
        visible = visible and consumers is not None
        lanes |= {one.name: one for one in consumers or ()}
    up = Counter(one.version for one in instances if one.state == "RUNNING")
    weights = {} if split is None else split.weights
    now = in_force(weights, up)
    total = sum(now.values())
    named = {*up, *weights, *(() if split is None else split.lanes)}
    return [
        VersionView(
            topic=topic,
            version=version,
            weight=weights.get(version, 0),
            share=now.get(version, 0) / total if total else None,
            up=up[version],
            waiting=sum(one.pending for one in own) if visible else None,
            running=sum(one.ack_pending for one in own) if visible else None,
        )
        for version in sorted(named)
        for own in [_of(lanes, prefix, topic, version)]
    ]


def _of(
    lanes: dict[str, ConsumerFigures], prefix: str, topic: str, version: str
) -> list[ConsumerFigures]:
    lane = version_lane(topic, version)
    names = [
        task_consumer(prefix, lane)["name"],
        task_consumer(prefix, lane, high=True)["name"],
        resume_consumer(prefix, lane)["name"],
    ]
    return [lanes[name] for name in names if name in lanes]
