"""What was submitted, read from the server's own notes of what it stored in the queues.

Whoever publishes a task without our client raises no event, and a queue can have no second
consumer. A plain subscription would be told of each task, but the server makes publishers wait for
a subscriber that reads too slowly; its notes are kept in a stream, which nobody waits for.
"""

from collections.abc import Mapping
from typing import Final

from pepperpy_bus.streams.delivery import Delivery
from pepperpy_monitor_svc.reading.facts import Facts
from pepperpy_schemas.headers import ID
from pepperpy_schemas.tokens import TOKEN, topic_of

_ID: Final = ID.lower()
_SEQUENCE: Final = "nats-sequence"


def take_note(facts: Facts, delivery: Delivery, at: float) -> None:
    """Hands on what a note says, when it is of a task.

    Args:
        facts: Who takes it.
        delivery: On ``<prefix>.noted.`` and the subject of the task without its prefix.
        at: When it was stored, seconds since the epoch.
    """
    place = task_place(delivery.subject, delivery.headers)
    if place is not None:
        facts.submitted(*place, at, delivery.headers)


def task_place(subject: str, headers: Mapping[str, str]) -> tuple[str, str] | None:
    """Returns topic and id of a noted task, as the worker that takes it will call it.

    Args:
        subject: Ends in ``task.<topic>[.<id>]``, or ``sh.<topic>.<shard>.<key>.<id>``.
        headers: The task's, names in lower case, with the server's own among them.

    Returns:
        None when it is no task's.
    """
    named = headers.get(_ID, "")
    match subject.split("."):
        case [prefix, "noted", "task", lane]:
            queue = "TASKS"
        case [prefix, "noted", "task", lane, last]:
            queue, named = "TASKS", named or last
        case [prefix, "noted", "sh", lane, _, _, last]:
            queue, named = "KEYED", named or last
        case _:
            return None
    if TOKEN.fullmatch(named) is None:
        named = f"{prefix.upper()}_{queue}-{headers.get(_SEQUENCE, '')}"
    return topic_of(lane), named
