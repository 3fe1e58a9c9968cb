"""Facts about tasks: what each event, result, dead letter and submit changes."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from pepperpy_bus.events import Heard
from pepperpy_monitor_svc.fleet.durations import bin_of
from pepperpy_monitor_svc.fleet.models import Asked, asked
from pepperpy_monitor_svc.fleet.parts import Parts
from pepperpy_monitor_svc.fleet.record import (
    ENDS,
    FAILURES,
    FILED,
    STORED,
    TOLD,
    Record,
    Spent,
)
from pepperpy_monitor_svc.fleet.topology import node
from pepperpy_monitor_svc.fleet.values import figure, moment, text, whole
from pepperpy_schemas.error import ErrorInfo
from pepperpy_schemas.headers import TaskHeaders
from pepperpy_schemas.messages import DeadLetter, Result
from pepperpy_schemas.states import TaskState
from pepperpy_schemas.tokens import TOKEN

MESSAGE: Final = 200
"""Characters of an error's message that are kept with a task."""
_HIGH: Final = "high"
_COMPLETED: Final = TaskState.COMPLETED.value
_SUBMITTED, _ENDED, _TIMED, _QUEUED, _BLAMED, _LINKED = (1 << n for n in range(6))
"""What of a task has been counted; it is counted once, whatever else is told of it later."""


