"""A fleet that takes in what a test tells of a deployment, and what is counted of it."""

import itertools
from datetime import UTC, datetime
from typing import Any

import msgspec

from pepperpy_monitor_svc.fleet.fleet import Fleet
from pepperpy_monitor_svc.metrics.hearing import PATIENCE, Hearing
from pepperpy_monitor_svc.metrics.samples import samples_of
from pepperpy_monitor_svc.metrics.totals import Totals
from pepperpy_schemas.error import ErrorInfo
from pepperpy_schemas.messages import DeadLetter, Event, Result

NOW = 1_800_000_000.0
"""What the clock of the fleet says."""


class Told:
    """Tells a fleet what happened; `at` moves on by a second with each fact."""

    def __init__(self) -> None:
        self.totals = Totals()
        self.fleet = Fleet(clock=lambda: NOW)
        self.now = 0.0
        self._hearing = Hearing(self.totals, "pp", self.fleet, clock=lambda: self.now)
        self.begin()
        self._seqs = itertools.count(1)
        self._moments = itertools.count(int(NOW) - 10_000)

    def begin(self) -> None:
        """Counts from now on."""
        self._hearing.leave_out(self.fleet.records())
        self.fleet.on_change.append(self._hearing)

    def event(self, name: str, scope: str, task_id: str, *, cause: str = "", **data: Any) -> None:
        entity, verb = name.split(".")
        seq, at = next(self._seqs), float(next(self._moments))
        attempt = 1 if entity == "task" else 0
        event = Event(
            id=f"e{seq}",
            ts=datetime.fromtimestamp(at, UTC),
            attempt=attempt,
            causation=cause,
            data=data,
        )
        subject = f"pp.event.{entity}.{verb}.{scope}.{task_id}"
        self.fleet.event(subject, msgspec.json.encode(event), seq, at)

    def submitted(self, topic: str, task_id: str) -> None:
        self.fleet.submitted(topic, task_id, float(next(self._moments)), {})

    def result(self, task_id: str, code: str = "") -> None:
        error = ErrorInfo(code=code, message="no") if code else None
        body = msgspec.json.encode(Result(ok=not code, error=error))
        self.fleet.result(task_id, body, next(self._seqs), float(next(self._moments)))

    def letter(self, topic: str, task_id: str, code: str) -> None:
        at = float(next(self._moments))
        letter = DeadLetter(
            task_id=task_id,
            topic=topic,
            ts=datetime.fromtimestamp(at, UTC),
            reason=code,
            error=ErrorInfo(code=code, message="no"),
        )
        self.fleet.letter(topic, task_id, msgspec.json.encode(letter), next(self._seqs), at)

    def counted(self, name: str) -> dict[tuple[str, ...], float]:
        """Values of a metric by the values of its labels, which are sorted by their names.

        Nothing more is told of what was told before.
        """
        self.now += PATIENCE
        self._hearing.settle()
        return {
            tuple(value for _, value in one.labels): one.value
            for one in samples_of(self.totals.families())
            if one.name == name
        }
