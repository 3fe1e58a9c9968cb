"""What happens, counted: events as they are heard, and tasks that ended without any."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Final

from pepperpy_bus.events import Heard
from pepperpy_monitor_svc.fleet.record import ENDS, Record
from pepperpy_monitor_svc.fleet.values import figure, text
from pepperpy_monitor_svc.metrics import names
from pepperpy_monitor_svc.metrics.spending import Known, Spending
from pepperpy_monitor_svc.metrics.totals import Totals
from pepperpy_schemas.catalog.events import EVENT
from pepperpy_schemas.catalog.tasks import DEAD_LETTER, RESULT, TASK
from pepperpy_schemas.monitor import Gap

SYSTEM: Final = "nats"
_PUBLISH: Final = "publish"
_PROCESS: Final = "process"
MOST: Final = 20_000
"""Ended tasks whose event is waited for, and topics that are remembered."""
PATIENCE: Final = 5.0
"""Seconds in which the event follows that tells more of an end than its result does."""
_SUBMITTED, _ENDED, _FILED = (1 << n for n in range(8, 11))
"""In `Record.counted`, beside what the fleet counts itself: it is known for as long as the task."""


class Hearing:
    """Counts what is heard.

    Args:
        totals: Where.
        prefix: The deployment's prefix.
        known: Knows the tasks that events tell of.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        totals: Totals,
        prefix: str,
        known: Known,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._totals = totals
        self._clock = clock
        self._known = known
        self._prefix = prefix
        self._topics: OrderedDict[str, None] = OrderedDict()
        self._untold: OrderedDict[str, float] = OrderedDict()
        self._rules: Mapping[str, Callable[[Heard], None]] = {
            "task": self._task,
            "llm": Spending(totals, known),
            "tool": self._tool,
            "agent": self._made,
        }

    def __call__(self, kind: str, of: object) -> None:
        """Takes what the fleet has taken in; see `Fleet.on_change`."""
        match of:
            case Heard():
                self._event(of)
            case str() if kind == "task":
                record = self._known.record(of)
                if record is not None:
                    self._changed(record)
            case Gap():
                self.missed(of)

    def leave_out(self, records: Iterable[Record]) -> None:
        """Counts nothing of what tasks are already."""
        for one in records:
            self._has_tasks(one.topic)
            one.counted |= _SUBMITTED
            if not one.is_open:
                one.counted |= _ENDED
            if one.letter:
                one.counted |= _FILED

    def missed(self, gap: Gap) -> None:
        """Counts messages that were never seen."""
        self._totals.count(names.MONITOR_GAPS, gap.stream, gap.reason)
        self._totals.count(names.MONITOR_MISSED, gap.stream, gap.reason, by=gap.count)

    def _event(self, heard: Heard) -> None:
        self._totals.count(names.EVENTS, heard.entity, heard.verb)
        self._sent(self._spelled(EVENT.template, entity=heard.entity, verb=heard.verb))
        rule = self._rules.get(heard.entity)
        if rule is not None:
            rule(heard)

    # --- tasks ---

    def _task(self, heard: Heard) -> None:
        verb, topic = heard.verb, heard.scope
        if verb == "submitted":
            self._was_submitted(heard.id, topic)
        elif verb == "started":
            self._started(heard)
        elif verb == "retry":
            error = heard.data.get("error")
            code = text(error.get("code")) if isinstance(error, dict) else ""
            self._totals.count(names.TASKS_RETRIED, topic, code)
        elif verb in ENDS:
            self._end(heard, ENDS[verb])

    def _started(self, heard: Heard) -> None:
        topic = heard.scope
        self._was_submitted(heard.id, topic)
        self._totals.count(names.TASKS_STARTED, topic, _agent(heard))
        template = self._spelled(TASK.template, topic=topic)
        self._totals.count(names.CONSUMED, SYSTEM, _PROCESS, template)
        queued = figure(heard.data.get("queued_ms"))
        if queued >= 0:
            self._totals.measure(names.TASK_WAIT, queued / 1e3, topic)

    def _end(self, heard: Heard, state: str) -> None:
        topic, code = heard.scope, text(heard.data.get("code"))
        took = figure(heard.data.get("duration_ms"))
        if took >= 0:
            template = self._spelled(TASK.template, topic=topic)
            labels = (SYSTEM, _PROCESS, template, code)
            self._totals.measure(names.PROCESS_DURATION, took / 1e3, *labels)
        self._untold.pop(heard.id, None)
        if self._first(heard.id, _ENDED):
            self._count_end(heard.id, topic, _agent(heard), state, code)

    def _count_end(self, task_id: str, topic: str, agent: str, state: str, code: str) -> None:
        self._sent(self._spelled(RESULT.template))
        self._totals.count(names.TASKS_ENDED, topic, agent, state, code)
        record = self._known.record(task_id)
        if record is not None and record.submitted and record.ended:
            seconds = max(0.0, record.ended - record.submitted)
            self._totals.measure(names.TASK_DURATION, seconds, topic, state)

    def _was_submitted(self, task_id: str, topic: str) -> None:
        if self._first(task_id, _SUBMITTED):
            self._totals.count(names.TASKS_SUBMITTED, topic)
            self._has_tasks(topic)
            self._sent(self._spelled(TASK.template, topic=topic))

    def _has_tasks(self, topic: str) -> None:
        if topic not in self._topics:
            self._topics[topic] = None
            if len(self._topics) > MOST:
                self._topics.popitem(last=False)
            # Who compares it with before must have seen it at 0.
            self._totals.count(names.DEAD_LETTERS, topic, by=0)

    def _changed(self, record: Record) -> None:
        """A task is as something else than an event has told."""
        if record.submitted:
            self._was_submitted(record.id, record.topic)
        if record.letter and self._first(record.id, _FILED):
            self._totals.count(names.DEAD_LETTERS, record.topic)
            self._sent(self._spelled(DEAD_LETTER.template, topic=record.topic))
        if record.ended and not record.counted & _ENDED:
            self._untold.setdefault(record.id, self._clock())
            if len(self._untold) > MOST:
                self._count_untold(next(iter(self._untold)))

    def settle(self) -> None:
        """Counts ends of which no event has told: their workers raise none."""
        due = self._clock() - PATIENCE
        while self._untold and next(iter(self._untold.values())) <= due:
            self._count_untold(next(iter(self._untold)))

    def _count_untold(self, task_id: str) -> None:
        del self._untold[task_id]
        record = self._known.record(task_id)
        if record is not None and self._first(task_id, _ENDED):
            self._count_end(task_id, record.topic, record.agent, record.state, record.code)

    def _first(self, task_id: str, what: int) -> bool:
        """Whether this of a task counts for the first time."""
        record = self._known.record(task_id)
        if record is None or record.counted & what:
            return False
        record.counted |= what
        return True

    # --- tools ---

    def _tool(self, heard: Heard) -> None:
        if heard.verb in ("completed", "failed", "refused"):
            tool = text(heard.data.get("tool")) or heard.scope
            self._totals.count(names.TOOL_CALLS, tool, heard.verb)

    # --- agents ---

    def _made(self, heard: Heard) -> None:
        if heard.verb in ("created", "create_failed"):
            who = (heard.scope, text(heard.data.get("version")))
            self._totals.count(names.AGENTS_MADE, *who, text(heard.data.get("code")))
            took = figure(heard.data.get("duration_ms"))
            if took >= 0:
                self._totals.measure(names.AGENT_MAKING, took / 1e3, *who)

    # --- messages ---

    def _sent(self, template: str) -> None:
        self._totals.count(names.SENT, SYSTEM, _PUBLISH, template)

    def _spelled(self, template: str, **words: str) -> str:
        return _spelled(template, p=self._prefix, **words)


@lru_cache(maxsize=4096)
def _spelled(template: str, **words: str) -> str:
    """A subject's template with the words that stand for many; ids stay in braces."""
    for place, word in words.items():
        template = template.replace(f"{{{place}}}", word)
    return template


def _agent(heard: Heard) -> str:
    return text(heard.data.get("instance")).partition("/")[0]
