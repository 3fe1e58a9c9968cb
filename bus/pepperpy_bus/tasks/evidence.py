"""What the broker keeps of one task, and the state that follows from it."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from pepperpy_bus.events import Heard
from pepperpy_bus.tasks.deadletters import Filed
from pepperpy_bus.tasks.history import History
from pepperpy_bus.tasks.results import Ended
from pepperpy_bus.tasks.whereabouts import Whereabouts
from pepperpy_bus.trace import TraceContext, sent_task
from pepperpy_schemas.errors import BadHeader
from pepperpy_schemas.headers import NO_HEADERS, TRACEPARENT, TaskHeaders, read_task_headers
from pepperpy_schemas.messages import FailureEntry, InputEntry
from pepperpy_schemas.states import TaskState

_ENDS = {state.verb: state for state in TaskState if state.terminal}
_OF_TASKS = {"task.started", *(f"task.{verb}" for verb in _ENDS)}
"""Events that tell where a task is from; others happen within an attempt."""


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is kept of a task; each may be missing.

    Attributes:
        task_id: The task.
        where: What would start it or go on with it, and what it was given.
        history: What its journal says.
        events: Its events, in order.
        ended: Its end.
        ended_at: When the server stored that.
        filed: Its dead letter.
    """

    task_id: str
    where: Whereabouts | None = None
    history: History = msgspec.field(default_factory=History)
    events: list[Heard] = []
    ended: Ended | None = None
    ended_at: datetime | None = None
    filed: Filed | None = None

    def state(self) -> TaskState | None:
        """Returns where the task is in its life; None when nothing is known of it."""
        if self.ended is not None:
            return self.ended.result.state
        return self._told_end() or self._under_way()

    def _under_way(self) -> TaskState | None:
        """The state of a task without an end; that may have expired."""
        entries, wait = self.history.entries, self.history.open_wait
        if wait is not None and wait.what == "answer":
            return TaskState.INPUT_REQUIRED
        kept = self.where is not None and (self.where.kept or self.where.schedule is not None)
        if entries and isinstance(entries[-1], FailureEntry) and not kept:
            return TaskState.FAILED
        # Agents and alerts have events under their names too.
        told = {one.name for one in self.events if one.entity == "task" or one.event.attempt}
        if entries or told - {"task.submitted"}:
            return TaskState.WORKING
        return TaskState.SUBMITTED if kept or told else None

    def _told_end(self) -> TaskState | None:
        """The end that events tell of a task whose result has expired."""
        for one in reversed(self.events):
            if one.entity == "task" and one.verb in _ENDS:
                return _ENDS[one.verb]
        return None

    @property
    def recurs(self) -> bool:
        """Whether this is no task, but a schedule that submits some."""
        schedule = None if self.where is None else self.where.schedule
        return schedule is not None and schedule.recurring

    @property
    def over_at(self) -> datetime | None:
        """When it ended, as far as anything tells."""
        if self.ended_at is not None:
            return self.ended_at
        for one in reversed(self.events):
            if one.entity == "task" and one.verb in _ENDS:
                return one.event.ts
        return self.filed.letter.ts if self.filed is not None else None

    @property
    def given(self) -> InputEntry | None:
        """The first entry of its journal, or None."""
        return self.history.input

    @property
    def topic(self) -> str:
        """Its topic; empty when nothing tells it."""
        if self.where is not None:
            return self.where.topic
        if self.ended is not None and self.ended.topic:
            return self.ended.topic
        if self.filed is not None:
            return self.filed.letter.topic
        return self.events[0].scope if self.events else ""

    @property
    def fields(self) -> Mapping[str, str]:
        """Its headers, names in lower case; none when nothing tells them."""
        if self.where is not None:
            return self.where.headers
        return self.filed.letter.headers if self.filed is not None else {}

    @property
    def parent(self) -> str:
        """The task that submitted it, or empty."""
        return self.headers.parent or self._kin("causation")

    @property
    def root(self) -> str:
        """The first task of its family; empty for the first itself."""
        return self.headers.root or self._kin("correlation")

    def _kin(self, field: str) -> str:
        """A relative that its first event names; without one it names the task itself."""
        started = (one for one in self.events if one.name == "task.started")
        named = next((str(getattr(one.event, field)) for one in started), "")
        return "" if named == self.task_id else named

    @property
    def trace(self) -> TraceContext:
        """Its trace, and the span that it was sent from."""
        told = (one.event.trace for one in self.events if one.name in _OF_TASKS)
        carried = {TRACEPARENT: next(filter(None, told), ""), **self.fields}
        return sent_task(carried, self.task_id, parent=self.parent, root=self.root)

    @property
    def headers(self) -> TaskHeaders:
        """What its headers say; nothing when they cannot be read."""
        try:
            return read_task_headers(self.fields)
        except BadHeader:
            return NO_HEADERS
