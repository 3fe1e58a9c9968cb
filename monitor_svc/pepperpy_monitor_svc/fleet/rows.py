"""Tasks as they are shown."""

from datetime import datetime
from typing import Final, cast

from pepperpy_monitor_svc.fleet.record import Record, Spent, Underway
from pepperpy_monitor_svc.fleet.rings import instant
from pepperpy_schemas.monitor import TaskRow, TaskStateName, Waiting

_NOTHING: Final = Spent()
_NO_WAY: Final = Underway()


def row(record: Record, children: int) -> TaskRow:
    """Returns a task as lists show it.

    Args:
        record: The task.
        children: How many tasks it has submitted.
    """
    agent, _, instance = record.worker.partition("/")
    spent, way = record.spent or _NOTHING, record.underway or _NO_WAY
    return TaskRow(
        id=record.id,
        topic=record.topic,
        state=cast(TaskStateName, record.state),
        agent=agent,
        instance=instance,
        attempt=record.attempt,
        high=record.high,
        source=record.source,
        parent=record.parent,
        root=record.root or record.id,
        submitted=_moment(record.submitted),
        started=_moment(_started(record)),
        ended=_moment(record.ended),
        queued_ms=_known(record.queued_ms),
        ms=_known(record.ms),
        whole_ms=_whole_ms(record),
        code=record.code,
        message=record.message,
        fingerprint=record.fingerprint,
        waits=way.waits,
        question=way.question,
        asks=way.asks,
        progress=_known(way.progress),
        retries=record.retries,
        letter=record.letter,
        calls=spent.calls,
        tools=spent.tools,
        input_tokens=spent.input_tokens,
        output_tokens=spent.output_tokens,
        usd=spent.usd,
        children=children,
        seq=record.seq,
    )


def waiting(record: Record, way: Underway) -> Waiting:
    """Returns a task that waits, as the topology shows it."""
    return Waiting(
        task=record.id,
        topic=record.topic,
        waits=way.waits,
        since=_moment(way.since),
        deadline=_moment(way.deadline),
        text=way.asks,
        children=way.children,
    )


def _started(record: Record) -> float:
    """When it began: what tells so is stored beside the way, at times after its end."""
    return min(record.started, record.ended) if record.ended else record.started


def _whole_ms(record: Record) -> float | None:
    if not (record.submitted and record.ended):
        return None
    return round(max(0.0, record.ended - record.submitted) * 1e3, 3)


def _moment(at: float) -> datetime | None:
    return instant(at) if at else None


def _known(value: float) -> float | None:
    return value if value >= 0 else None
