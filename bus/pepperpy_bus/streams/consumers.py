"""The durable consumers of a deployment, declared as data in the server's own JSON.

Their settings are the topology's, never an agent's: two agents on one topic, in two languages, must
not disagree about them.
"""

from typing import Final

from pepperpy_bus.streams.topology import SECOND, Config
from pepperpy_schemas.tokens import HIGH_LANE

ACK_WAIT: Final = 30.0
"""Seconds without a sign of life after which a task goes to another worker."""
PULSE: Final = ACK_WAIT / 3
"""Seconds between two signs of life."""
MAX_DELIVER: Final = 50
"""Deliveries after which the server gives a task up: a stop for crash loops, not a retry policy."""
PIN_GROUP: Final = "owner"
"""The priority group in which a shard's owner is pinned."""
LISTENER_MAX_DELIVER: Final = 10
"""The same for an event whose listener fails."""


def task_consumer(prefix: str, topic: str, *, high: bool = False) -> Config:
    """Returns the durable consumer that every worker of a topic shares."""
    lane = topic + (HIGH_LANE if high else "")
    return {
        "name": f"w_{lane}",
        "durable_name": f"w_{lane}",
        "ack_policy": "explicit",
        "ack_wait": int(ACK_WAIT * SECOND),
        "max_deliver": MAX_DELIVER,
        # Workers pull no more than they have free slots; the server need not count again.
        "max_ack_pending": -1,
        "filter_subjects": [f"{prefix}.task.{lane}", f"{prefix}.task.{lane}.*"],
    }


def resume_consumer(prefix: str, topic: str) -> Config:
    """Returns the durable consumer of a topic's suspended tasks that go on."""
    return {
        "name": f"r_{topic}",
        "durable_name": f"r_{topic}",
        "ack_policy": "explicit",
        "ack_wait": int(ACK_WAIT * SECOND),
        "max_deliver": MAX_DELIVER,
        "max_ack_pending": -1,
        "filter_subjects": [f"{prefix}.resume.{topic}.*"],
    }


def shard_consumer(prefix: str, topic: str, shard: int, *, patience: float) -> Config:
    """Returns the durable consumer of one shard of a topic's keyed tasks.

    It hands out one task at a time, and to one puller until that is unpinned.

    Args:
        prefix: The deployment's prefix.
        topic: The topic.
        shard: Number of the shard, from 0.
        patience: Seconds without a sign of life after which the puller loses its pin and its task.
    """
    name = f"s_{topic}_{shard}"
    return {
        "name": name,
        "durable_name": name,
        "ack_policy": "explicit",
        "ack_wait": int(patience * SECOND),
        "max_deliver": MAX_DELIVER,
        "max_ack_pending": 1,
        "filter_subjects": [f"{prefix}.sh.{topic}.{shard}.>"],
        "priority_policy": "pinned_client",
        "priority_groups": [PIN_GROUP],
        "priority_timeout": int(patience * SECOND),
    }


def cancel_consumer() -> Config:
    """Returns the durable consumer that all workers share to end canceled tasks."""
    return {
        "name": "cancel",
        "durable_name": "cancel",
        "ack_policy": "explicit",
        "ack_wait": int(ACK_WAIT * SECOND),
        "max_ack_pending": -1,
    }


def advisory_consumer() -> Config:
    """Returns the durable consumer that all workers share to end crash loops."""
    return {
        "name": "adv",
        "durable_name": "adv",
        "ack_policy": "explicit",
        "ack_wait": int(ACK_WAIT * SECOND),
        "max_ack_pending": -1,
    }


def listener_consumer(agent: str, listener: str, lane: str, subject: str) -> Config:
    """Returns the durable consumer that the instances of an agent share for one listener.

    It begins with what happens after it was first made, and remembers its place for ever.
    """
    suffix = HIGH_LANE if lane == "high" else ""
    name = f"l_{agent}_{listener}{suffix}"
    return {
        "name": name,
        "durable_name": name,
        "deliver_policy": "new",
        "ack_policy": "explicit",
        "ack_wait": int(ACK_WAIT * SECOND),
        "max_deliver": LISTENER_MAX_DELIVER,
        "max_ack_pending": -1,
        "filter_subjects": [subject],
    }
