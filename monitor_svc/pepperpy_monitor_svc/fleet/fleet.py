"""The fleet: facts in, views out."""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from pepperpy_bus.events import Heard
from pepperpy_bus.logs import get_log
from pepperpy_monitor_svc.fleet.facts import Facts
from pepperpy_monitor_svc.fleet.parts import Parts
from pepperpy_monitor_svc.fleet.views import Views
from pepperpy_schemas import headers as h
from pepperpy_schemas.codec import decode
from pepperpy_schemas.errors import PepperError
from pepperpy_schemas.headers import NO_HEADERS, TaskHeaders, fold, read_task_headers
from pepperpy_schemas.messages import AgentInstance, DeadLetter, Event, Result
from pepperpy_schemas.monitor import BrokerFigures, ComponentHealth, Gap
from pepperpy_schemas.tokens import HIGH_LANE, topic_of

log = get_log("pepperpy.monitor")

T = TypeVar("T")

_MIB: Final = 1 << 20
_TOKENS: Final = 6
_SUBJECT: Final = 400
_TOKEN: Final = 64
"""Characters of a token; nobody of ours writes a longer one."""
_AHEAD: Final = 60.0
"""Seconds that a moment may be ahead of the clock and still be believed."""
_TOPIC: Final = h.TOPIC.lower()
_LIFE: Final = frozenset(
    ("initialized", "starting", "running", "paused", "stopping", "stopped", "error")
)
"""What an instance tells of its life; other events of an agent, that it was made, are of none."""


