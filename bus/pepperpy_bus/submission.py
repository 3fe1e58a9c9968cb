"""A task as it is submitted: its options, its subject and headers, and whose its id is."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, TypedDict

from pepperpy_bus.bodies import fingerprint
from pepperpy_bus.link.connection import Connection
from pepperpy_bus.streams.jetstream import PubAck
from pepperpy_bus.streams.reading import message_at
from pepperpy_bus.tasks.results import Results
from pepperpy_bus.tasks.timing import OPTIONS
from pepperpy_bus.trace import current
from pepperpy_bus.units import Duration, parse_duration
from pepperpy_schemas import headers as h
from pepperpy_schemas.budgets import Budget, budget_of, write_budget
from pepperpy_schemas.catalog.tasks import KEYED_TASK, RESUME, TASK
from pepperpy_schemas.errors import BadHeader, Conflict
from pepperpy_schemas.tokens import HIGH_LANE, check_token, key_token, topic_of


class SubmitOptions(TypedDict, total=False):
    """What may be said about a task besides topic and body.

    Attributes:
        id: An id of the caller's own: the same id twice is one run. Random by default.
        timeout: From the broker's receipt of the task to its deadline, such as ``"5m"``.
        priority: ``high`` goes to a lane of its own, which workers serve apart from the backlog.
        headers: More headers; ``Nats-*`` are dropped.
        check: Validate against the topic's announced schema before sending.
        parent: Id of the task on whose behalf this one is.
        root: Id of the first task of the family.
        at: Not before this time: an aware datetime, or text with its zone. The broker keeps it.
        delay: Not before this long from now, such as ``"2h"``.
        every: Again and again, each time a task of its own: ``"5m"``. The id is the schedule's.
        cron: The same at the times of a cron expression: ``"0 30 7 * * *"``, seconds first.
        tz: The time zone of ``cron``, such as ``"Europe/Berlin"``; UTC by default.
        reply_to: Where the task's end is told: the resume subject of a task that waits for it.
        budget: What the task and all its descendants may spend together: ``tokens``, ``usd``,
            ``seconds`` of running time, ``tasks`` that they submit.
    """

    id: str
    timeout: Duration
    priority: str
    headers: Mapping[str, str]
    check: bool
    parent: str
    root: str
    at: datetime | str
    delay: Duration
    every: Duration
    cron: str
    tz: str
    key: str
    reply_to: str
    budget: Mapping[str, float] | Budget


def subject_of(prefix: str, topic: str, task_id: str, options: SubmitOptions) -> str:
    """Returns the subject of a task: of its lane, or of its key."""
    if "key" in options:
        key = key_token(options["key"])
        return KEYED_TASK.of(prefix, topic=topic, key=key, id=task_id)
    lane = topic + HIGH_LANE if options.get("priority") == "high" else topic
    return TASK.of(prefix, topic=lane, id=task_id)


def headers_of(options: SubmitOptions, *, prefix: str, source: str) -> dict[str, str]:
    """Returns the headers of a task that is submitted now.

    Raises:
        BadName: An id or the key is not valid.
        BadHeader: An option is not valid, or contradicts another one.
    """
    own: dict[str, str] = {}
    if "id" in options:
        own[h.ID] = check_token(options["id"], what="task id")
    if source:
        own[h.SOURCE] = source
    priority = options.get("priority", "normal")
    if priority not in h.PRIORITIES:
        raise BadHeader(f"priority is {priority!r}", hint=f"use one of {', '.join(h.PRIORITIES)}")
    if priority != "normal":
        own[h.PRIORITY] = priority
    if "key" in options:
        _refuse_overtaking(options)
        own[h.KEY] = options["key"]
    if (timeout := options.get("timeout")) is not None:
        own[h.TIMEOUT_MS] = str(max(1, round(parse_duration(timeout) * 1e3)))
    for name, value in ((h.PARENT, options.get("parent")), (h.ROOT, options.get("root"))):
        if value:
            own[name] = check_token(value, what=name)
    if reply_to := options.get("reply_to"):
        RESUME.parse(prefix, reply_to)
        own[h.REPLY_TO] = reply_to
    if (budget := options.get("budget")) is not None:
        own[h.BUDGET] = write_budget(budget_of(budget))
    trace = current()
    if trace is not None:
        own |= trace.headers()
    given = options.get("headers")
    return _users(given, own) | own if given else own


def _refuse_overtaking(options: SubmitOptions) -> None:
    """Refuses what would break the order of a key."""
    if options.get("priority", "normal") != "normal":
        raise BadHeader(
            f"a task with a key has priority {options['priority']!r}, which would overtake",
            hint="leave out priority, or key",
            context={"header": h.PRIORITY},
        )
    timed = sorted(OPTIONS.intersection(options))
    if timed:
        raise BadHeader(
            f"a task with a key is given {', '.join(timed)}: it takes its turn when it is sent",
            hint=f"leave out {', '.join(timed)}, or key; a scheduled task may submit a keyed one",
            context={"header": h.KEY},
        )


_SET_BY_OPTION: Final = (
    (h.ID, "id"),
    (h.PRIORITY, "priority"),
    (h.BUDGET, "budget"),
    (h.KEY, "key"),
)


def _users(headers: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """A user's headers without those that are set by options; some may only be set so."""
    kept = h.from_user(headers)
    for name, option in _SET_BY_OPTION:
        if any(one.lower() == name.lower() for one in kept):
            # It would contradict the subject, or go unchecked.
            raise BadHeader(
                f"{name} is not set among the headers",
                hint=f"give it as {option}=…",
                context={"header": name},
            )
    set_here = {name.lower() for name in own}
    return {name: value for name, value in kept.items() if name.lower() not in set_here}


async def earlier(connection: Connection, results: Results, task_id: str, ack: PubAck) -> str:
    """Returns the fingerprint of the task that took an id before; empty if nothing tells it."""
    queued = await message_at(connection, ack.stream, ack.seq)
    if queued is not None:
        topic = topic_of(queued.subject.split(".")[2])
        return fingerprint(topic, queued.body, queued.headers)
    ended = await results.get(task_id)
    return ended.fingerprint if ended is not None else ""


def refuse_conflict(task_id: str, mine: str, other: str) -> None:
    """Raises when an id stands for another task; a side that is not known agrees with all."""
    if mine and other and mine != other:
        raise Conflict(
            f"task id {task_id} is taken by a task with another topic or body",
            context={"task_id": task_id},
        )
