"""From what is kept of a task to its story. Nothing here talks to the broker."""

import contextlib
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from pepperpy_bus.tasks.evidence import Evidence
from pepperpy_bus.tasks.explanation import (
    Explanation,
    Happening,
    ToldChild,
    ToldStep,
    ToldWait,
)
from pepperpy_bus.tasks.history import History
from pepperpy_bus.tasks.told_attempts import attempts_of
from pepperpy_bus.units import parse_time
from pepperpy_schemas.codec import decode
from pepperpy_schemas.errors import ErrorInfo
from pepperpy_schemas.messages import (
    ChildrenEntry,
    JournalEntry,
    Result,
    StepEntry,
)
from pepperpy_schemas.states import TaskState

_TERMINAL: Final = {f"task.{state.verb}": state for state in TaskState if state.terminal}
_TOLD_ELSEWHERE: Final = {"task.started", "task.retry", "task.suspended", *_TERMINAL}
_UNITS: Final = ("tokens", "usd")
_SPENT: Final = "llm"


def tell(evidence: Evidence, state: TaskState) -> Explanation:
    """Returns the story of a task in a state, without what must be looked up elsewhere."""
    headers, where, ended = evidence.headers, evidence.where, evidence.ended
    history = in_order(evidence.history, headers.from_step)
    evidence = msgspec.structs.replace(evidence, history=history)
    submitted = _submitted(evidence)
    result = ended.result if ended is not None else None
    letter = evidence.filed
    return Explanation(
        id=evidence.task_id,
        state=state,
        topic=evidence.topic,
        submitted=submitted,
        source=headers.source or _said(evidence, "source"),
        due=where.schedule.next() if where is not None and where.schedule is not None else None,
        deadline=_deadline(submitted, headers.timeout_ms),
        parent=evidence.parent,
        root=evidence.root,
        replay_of=headers.replay_of,
        from_step=headers.from_step,
        key=headers.key,
        priority=headers.priority,
        attempts=attempts_of(evidence, state),
        steps=_steps(history, headers.from_step),
        waits=_waits(history, headers.from_step),
        children=children_of(history),
        happenings=_happenings(evidence),
        cost=_cost(evidence),
        ended=evidence.over_at,
        data=decode(bytes(result.data), Any) if result is not None else None,
        error=_error(evidence, result),
        letter=letter.seq if letter is not None else 0,
        trace=evidence.trace,
    )


def in_order(history: History, copied: int = 0) -> History:
    """Returns the same entries with times that never go back: their writers' clocks differ.

    Args:
        history: What the journal says.
        copied: The first place that is the task's own; what stands before keeps its time.
    """
    entries: list[JournalEntry] = []
    latest: datetime | None = history.input.stored if history.input is not None else None
    for entry in history.entries:
        ts: datetime | None = getattr(entry, "ts", None)
        own = not copied or getattr(entry, "n", copied) >= copied
        if ts is not None and own:
            latest = ts if latest is None else max(latest, ts)
            entry = msgspec.structs.replace(entry, ts=latest)  # noqa: PLW2901 - the same, later
        entries.append(entry)
    return History(entries)


# --- the beginning and the end --------------------------------------------------------------------


def _submitted(evidence: Evidence) -> datetime | None:
    where, given = evidence.where, evidence.given
    if given is not None:
        return given.stored
    if where is not None and where.kept:
        return parse_time(where.kept[0].message.time)
    if where is not None and where.schedule is not None:
        return where.schedule.stored
    for one in evidence.events:
        queued = one.data.get("queued_ms")
        if one.name == "task.started" and isinstance(queued, int | float):
            with contextlib.suppress(OverflowError):  # what anybody may have written
                return one.event.ts - timedelta(milliseconds=queued)
    return None


def _deadline(submitted: datetime | None, timeout_ms: int) -> datetime | None:
    if submitted is None or not timeout_ms:
        return None
    return submitted + timedelta(milliseconds=timeout_ms)


def _said(evidence: Evidence, name: str) -> str:
    started = (one for one in evidence.events if one.name == "task.started")
    return next((str(one.data[name]) for one in started if name in one.data), "")


def _error(evidence: Evidence, result: Result | None) -> ErrorInfo | None:
    if result is not None:
        return result.error
    return evidence.filed.letter.error if evidence.filed is not None else None


# --- steps, waits, children -----------------------------------------------------------------------


def _steps(history: History, copied: int) -> list[ToldStep]:
    return [
        ToldStep(
            n=one.n,
            name=one.name,
            attempt=one.attempt,
            ts=one.ts,
            ms=one.ms,
            size=_size(one),
            copied=one.n < copied,
        )
        for one in history.entries
        if isinstance(one, StepEntry)
    ]


def _size(step: StepEntry) -> int:
    _, mark, size = step.blob.rpartition("size=")
    return int(size) if mark and size.isdigit() else len(bytes(step.data))


def _waits(history: History, copied: int) -> list[ToldWait]:
    told = []
    for wait in history.waits:
        ended = history.outcome(wait.n)
        answered = ended is not None and wait.what == "answer" and not ended.blob
        told.append(
            ToldWait(
                n=wait.n,
                what=wait.what,
                attempt=wait.attempt,
                began=wait.ts,
                ended=ended.ts if ended is not None else None,
                how=ended.how if ended is not None else "",
                question=wait.question,
                text=wait.text,
                choices=wait.choices,
                children=wait.children,
                deadline=wait.deadline,
                answer=decode(bytes(ended.data), Any) if ended is not None and answered else None,
                by=ended.by if ended is not None else "",
                copied=wait.n < copied,
            )
        )
    return told


def children_of(history: History) -> list[ToldChild]:
    """Returns the children, with the states of those whose ends the journal has."""
    ends = _ends(history)
    return [
        ToldChild(
            n=child.n,
            topic=child.topic,
            id=child.id,
            ts=entry.ts,
            attempt=entry.attempt,
            state=ends.get(child.id),
        )
        for entry in history.entries
        if isinstance(entry, ChildrenEntry)
        for child in entry.children
    ]


def _ends(history: History) -> dict[str, TaskState]:
    found: dict[str, TaskState] = {}
    for wait in history.waits:
        ended = history.outcome(wait.n)
        if wait.what != "children" or ended is None or ended.blob:
            continue
        results = decode(bytes(ended.data), list[Result | None])
        for child_id, result in zip(wait.children, results, strict=False):
            if result is not None:
                found[child_id] = result.state
    return found


# --- the rest -------------------------------------------------------------------------------------


def _happenings(evidence: Evidence) -> list[Happening]:
    asked = {wait.n for wait in evidence.history.waits}

    def is_told(name: str, data: dict[str, Any]) -> bool:
        begun = name == "task.input_required" and not data.get("reminder")
        return name in _TOLD_ELSEWHERE or (begun and data.get("place") in asked)

    return [
        Happening(
            ts=one.event.ts,
            name=one.name,
            attempt=one.event.attempt,
            data=one.data,
            event_id=one.event.id,
            trace=one.event.trace,
        )
        for one in evidence.events
        if not is_told(one.name, one.data)
    ]


def _cost(evidence: Evidence) -> dict[str, float]:
    """What the events of model calls say was spent."""
    spent: dict[str, float] = {}
    for one in evidence.events:
        if one.entity != _SPENT:
            continue
        for unit in _UNITS:
            amount = one.data.get(unit)
            if isinstance(amount, int | float):
                spent[unit] = spent.get(unit, 0) + amount
    return spent