class Fleet(Views):
    """All that is known of a deployment, in memory and within a number of bytes.

    It does no I/O and belongs to one event loop. Whatever is taken in raises nothing: what cannot
    be read is counted (`counters`). Moments are seconds since 1970 by the server's clock.

    Args:
        limit_bytes: Most that is kept; what ended longest ago goes first, successes before
            failures.
        clock: The server's time.

    Attributes:
        on_change: Called with a kind and a value after something was taken in: ``event`` with the
            `Heard`, ``task`` with an id, ``agent`` with ``agent/instance``, and ``broker``,
            ``health`` and ``gap`` with what was taken.
    """

    def __init__(
        self, *, limit_bytes: int = 256 * _MIB, clock: Callable[[], float] = time.time
    ) -> None:
        super().__init__(Parts(limit_bytes), clock)
        self.on_change: list[Callable[[str, Any], None]] = []
        self._facts = Facts(self._parts)
        self._counts = self._parts.counts
        self._count_event = self._parts.totals.rings["events"].add
        self._sure = 0.0

    # --- facts ---

    def event(self, subject: str, body: bytes, seq: int, at: float) -> None:
        """Takes an event as it is stored.

        Args:
            subject: Its subject.
            body: Its body.
            seq: Its number in the stream of events.
            at: When the server stored it.
        """
        if not self._counts.new_event(seq, at):
            return
        if at > self._sure:
            at = self._believed(at)
        self._count_event(at)
        tokens = subject.split(".")
        if len(tokens) != _TOKENS or len(subject) > _SUBJECT:
            self._counts.bad.add("bad_name")
            return
        try:
            event = decode(body, Event)
        except PepperError as error:
            self._counts.bad.add(error.code)
            return
        _, _, entity, verb, scope, name = tokens
        if event.ts.timestamp() > at + _AHEAD:
            self._counts.odd.add("clock_ahead")  # a worker's clock; nothing is reckoned with it
        heard = Heard(entity, verb, scope, name, event, seq)
        if entity == "task":  # nearly all are
            self._facts.task_event(heard, at)
        else:
            self._other_event(heard, at)
        if self.on_change:
            self._tell("event", heard)

    def result(
        self,
        task_id: str,
        body: bytes,
        seq: int,
        at: float,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Takes the end of a task: the truth.

        Args:
            task_id: The task.
            body: Its result.
            seq: Its number in the stream of results.
            at: When it was stored.
            headers: Its headers, names in lower case; they tell the topic.
        """
        self._counts.results += 1
        found = self._read(body, Result) if self._named(task_id) else None
        if found is not None:
            topic = (headers or {}).get(_TOPIC, "")[:_TOKEN]
            self._facts.result(task_id, found, seq, self._believed(at), topic)
            self._tell("task", task_id)

    def letter(self, topic: str, task_id: str, body: bytes, seq: int, at: float) -> None:
        """Takes a dead letter."""
        self._counts.letters += 1
        found = self._read(body, DeadLetter) if self._named(topic) else None
        if found is not None and self._named(task_id or found.task_id):
            task_id = task_id or found.task_id
            self._facts.letter(topic, task_id, found, seq, self._believed(at))
            self._tell("task", task_id)

    def submitted(self, topic: str, task_id: str, at: float, headers: Mapping[str, str]) -> None:
        """Takes a task that was stored, on whatever lane."""
        if not (self._named(topic) and self._named(task_id)):
            return
        said = self._said(headers)
        high = topic.endswith(HIGH_LANE)
        topic = topic_of(topic) if "-" in topic else topic
        self._facts.submitted(topic, task_id, self._believed(at), said, high=high)
        self._tell("task", task_id)

    def beat(self, instance: AgentInstance, at: float) -> None:
        """Takes a heartbeat, as it was stored."""
        if self._named(instance.agent) and self._named(instance.instance):
            known = self._parts.agents.of(instance.agent, instance.instance)
            known.beat(instance, self._believed(at))
            self._tell("agent", f"{instance.agent}/{instance.instance}")

    def gone(self, agent: str, instance: str, at: float) -> None:
        """Takes that an instance is in the registry no more: it stopped, or its time was over."""
        if self._named(agent) and self._named(instance):
            self._parts.agents.of(agent, instance).removed(self._believed(at))
            self._tell("agent", f"{agent}/{instance}")

    def broker(self, figures: BrokerFigures, at: float) -> None:
        """Takes how the broker is."""
        self._parts.broker.take(figures, at)
        self._parts.agents.earshot.take(at, connected=figures.connected)
        if figures.connected:
            self._parts.topics.broker_says(figures.topics)
        self._tell("broker", figures)

    def health(self, component: ComponentHealth) -> None:
        """Takes how a part of the deployment is."""
        self._parts.health.take(component)
        self._tell("health", component)

    def gap(self, gap: Gap) -> None:
        """Takes that messages were never seen."""
        self._counts.gap(gap)
        self._tell("gap", gap)

    # --- what they have in common ---

    def _other_event(self, heard: Heard, at: float) -> None:
        match heard.entity:
            case "llm" if not heard.event.attempt:
                self._facts.llm_event(heard, at)
            case "memory" if not heard.event.attempt:
                self._facts.memory_event(heard, at)
            case "agent" if heard.verb in _LIFE and not heard.event.attempt:
                known = self._parts.agents.of(heard.scope, heard.id)
                known.tells(heard.verb, at)
            case _ if heard.event.attempt:
                self._facts.other_event(heard, at)

    def _believed(self, at: float) -> float:
        """A moment; the present where it is far ahead, which would drive out all that is known."""
        if at <= self._sure:
            return at
        now = self._clock()
        self._sure = now + _AHEAD
        if at <= self._sure:
            return at
        self._counts.odd.add("time_ahead")
        return now

    def _named(self, name: str) -> bool:
        fits = 0 < len(name) <= _TOKEN
        if not fits:
            self._counts.bad.add("bad_name")
        return fits

    def _read(self, body: bytes, type: type[T]) -> T | None:  # noqa: A002 - as msgspec's own
        try:
            return decode(body, type)
        except PepperError as error:
            self._counts.bad.add(error.code)
            return None

    def _said(self, headers: Mapping[str, str]) -> TaskHeaders:
        try:
            return read_task_headers(fold(headers))
        except PepperError as error:
            self._counts.bad.add(error.code)
            return NO_HEADERS

    def _tell(self, kind: str, value: object) -> None:
        for hear in self.on_change:
            try:
                hear(kind, value)
            except Exception:  # whoever listens must not end the reading of all that follows
                self._counts.odd.add("listener")
                log.exception("monitor.listener_failed", kind=kind)
