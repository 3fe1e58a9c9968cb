"""What waits in the queues of topics, out of what the broker says of their consumers; pure."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from pepperpy_schemas.monitor import ConsumerRow, TopicFigures
from pepperpy_schemas.tokens import topic_of

_WORKERS: Final = "w_"
_SHARDS: Final = "s_"


def topic_of_consumer(name: str) -> str:
    """Returns the topic whose tasks a consumer hands out; empty when it hands out none."""
    if name.startswith(_WORKERS):
        return topic_of(name.removeprefix(_WORKERS))
    if name.startswith(_SHARDS):
        return name.removeprefix(_SHARDS).rpartition("_")[0]
    return ""


def queue_of(consumer: ConsumerRow) -> TopicFigures | None:
    """Returns what waits behind one consumer of tasks; None of another one."""
    topic = topic_of_consumer(consumer.name)
    if not topic:
        return None
    return TopicFigures(
        topic=topic,
        waiting=consumer.pending,
        in_hand=consumer.in_hand,
        redelivered=consumer.redelivered,
        pulls=consumer.pulls,
        oldest_s=consumer.oldest_s,
        settled=consumer.settled,
    )


def uncovered(subjects: Mapping[str, int], topics: Iterable[str]) -> dict[str, int]:
    """Returns what waits on the lanes of topics that never had a worker.

    Args:
        subjects: How many tasks each subject of the queue has.
        topics: The topics that have consumers, which tell of theirs.

    Returns:
        How many tasks there are by the pattern of their subjects: ``pp.task.triage.>``.
    """
    known = frozenset(topics)
    waiting: dict[str, int] = {}
    for subject, count in subjects.items():
        tokens = subject.split(".")
        if len(tokens) > 2 and topic_of(tokens[2]) not in known:
            pattern = ".".join(tokens[:3]) + (".>" if len(tokens) > 3 else "")
            waiting[pattern] = waiting.get(pattern, 0) + count
    return waiting


def merged(parts: Iterable[TopicFigures], letters: Mapping[str, int]) -> list[TopicFigures]:
    """Returns one row a topic: its lanes, shards and versions added up.

    Args:
        parts: What waits, by lane.
        letters: Dead letters by topic.
    """
    topics: dict[str, TopicFigures] = {
        topic: TopicFigures(topic=topic, letters=count) for topic, count in letters.items()
    }
    for one in parts:
        before = topics.get(one.topic) or TopicFigures(topic=one.topic, letters=0)
        topics[one.topic] = msgspec.structs.replace(
            before,
            waiting=before.waiting + one.waiting,
            in_hand=before.in_hand + one.in_hand,
            redelivered=before.redelivered + one.redelivered,
            pulls=before.pulls + one.pulls,
            oldest_s=_older(before.oldest_s, one.oldest_s),
            settled=before.settled + one.settled,
        )
    return [topics[name] for name in sorted(topics)]


def consumer_row(info: Mapping[str, Any], oldest_s: float | None) -> ConsumerRow:
    """Reads what the server says of a consumer.

    Args:
        info: The server's words.
        oldest_s: Age of its first message that is not settled.
    """
    in_hand = info.get("num_ack_pending", 0)
    return ConsumerRow(
        name=info["name"],
        pending=info.get("num_pending", 0),
        in_hand=in_hand,
        redelivered=info.get("num_redelivered", 0),
        pulls=info.get("num_waiting", 0),
        oldest_s=oldest_s,
        settled=max(0, info["delivered"]["consumer_seq"] - in_hand),
    )


def _older(one: float | None, other: float | None) -> float | None:
    return max((age for age in (one, other) if age is not None), default=None)
