"""Tasks that are given to another version: moved to its lane, and read there as they were queued.

A lane is a topic of its own to the server. What was moved keeps its id, its time and the count of
its deliveries, so that its deadline, its journal and its attempts go on.
"""

import contextlib
import re

import msgspec

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.streams.compare_and_set import compare_and_set
from pepperpy_bus.streams.consumers import MAX_DELIVER
from pepperpy_bus.streams.delivery import Delivery
from pepperpy_bus.tasks.wakes import wake
from pepperpy_schemas import headers as h
from pepperpy_schemas.catalog.tasks import RESUME, TASK
from pepperpy_schemas.errors import BadPayload, WrongSequence
from pepperpy_schemas.messages import Resume
from pepperpy_schemas.subjects import stream_name
from pepperpy_schemas.tokens import HIGH_LANE, topic_of, version_lane

_QUEUED = h.QUEUED.lower()
_LANE_TOKENS = 4
_NO_REASON = Resume("check")
_FORM = re.compile(r"([0-9]{1,19});([0-9]{1,19});([0-9]{1,9})")
_MOST_DELIVERIES = 100 * MAX_DELIVER


async def move_task(
    connection: Connection, prefix: str, delivery: Delivery, task_id: str, version: str
) -> None:
    """Puts a task into the lane of a version and acknowledges it where it was.

    A worker that dies in between leaves it in both places. Then it is moved again, which changes
    nothing while the first copy is there; and one that was done meanwhile is found to be.

    Args:
        connection: The connection.
        prefix: The deployment's prefix.
        delivery: The task as it was delivered.
        task_id: Its id.
        version: The version.

    Raises:
        QueueFull: The queue takes nothing more; the task stays where it is.
        PepperError: The broker did not do it; the task stays where it is.
    """
    came_as, stored, earlier = _queued(delivery)
    lane = delivery.subject.split(".")[2]
    high = HIGH_LANE if lane.endswith(HIGH_LANE) else ""
    target = version_lane(topic_of(lane), version) + high
    fields = {k: v for k, v in delivery.headers.items() if not k.startswith(h.RESERVED)}
    fields.pop(_QUEUED, None)
    fields.pop(h.VERSION.lower(), None)
    deliveries = earlier + delivery.deliveries - 1
    fields |= {h.QUEUED: f"{came_as};{stored};{deliveries}", h.VERSION: version}
    with contextlib.suppress(WrongSequence):  # it was moved before
        await compare_and_set(
            connection,
            stream_name(prefix, TASK.stream),
            TASK.of(prefix, topic=target, id=task_id),
            delivery.body,
            last=0,
            msg_id=f"{task_id}:moved:{delivery.seq}:{delivery.deliveries}",
            headers=fields,
        )
    await delivery.ack()


async def move_wake(
    connection: Connection, prefix: str, delivery: Delivery, topic: str, version: str
) -> None:
    """Puts a wake into the lane of a version and acknowledges it where it was."""
    task_id = RESUME.parse(prefix, delivery.subject)["id"]
    resume = _NO_REASON
    with contextlib.suppress(BadPayload):  # an answer wakes as it is
        resume = RESUME.decode(delivery.body)
    lane = version_lane(topic, version)
    await wake(connection, prefix, topic=lane, task_id=task_id, resume=resume)
    await delivery.ack()


def as_queued(delivery: Delivery) -> Delivery:
    """Returns a task of a lane with the time and the deliveries that it has in all."""
    if _QUEUED not in delivery.headers:
        return delivery
    tokens = delivery.subject.split(".")
    if len(tokens) != _LANE_TOKENS or not is_of_version(tokens[2]):
        return delivery
    _, stored, earlier = _queued(delivery)
    headers = {k: v for k, v in delivery.headers.items() if k != _QUEUED}
    return msgspec.structs.replace(
        delivery,
        message=msgspec.structs.replace(delivery.message, headers=headers),
        time_ns=stored,
        deliveries=earlier + delivery.deliveries,
    )


def is_of_version(lane: str) -> bool:
    """Whether a lane is a version's."""
    lane = lane.removesuffix(HIGH_LANE)
    return topic_of(lane) != lane


def _queued(delivery: Delivery) -> tuple[int, int, int]:
    """Place and time of the message that a task came as, and how often others were delivered.

    Anybody may write the header; what cannot be is not believed.
    """
    found = _FORM.fullmatch(delivery.headers.get(_QUEUED, ""))
    if found is not None and is_of_version(delivery.subject.split(".")[2]):
        came_as, stored, earlier = map(int, found.groups())
        if came_as <= delivery.seq and stored <= delivery.time_ns and earlier <= _MOST_DELIVERIES:
            return came_as, stored, earlier
    return delivery.seq, delivery.time_ns, 0
