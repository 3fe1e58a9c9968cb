"""The story that monitors are told: tasks that begin, go on, and end, one in twenty with an error.

It imports nothing but the standard library: Flower's side of it runs in an environment of its own.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

TOPICS = 12
WORKERS = 6
FAILS = 20
"""One in so many fails."""


@dataclass(frozen=True)
class Told:
    """A task of the story.

    Attributes:
        id: Its id.
        topic: Its topic, or the name of the task at Celery.
        worker: Who does it.
        ms: How long it takes.
        error: What its error says; empty when it succeeds.
    """

    id: str
    topic: str
    worker: str
    ms: float
    error: str


def story(tasks: int, first: int = 0) -> Iterator[Told]:
    """Yields so many tasks, the first of that number; each has three events."""
    for n in range(first, first + tasks):
        error = "" if n % FAILS else f"no parcel {n} in the yard"
        yield Told(
            id=f"ruQ45HetGKXfvjkW{n:06x}",
            topic=f"topic-{n % TOPICS}",
            worker=f"{n % WORKERS:010x}",
            ms=5.0 + n % 90,
            error=error,
        )


def events(tasks: int, first: int = 0) -> Iterator[tuple[str, bytes]]:
    """Yields subjects and bodies as our workers publish them: events, and results between them."""
    for one in story(tasks, first):
        instance = f"clerk/{one.worker}"
        started = {"instance": instance, "queued_ms": one.ms / 3, "source": "shop"}
        ended = {"instance": instance, "duration_ms": one.ms}
        result: dict[str, object] = {"ok": True, "data": {"text": "It arrives tomorrow."}}
        if one.error:
            ended |= {"code": "handler_error", "message": one.error}
            error = {"code": "handler_error", "message": one.error}
            result = {"ok": False, "error": error}
        yield _event("started", one, started)
        yield _event("progress", one, {"fraction": 0.5, "message": "half of it"})
        yield f"result.{one.id}", json.dumps(result, separators=(",", ":")).encode()
        yield _event("failed" if one.error else "completed", one, ended)


def _event(verb: str, one: Told, data: dict[str, object]) -> tuple[str, bytes]:
    event = {
        "id": f"{one.id}:1:{verb}",
        "ts": datetime.now(UTC).isoformat(),
        "correlation": one.id,
        "causation": one.id,
        "attempt": 1,
        "data": data,
    }
    body = json.dumps(event, separators=(",", ":")).encode()
    return f"event.task.{verb}.{one.topic}.{one.id}", body


def celery_events(tasks: int, first: int = 0) -> Iterator[tuple[str, str, dict[str, object]]]:
    """Yields workers, types and fields as Celery's workers publish them."""
    for one in story(tasks, first):
        worker = f"clerk@{one.worker}"
        common: dict[str, object] = {"uuid": one.id}
        given = {"name": one.topic, "args": "()", "kwargs": "{}", "retries": 0, "eta": None}
        yield worker, "task-received", {**common, **given, "root_id": one.id, "parent_id": None}
        yield worker, "task-started", common
        if one.error:
            failed = {"exception": f"ValueError({one.error!r})", "traceback": "Traceback …"}
            yield worker, "task-failed", {**common, **failed}
        else:
            done = {"result": "'It arrives tomorrow.'", "runtime": one.ms / 1e3}
            yield worker, "task-succeeded", {**common, **done}
