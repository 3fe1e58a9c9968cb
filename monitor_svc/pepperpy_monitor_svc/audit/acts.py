"""What a stored message tells of an act: who did what. Pure.

Of tasks, cancels and answers nothing but ids, sizes and hashes goes into the log; texts of others
are shortened, so that nobody can fill it with a body after all.
"""

import functools
import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from pepperpy_bus.events import heard
from pepperpy_bus.streams.delivery import Delivery
from pepperpy_schemas import headers as h
from pepperpy_schemas.audit import Value
from pepperpy_schemas.catalog.events import AUDIT
from pepperpy_schemas.catalog.server import NOTED
from pepperpy_schemas.catalog.tasks import ANSWER, CANCEL
from pepperpy_schemas.errors import PepperError
from pepperpy_schemas.tokens import topic_of

LONGEST: Final = 200
"""Characters of a text that are kept."""
MOST: Final = 16
"""Values of a record that are kept."""
TOOL_VERBS: Final = ("called", "refused", "failed")
"""Events of tools that are acts; that one completed says nothing about who did what."""

_STREAM: Final = h.STREAM.lower()
_SEQUENCE: Final = h.SEQUENCE.lower()
_SCHEDULER: Final = h.SCHEDULER.lower()
_SIZE: Final = h.MSG_SIZE.lower()
_LARGEST: Final = 2**53 - 1
_PARKED: Final = "parked"


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """Who did what, before it has its place in the chain; see `ChainedRecord`."""

    at: str
    by: str = ""
    claimed: bool = True
    action: str
    target: str = ""
    data: dict[str, Value] = {}
    source: str


def act_of(prefix: str, delivery: Delivery) -> Act | None:
    """Returns the act that a message tells of, or None when it is none.

    One that nobody foresaw is an act, too: who may write there must not bring the log to a stop.
    """
    kind = delivery.stream.rpartition("_")[2]
    try:
        return _READERS[kind](prefix, delivery)
    except (PepperError, ValueError, LookupError, TypeError):
        return Act(
            at=moment(delivery.time_ns),
            action="unreadable",
            target=text_of(delivery.subject),
            data=_digest(delivery.body),
            source=f"{delivery.stream}:{delivery.seq}",
        )


def moment(time_ns: int) -> str:
    """Returns a server's time as the log has it: RFC 3339 with microseconds."""
    seconds, rest = divmod(time_ns, 1_000_000_000)
    return f"{_second(seconds)}.{rest // 1000:06d}Z"


