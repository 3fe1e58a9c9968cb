"""The attempts of a task, from whatever tells of them: events, journal, dead letter, result."""

from datetime import datetime, timedelta
from typing import Any

from pepperpy_bus.tasks.evidence import Evidence
from pepperpy_bus.tasks.explanation import AttemptEnd, ToldAttempt
from pepperpy_schemas.codec import convert
from pepperpy_schemas.errors import ErrorInfo, PepperError
from pepperpy_schemas.messages import ClaimEntry, FailureEntry, StepEntry, WaitEntry
from pepperpy_schemas.states import TaskState


class _Attempts:
    """The attempts by number, from whatever tells of them."""

    def __init__(self) -> None:
        self._found: dict[int, ToldAttempt] = {}

    def at(self, number: int) -> ToldAttempt:
        return self._found.setdefault(number, ToldAttempt(number=number))

    def begin(self, number: int, ts: datetime, instance: str) -> None:
        attempt = self.at(number)
        # Nothing is done before its attempt begins: where clocks say so, the earlier one is right.
        attempt.started = ts if attempt.started is None else min(attempt.started, ts)
        attempt.instance = attempt.instance or instance

    def end(
        self, number: int, ts: datetime | None, end: AttemptEnd, error: ErrorInfo | None = None
    ) -> None:
        attempt = self.at(number)
        attempt.ended, attempt.end = attempt.ended or ts, attempt.end or end
        attempt.error = attempt.error or error

    def ordered(self) -> list[ToldAttempt]:
        return [self._found[number] for number in sorted(self._found)]


def attempts_of(evidence: Evidence, state: TaskState) -> list[ToldAttempt]:
    """Returns the attempts of a task in a state, in order."""
    found = _Attempts()
    _from_events(evidence, found)
    _from_journal(evidence, found)
    if evidence.filed is not None:
        for record in evidence.filed.letter.attempts:
            told = found.at(record.attempt)
            told.instance = told.instance or record.instance
            if record.error is not None:
                found.end(record.attempt, record.ts, "failed", record.error)
    ended = evidence.ended
    if ended is not None and ended.attempt:
        # A canceled task that was waiting had no attempt that was canceled with it.
        end: Any = str(state)
        found.end(ended.attempt, evidence.over_at, end, ended.result.error)
    attempts = found.ordered()
    for one in attempts:
        if one.started is not None and one.ended is not None:
            one.ended = max(one.started, one.ended)
    for one in attempts[:-1]:
        one.end = one.end or "lost"
    if attempts and state.terminal and not attempts[-1].end:
        attempts[-1].end = "lost"
    return attempts


def _from_events(evidence: Evidence, found: _Attempts) -> None:
    for one in evidence.events:
        number, ts = one.event.attempt, one.event.ts
        if one.entity != "task" or not number:
            continue
        match one.verb:
            case "started":
                found.begin(number, ts, str(one.data.get("instance", "")))
            case "retry":
                found.end(number, ts, "failed", _error_in(one.data))
                wait = one.data.get("wait")
                found.at(number).again_after = wait if isinstance(wait, int | float) else None
            case _:
                pass


def _from_journal(evidence: Evidence, found: _Attempts) -> None:
    history, copied = evidence.history, evidence.headers.from_step
    for entry in history.entries:
        match entry:
            case ClaimEntry():
                found.begin(entry.attempt, entry.ts, entry.instance)
            case FailureEntry():
                found.at(entry.attempt).instance = entry.instance
                found.end(entry.attempt, entry.ts, "failed", entry.error)
            case StepEntry() if entry.n >= copied:
                # Of a first attempt whose start nobody tells any more this is the first sign.
                found.begin(entry.attempt, entry.ts - timedelta(milliseconds=entry.ms), "")
            case WaitEntry() if entry.n >= copied:
                found.begin(entry.attempt, entry.ts, "")
                ended = history.outcome(entry.n)
                if ended is None or ended.attempt != entry.attempt:
                    found.end(entry.attempt, entry.ts, "suspended")
            case _:
                pass


def _error_in(data: dict[str, Any]) -> ErrorInfo | None:
    try:
        return convert(data.get("error"), ErrorInfo)
    except PepperError:
        return None
