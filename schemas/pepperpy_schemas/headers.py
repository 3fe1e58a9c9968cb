"""The headers of a message: all optional, each with a default.

NATS keeps the case of header names and looks them up exactly; publishers in other languages write
``Traceparent`` or ``pp-id``. They are folded to lower case once, on receipt, by `fold`.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from pepperpy_schemas.errors import BadHeader

ID: Final = "Pp-Id"
"""The task's id, chosen by the caller; makes the worker check for an earlier result."""
REPLY_TO: Final = "Pp-Reply-To"
"""Where the task's end is told: the parent's ``<prefix>.resume.<topic>.<id>``, nothing else."""
PARENT: Final = "Pp-Parent"
"""The id of the task that submitted this one."""
ROOT: Final = "Pp-Root"
"""The id of the first task of the family; the correlation of every event."""
KEY: Final = "Pp-Key"
"""The key of a keyed task as its sender wrote it; the subject has it, or its hash."""
TIMEOUT_MS: Final = "Pp-Timeout-Ms"
"""Milliseconds from the server's timestamp of the message to the deadline."""
SOURCE: Final = "Pp-Source"
"""Who says to have sent it: a claim, never proof."""
SCHEMA: Final = "Pp-Schema"
"""Name and version of the body's schema (``echo.v1``); one that the topic never had is refused."""
BUDGET: Final = "Pp-Budget"
"""What the task and its children may spend, as JSON."""
PRIORITY: Final = "Pp-Priority"
"""``normal`` or ``high``; a high one travels on a lane that is pulled first."""
REPLAY_OF: Final = "Pp-Replay-Of"
"""The id of the task that this one repeats."""
FROM_STEP: Final = "Pp-From-Step"
"""The first place of that task's journal that is done again; what stands before is taken over."""
SCHEDULE_ID: Final = "Pp-Schedule-Id"
"""The id of the schedule that fired."""
PAUSED: Final = "Pp-Paused"
"""On a schedule that is paused: its ``Nats-Schedule``, until it goes on."""
QUEUED: Final = "Pp-Queued"
"""On a task that was put elsewhere in its queue: ``<sequence>;<nanoseconds>`` of the message that
it came as, and behind these how often that was delivered, when it was moved to another version."""
VERSION: Final = "Pp-Version"
"""On a task of a topic that is split among versions: the version that it was given to."""
AGENT_DEPTH: Final = "Agent-Depth"
"""On a task by which an agent asks another one: how many have asked one another before."""
BLOB: Final = "Pp-Blob"
"""The body lies in the object store: ``<name>;sha256=<hex>;size=<bytes>``."""
CONTENT_TYPE: Final = "Content-Type"
"""Media type of the body; JSON when absent."""
TRACEPARENT: Final = "traceparent"
"""W3C trace context: the span that sent the message."""
TRACESTATE: Final = "tracestate"
"""W3C trace context: what tracing systems add to it."""
BAGGAGE: Final = "baggage"
"""W3C baggage: named values that go with the trace."""

TOPIC: Final = "Pp-Topic"
"""On a result: the topic of its task."""
ATTEMPT: Final = "Pp-Attempt"
"""On a result: the number of the attempt that ended the task."""
FINGERPRINT: Final = "Pp-Fingerprint"
"""On a result of a task whose caller chose the id: SHA-256 of topic and body, in hexadecimal."""

MSG_ID: Final = "Nats-Msg-Id"
"""Id of the publish, never of the task; the server drops a second one of 10 minutes."""
EXPECTED_LAST_SUBJECT_SEQUENCE: Final = "Nats-Expected-Last-Subject-Sequence"
"""The server stores the message only when the subject's last one has this sequence."""
EXPECTED_LAST_MSG_ID: Final = "Nats-Expected-Last-Msg-Id"
"""The server stores the message only when the last one with an id has this one."""
MESSAGE_TTL: Final = "Nats-TTL"
"""How long the server keeps the message."""
SCHEDULE: Final = "Nats-Schedule"
"""When the server publishes the message: ``@at <time>``, ``@every <duration>`` or cron."""
SCHEDULE_TARGET: Final = "Nats-Schedule-Target"
"""The subject that the server publishes it on then."""
SCHEDULE_TIME_ZONE: Final = "Nats-Schedule-Time-Zone"
"""The time zone of a cron schedule."""
ROLLUP: Final = "Nats-Rollup"
"""``sub``: the message replaces every earlier one of its subject."""
INCREMENT: Final = "Nats-Incr"
"""On a message of a counter: how much the server adds to it; the body is empty."""
LABEL: Final = "Pp-Label"
"""On a message of a counter: its label as people read it; the subject has it, or its hash."""
SERVICE_ERROR: Final = "Nats-Service-Error"
"""On an error reply of a service: the message."""
SERVICE_ERROR_CODE: Final = "Nats-Service-Error-Code"
"""On an error reply of a service: the code."""
KV_OPERATION: Final = "KV-Operation"
"""On an entry of a bucket: it marks a deletion (``DEL``, ``PURGE``)."""
MARKER_REASON: Final = "Nats-Marker-Reason"
"""Why the server wrote a deletion marker: ``MaxAge``, ``Purge``, ``Remove``."""
STREAM: Final = "Nats-Stream"
"""On a message as the server reads it back, or notes it: the stream that has it."""
SUBJECT: Final = "Nats-Subject"
"""On such a message: the subject it was published on."""
SEQUENCE: Final = "Nats-Sequence"
"""On such a message: its number in the stream."""
TIME_STAMP: Final = "Nats-Time-Stamp"
"""On such a message: when the server stored it, RFC 3339."""
NUM_PENDING: Final = "Nats-Num-Pending"
"""At the end of many messages that are read at once: how many are left."""
MSG_SIZE: Final = "Nats-Msg-Size"
"""On a note of a message, which has no body: how many bytes that one had."""
SCHEDULER: Final = "Nats-Scheduler"
"""On a message that a schedule fired: the subject of the schedule."""
PENDING_MESSAGES: Final = "Nats-Pending-Messages"
"""At the end of a worker's request: how many of its messages never came."""
PIN_ID: Final = "Nats-Pin-Id"
"""On a delivery of a consumer with a pinned reader: what this one names itself by from then on."""
SERVER_STATUS: Final = "Status"
"""Status of a message that the server itself sends: 404, 408, 409, 503."""