@functools.lru_cache(maxsize=64)
def _second(seconds: int) -> str:
    """A second as text: of the many acts in one, the first alone pays for it."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"


def text_of(value: object) -> str:
    """Returns a text that every JSON writer can write, shortened."""
    return str(value)[:LONGEST].encode("utf-8", "replace").decode()


def task_act(
    subject: str, headers: Mapping[str, str], *, at: str, stream: str, seq: int, size: int
) -> Act | None:
    """Returns the act of submitting a task, from its subject (without prefix) and headers.

    Args:
        subject: ``task.<topic>.<id>``, ``task.<topic>`` or ``sh.<topic>.<shard>.<key>.<id>``.
        headers: Its headers, names in lower case.
        at: When it was stored.
        stream: The stream that has it.
        seq: Its number there.
        size: Bytes of its body.
    """
    tokens = subject.split(".")
    if len(tokens) > 2 and tokens[0] == "sh" and tokens[2] == _PARKED:
        return None  # set aside by a worker: it was noted when it came
    topic = topic_of(tokens[1]) if len(tokens) > 1 else ""
    task_id = tokens[-1] if len(tokens) > 2 else headers.get(h.ID.lower(), "")
    data: dict[str, Value] = {"topic": text_of(topic), "bytes": size}
    for name, header in _TOLD.items():
        if value := headers.get(header.lower()):
            data[name] = text_of(value)
    by, action = headers.get(h.SOURCE.lower(), ""), "submit"
    if _SCHEDULER in headers:
        by, action = "", "fire"
        data["schedule"] = text_of(headers[_SCHEDULER].rpartition(".")[2])
    elif h.QUEUED.lower() in headers:
        action = "move"
    elif h.REPLAY_OF.lower() in headers:
        action = "rerun" if h.FROM_STEP.lower() in headers else "replay"
    return Act(
        at=at,
        by=text_of(by),
        action=action,
        target=text_of(task_id or f"{stream}-{seq}"),
        data=data,
        source=f"{stream}:{seq}",
    )


def noted_of(delivery: Delivery) -> tuple[str, int]:
    """Returns the stream of the message that a note is of, and its number there; 0 for none."""
    headers = delivery.headers
    return headers.get(_STREAM, delivery.stream), _number(headers.get(_SEQUENCE, ""))


_TOLD: Final = {
    "of": h.REPLAY_OF,
    "from_step": h.FROM_STEP,
    "parent": h.PARENT,
    "root": h.ROOT,
    "priority": h.PRIORITY,
    "version": h.VERSION,
}


def _noted(prefix: str, delivery: Delivery) -> Act | None:
    subject = delivery.subject.removeprefix(NOTED.format(p=prefix) + ".")
    headers = delivery.headers
    at = moment(delivery.time_ns)
    stream, seq = noted_of(delivery)
    if subject.startswith("ctl."):
        try:
            request = CANCEL.decode(delivery.body)
            by = text_of(request.by)
        except PepperError:
            by = ""
        target = text_of(subject.rpartition(".")[2])
        return Act(at=at, by=by, action="cancel", target=target, source=f"{stream}:{seq}")
    size = _number(headers.get(_SIZE, ""))
    return task_act(subject, headers, at=at, stream=stream, seq=seq, size=size)


def _said(prefix: str, delivery: Delivery) -> Act:
    tokens = AUDIT.parse(prefix, delivery.subject)
    target, data = "", _digest(delivery.body)
    try:
        record = AUDIT.decode(delivery.body)
    except PepperError:
        data["unreadable"] = True
    else:
        target, data = record.target, _values(record.data)
    return Act(
        at=moment(delivery.time_ns),
        by=text_of(tokens["principal"]),
        claimed=False,
        action=text_of(tokens["action"]),
        target=text_of(target),
        data=data,
        source=f"{delivery.stream}:{delivery.seq}",
    )


def _answered(prefix: str, delivery: Delivery) -> Act:
    tokens = ANSWER.parse(prefix, delivery.subject)
    try:
        by = text_of(ANSWER.decode(delivery.body).by)
    except PepperError:
        by = ""
    return Act(
        at=moment(delivery.time_ns),
        by=by,
        action="answer",
        target=text_of(tokens["id"]),
        data={"topic": tokens["topic"], "question": tokens["question"], **_digest(delivery.body)},
        source=f"{delivery.stream}:{delivery.seq}",
    )


def _tool(_prefix: str, delivery: Delivery) -> Act | None:
    try:
        told = heard(delivery)
    except PepperError:
        return None
    if told.verb not in TOOL_VERBS:
        return None
    wanted = ("tool", "call", "agent", "arguments", "scopes", "code")
    return Act(
        at=moment(delivery.time_ns),
        by=text_of(told.data.get("agent", "")),
        action=f"tool-{told.verb}",
        target=text_of(told.data.get("tool", told.scope)),
        data=_values({"task": told.id, **{k: told.data[k] for k in wanted if k in told.data}}),
        source=f"{delivery.stream}:{delivery.seq}",
    )


_READERS: Final[dict[str, Callable[[str, Delivery], Act | None]]] = {
    "AUDIT": _said,
    "NOTED": _noted,
    "ANSWERS": _answered,
    "EVENTS": _tool,
}


def _values(said: Mapping[str, Any]) -> dict[str, Value]:
    """What others say, as plain values of bounded size."""
    return {text_of(name): _value(value) for name, value in list(said.items())[:MOST]}


def _value(value: Any) -> Value:
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) <= _LARGEST:
        return value
    if isinstance(value, list):
        return text_of(", ".join(text_of(one) for one in value[:MOST]))
    return text_of(value if isinstance(value, str) else msgspec.json.encode(value).decode())


def _digest(body: bytes) -> dict[str, Value]:
    return {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0
