"""What tests tell a fleet, as the broker stores it."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from pepperpy_monitor_svc.fleet.fleet import Fleet
from pepperpy_schemas.error import ErrorInfo
from pepperpy_schemas.messages import AgentInstance, DeadLetter, Event, Load, Result

NOW = 1_800_000_000.0


class Clock:
    """The time, as a test has it."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def event_body(at: float = NOW, attempt: int = 1, **fields: Any) -> bytes:
    return msgspec.json.encode(Event(id="e", ts=moment(at), attempt=attempt, **fields))


def tell(
    fleet: Fleet,
    name: str,
    task_id: str,
    seq: int,
    at: float,
    *,
    scope: str = "orders",
    attempt: int = 1,
    cause: str = "",
    root: str = "",
    **data: Any,
) -> None:
    """Tells of an event: ``task.started``."""
    body = event_body(at, attempt, causation=cause, correlation=root, data=data)
    fleet.event(f"pp.event.{name}.{scope}.{task_id}", body, seq, at)


def result_body(code: str = "", message: str = "") -> bytes:
    error = ErrorInfo(code=code, message=message) if code else None
    return msgspec.json.encode(Result(ok=not code, error=error))


def letter_body(task_id: str, topic: str, code: str, message: str = "") -> bytes:
    letter = DeadLetter(
        task_id=task_id,
        topic=topic,
        ts=moment(NOW),
        reason=code,
        error=ErrorInfo(code=code, message=message),
    )
    return msgspec.json.encode(letter)


def beat(at: float, *, instance: str = "i1", state: str = "running", **load: Any) -> AgentInstance:
    """A heartbeat of the agent ``clerk``, written at this time by its own clock."""
    return AgentInstance(
        agent="clerk",
        instance=instance,
        version="1.0.0",
        state=state,
        topics=["orders"],
        capabilities=[],
        load=Load(slots=4, **load),
        host="h",
        pid=1,
        started=moment(at),
        beat=moment(at),
    )