class Facts:
    """Takes facts in.

    Args:
        parts: What they change.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._tasks = parts.tasks
        self._names = parts.names.of
        self._count = {name: ring.add for name, ring in parts.totals.rings.items()}
        self._verbs: dict[str, Callable[[Record, Heard, float], None]] = {
            "submitted": self._told_submit,
            "started": self._started,
            "progress": self._progress,
            "retry": self._retry,
            "suspended": self._waits,
            "input_required": self._waits,
            **dict.fromkeys(ENDS, self._told_end),
        }

    # --- events ---

    def task_event(self, heard: Heard, at: float) -> None:
        """Something happened to a task, as its worker tells."""
        record, event = self._tasks.seen(heard.id, at), heard.event
        before, parent, letter = record.state, record.parent, record.letter
        if not record.topic:
            record.topic = self._names(heard.scope)
        if event.attempt > record.attempt:
            record.attempt = event.attempt
        if event.causation != record.id or event.correlation != record.id:
            self._family(record, event.causation, event.correlation)
        if event.priority == _HIGH:
            record.high = True
        if not record.counted & _SUBMITTED:
            self._counted_submit(record, at)
        verb = self._verbs.get(heard.verb)
        if verb is None:
            record.goes_on(heard.seq)
        else:
            verb(record, heard, at)
        self._tasks.changed(record, before, parent=parent, letter=letter)

    def other_event(self, heard: Heard, at: float) -> None:
        """A task's handler tells something, or calls a tool."""
        record = self._tasks.seen(heard.id, at)
        before, parent, letter = record.state, record.parent, record.letter
        record.attempt = max(record.attempt, heard.event.attempt)
        record.goes_on(heard.seq)
        if heard.entity == "tool":
            self._tool(record, heard, at)
        self._tasks.changed(record, before, parent=parent, letter=letter)

    def llm_event(self, heard: Heard, at: float) -> None:
        """A request to a model has ended."""
        event = heard.event
        one = asked(heard.verb, event.data)
        record = None
        if event.causation and event.causation != heard.id and TOKEN.fullmatch(event.causation):
            record = self._spends(event.causation, heard.seq, one, at)
        agent = record.agent if record is not None else ""
        parts = self._parts
        parts.models.count(one, agent or one.principal, at)
        failed = heard.verb == "failed"
        if failed:
            group = parts.errors.of(one.code or "failed", one.message)
            task = record.id if record is not None else ""
            parts.errors.count(group, at, one.message, agent=agent or one.principal, task=task)
        who = node("agent", agent) if agent else node("client", one.principal)
        provider = node("service", "provider")
        parts.ways.count(who, provider, "asks", at, failed=failed)
        if one.target:
            parts.ways.count(provider, node("model", one.target), "asks", at, failed=failed)

    def memory_event(self, heard: Heard, at: float) -> None:
        """The memory was asked for something."""
        task = self._tasks.get(heard.event.causation)
        agent = task.agent if task is not None else ""
        principal = text(heard.event.data.get("principal"))
        who = node("agent", agent) if agent else node("client", principal)
        self._parts.ways.count(who, node("service", "memory"), "asks", at)

    # --- what is stored ---

    def result(self, task_id: str, found: Result, seq: int, at: float, topic: str) -> None:
        """A task has ended: the truth."""
        self._stored_end(task_id, STORED, found, seq, at, self._names(topic))

    def letter(self, topic: str, task_id: str, found: DeadLetter, seq: int, at: float) -> None:
        """A task lies among the dead letters."""
        end = Result(ok=False, error=found.error)
        self._stored_end(task_id, FILED, end, seq, at, self._names(topic))

    def submitted(
        self, topic: str, task_id: str, at: float, said: TaskHeaders, *, high: bool = False
    ) -> None:
        """A task was stored."""
        record = self._tasks.seen(task_id, at)
        before, parent, letter = record.state, record.parent, record.letter
        if not record.topic:
            record.topic = self._names(topic)
        record.submitted = min(record.submitted or at, at)
        record.high = record.high or high or said.priority == _HIGH
        if said.source and not record.source:
            record.source = self._names(text(said.source))
        self._family(record, said.parent, said.root)
        self._counted_submit(record, at)
        self._linked(record, at)
        self._tasks.changed(record, before, parent=parent, letter=letter)

    def _stored_end(
        self, task_id: str, certainty: int, end: Result, seq: int, at: float, topic: str
    ) -> None:
        record = self._tasks.seen(task_id, at)
        before, parent, letter = record.state, record.parent, record.letter
        if topic and not record.topic:
            record.topic = topic
        self._counted_submit(record, at)
        if certainty == FILED:
            record.letter = True
        state = _COMPLETED if end.ok else end.state.value
        self._over(record, certainty, seq, at, state, end.error)
        self._tasks.changed(record, before, parent=parent, letter=letter)

    # --- verbs of a task's events ---

    def _told_submit(self, record: Record, heard: Heard, at: float) -> None:
        """Its sender tells, and no worker has it by that."""
        record.seq = max(record.seq, heard.seq)
        record.submitted = min(record.submitted or at, at)

    def _started(self, record: Record, heard: Heard, at: float) -> None:
        data, parts = heard.event.data, self._parts
        record.begun(heard.seq, at)
        worker = text(data.get("instance"))
        if worker:
            worker = self._names(worker)
            record.held_by(heard.seq, worker)
            agent = node("agent", worker.partition("/")[0])
            parts.ways.count(agent, node("topic", heard.scope), "pulls", at)
        queued = figure(data.get("queued_ms"))
        if queued >= 0:
            known = record.queued_ms
            record.queued_ms = queued if known < 0 else min(known, queued)
            if not record.submitted or at - queued / 1e3 < record.submitted:
                record.submitted = at - queued / 1e3
            if not record.counted & _QUEUED:
                record.counted |= _QUEUED
                place = bin_of(queued)
                parts.totals.queued.add(at, place)
                parts.topics.queued(heard.scope, at, place)
        source = text(data.get("source"))
        if source and not record.source:
            record.source = self._names(source)
        self._count["started"](at)
        self._linked(record, at)

    def _progress(self, record: Record, heard: Heard, _: float) -> None:
        share = figure(heard.event.data.get("fraction"))
        record.progressed(heard.seq, min(share, 1.0))

    def _retry(self, record: Record, heard: Heard, at: float) -> None:
        data = heard.event.data
        record.retries = max(record.retries, whole(data.get("failures")))
        error = data.get("error")
        error = error if isinstance(error, dict) else {}
        code, message = text(error.get("code")), text(error.get("message"), 1000)
        errors = self._parts.errors
        group = errors.of(code, message)
        record.failed(
            heard.seq, self._names(code), message[:MESSAGE], self._names(group.fingerprint)
        )
        errors.count(group, at, message, topic=heard.scope, agent=record.agent, task=record.id)
        self._count["retried"](at)

    def _waits(self, record: Record, heard: Heard, at: float) -> None:
        data = heard.event.data
        asks = heard.verb == "input_required"
        record.waits(
            heard.seq,
            at,
            "answer" if asks else self._names(text(data.get("for"), 16)),
            question=whole(data.get("question")),
            asks=text(data.get("text"), MESSAGE),
            children=whole(data.get("children")),
            deadline=moment(data.get("deadline")),
        )

    def _told_end(self, record: Record, heard: Heard, at: float) -> None:
        data, parts, state = heard.event.data, self._parts, ENDS[heard.verb]
        worker = text(data.get("instance"))
        if worker:
            record.held_by(heard.seq, self._names(worker))
        if heard.seq > record.seq:
            record.seq = heard.seq
        ms = figure(data.get("duration_ms"))
        if ms >= 0:
            record.took(heard.seq, ms)
            if not record.counted & _TIMED:
                record.counted |= _TIMED
                place = bin_of(ms)
                parts.totals.timings.add(at, place)
                parts.topics.took(heard.scope, at, place)
                parts.agents.ended(record.worker, at, ms, place, failed=state in FAILURES)
        error = None
        if code := text(data.get("code")):
            error = ErrorInfo(code=code, message=text(data.get("message"), 1000))
        self._over(record, TOLD, heard.seq, at, state, error)

    # --- what several facts have in common ---

    def _family(self, record: Record, parent: str, root: str) -> None:
        if parent and not record.parent and parent != record.id and len(parent) <= 64:
            above = self._tasks.get(parent)
            record.parent = parent if above is None else above.id
        if root and not record.root and root != record.id and len(root) <= 64:
            first = self._tasks.get(root)
            record.root = root if first is None else first.id

    def _over(
        self,
        record: Record,
        certainty: int,
        seq: int,
        at: float,
        state: str,
        error: ErrorInfo | None,
    ) -> None:
        code = message = mark = ""
        group = None
        if error is not None:
            code = self._names(text(error.code))
            message = text(error.message, 1000)
            if state in FAILURES:
                group = self._parts.errors.of(code, message)
                mark = self._names(group.fingerprint)
        if not record.over(certainty, seq, at, state, code, message[:MESSAGE], mark):
            return
        if group is not None and not record.counted & _BLAMED:
            record.counted |= _BLAMED
            self._parts.errors.count(
                group, at, message, topic=record.topic, agent=record.agent, task=record.id
            )
        if not record.counted & _ENDED:
            record.counted |= _ENDED
            self._count[state](at)
            if record.topic:
                self._parts.topics.ended(record.topic, at, state)

    def _counted_submit(self, record: Record, at: float) -> None:
        if not record.counted & _SUBMITTED:
            record.counted |= _SUBMITTED
            self._count["submitted"](at)
            if record.topic:
                self._parts.topics.submitted(record.topic, at)

    def _linked(self, record: Record, at: float) -> None:
        """Counts who submitted it: the agent of its parent, or whom it says it is from."""
        if record.counted & _LINKED:
            return
        record.counted |= _LINKED
        above = self._tasks.get(record.parent) if record.parent else None
        agent = above.agent if above is not None else ""
        who = node("agent", agent) if agent else node("client", record.source)
        self._parts.ways.count(who, node("topic", record.topic), "submits", at)

    def _spends(self, task_id: str, seq: int, one: Asked, at: float) -> Record:
        record = self._tasks.seen(task_id, at)
        before = record.state
        record.goes_on(seq)
        spent = self._spent(record)
        spent.calls += 1
        spent.input_tokens += one.input_tokens
        spent.output_tokens += one.output_tokens
        spent.usd += one.usd
        self._tasks.changed(record, before, parent=record.parent, letter=record.letter)
        return record

    def _tool(self, record: Record, heard: Heard, at: float) -> None:
        data: Mapping[str, Any] = heard.event.data
        if heard.verb == "called":
            self._spent(record).tools += 1
        code = text(data.get("code"))
        if code and heard.verb == "failed":
            message = f"tool {text(data.get('tool'))}"
            group = self._parts.errors.of(code, message)
            self._parts.errors.count(
                group, at, message, topic=record.topic, agent=record.agent, task=record.id
            )

    @staticmethod
    def _spent(record: Record) -> Spent:
        if record.spent is None:
            record.spent = Spent()
        return record.spent