TIMEOUT: Final = "Pp-Timeout"
"""Over HTTP: from now to the task's deadline, as people write it (``5m``)."""
IDEMPOTENCY_KEY: Final = "Idempotency-Key"
"""Over HTTP: the same twice, of one caller, is one task."""

RESERVED: Final = "nats-"
"""Headers with this beginning command the server; users may not set them."""

MAX_HEADERS: Final = 64
PRIORITIES: Final = ("normal", "high")

_WRITTEN: Final = {
    name.lower(): name
    for name in (
        ID,
        REPLY_TO,
        PARENT,
        ROOT,
        KEY,
        TIMEOUT_MS,
        SOURCE,
        SCHEMA,
        BUDGET,
        PRIORITY,
        REPLAY_OF,
        FROM_STEP,
        SCHEDULE_ID,
        BLOB,
        CONTENT_TYPE,
    )
}

Folded = Mapping[str, str]
"""Headers by lower-case name."""


def fold(headers: Mapping[str, str] | None) -> dict[str, str]:
    """Returns the headers with their names in lower case; the first of equal names wins."""
    folded: dict[str, str] = {}
    for name, value in (headers or {}).items():
        folded.setdefault(name.lower(), value)
    return folded


def unfold(folded: Folded) -> dict[str, str]:
    """Returns the headers with the names as they are written: some workers look them up exactly."""
    return {_WRITTEN.get(name, name): value for name, value in folded.items()}


def from_user(headers: Mapping[str, str] | None) -> dict[str, str]:
    """Returns what a user's headers may carry: everything but the server's own ``Nats-*``.

    Raises:
        BadHeader: There are more than 64 of them.
    """
    kept = {k: v for k, v in (headers or {}).items() if not k.lower().startswith(RESERVED)}
    if len(kept) > MAX_HEADERS:
        raise BadHeader(f"{len(kept)} headers are too many", hint=f"send at most {MAX_HEADERS}")
    return kept


class TaskHeaders(msgspec.Struct, frozen=True):
    """What the headers of a task say, read once.

    Attributes:
        id: The caller's id, or empty.
        parent: Id of the parent task, or empty.
        root: Id of the first task of the family, or empty for the first itself.
        source: Who says to have sent it.
        schema: Name and version of the body's schema, or empty.
        priority: ``normal`` or ``high``.
        timeout_ms: Milliseconds from the server's timestamp to the deadline; 0 for none.
        replay_of: Id of the task that this one repeats, or empty.
        blob: Reference to the body in the object store, or empty.
        reply_to: Where the end is told, or empty.
        key: The key of a keyed task, or empty.
        budget: What the family may spend, as JSON, or empty.
        schedule: Id of the schedule that fired, or empty.
        from_step: The first place of the repeated task's journal that is done again; 0 for all.
    """

    id: str = ""
    parent: str = ""
    root: str = ""
    source: str = ""
    schema: str = ""
    priority: str = "normal"
    timeout_ms: int = 0
    replay_of: str = ""
    blob: str = ""
    reply_to: str = ""
    key: str = ""
    budget: str = ""
    schedule: str = ""
    from_step: int = 0


NO_HEADERS: Final = TaskHeaders()
_FIELDS: Final = (
    (ID.lower(), "id"),
    (PARENT.lower(), "parent"),
    (ROOT.lower(), "root"),
    (SOURCE.lower(), "source"),
    (SCHEMA.lower(), "schema"),
    (PRIORITY.lower(), "priority"),
    (TIMEOUT_MS.lower(), "timeout_ms"),
    (REPLAY_OF.lower(), "replay_of"),
    (FROM_STEP.lower(), "from_step"),
    (BLOB.lower(), "blob"),
    (REPLY_TO.lower(), "reply_to"),
    (KEY.lower(), "key"),
    (BUDGET.lower(), "budget"),
    (SCHEDULE_ID.lower(), "schedule"),
)
_NUMBERS: Final = frozenset({"timeout_ms", "from_step"})


def read_task_headers(folded: Folded) -> TaskHeaders:
    """Returns the task's headers as a record.

    Raises:
        BadHeader: A value cannot be read; ``context.header`` names the header.
    """
    if not folded:
        return NO_HEADERS
    values: dict[str, str | int] = {}
    for name, field in _FIELDS:
        value = folded.get(name)
        if value:
            values[field] = _whole_number(name, value) if field in _NUMBERS else value
    if values.get("priority", "normal") not in PRIORITIES:
        raise BadHeader(
            f"{PRIORITY} is {values['priority']!r}",
            hint=f"use one of {', '.join(PRIORITIES)}",
            context={"header": PRIORITY},
        )
    return TaskHeaders(**values)  # type: ignore[arg-type]  # built from the field table above


def _whole_number(name: str, value: str) -> int:
    if value.isascii() and value.isdigit() and len(value) <= 15:
        return int(value)
    what = "number of milliseconds, 0 or more" if name == TIMEOUT_MS.lower() else "number"
    raise BadHeader(
        f"{name} is {value!r:.40}",
        hint=f"use a whole {what}",
        context={"header": name},
    )
