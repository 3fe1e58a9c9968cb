"""Instances of agents: how each is, as far as its heartbeats tell.

A heartbeat comes every 5 s and counts from when the server stored it; the worker's own clock is
shown and never used. Nobody is taken to be well because nothing bad was heard of them: one missed
heartbeat makes an instance stale, three make it lost, and what a lost one said last is not what it
does now.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Final

import msgspec

from pepperpy_bus.registry import BEAT
from pepperpy_monitor_svc.fleet.durations import Window
from pepperpy_monitor_svc.fleet.earshot import Earshot
from pepperpy_monitor_svc.fleet.record import Record
from pepperpy_monitor_svc.fleet.rings import Ring, instant
from pepperpy_monitor_svc.fleet.roster import Roster
from pepperpy_schemas.messages import AgentInstance
from pepperpy_schemas.monitor import AgentRow, AgentSeries, AgentStateName, Series

STALE: Final = 1.5 * BEAT
"""Seconds without a heartbeat until an instance is stale: one is late by half of its time."""
LOST: Final = 3 * BEAT
"""Seconds without one until it is lost."""
_KEPT_STOPPED: Final = 3600.0
_KEPT_LOST: Final = 24 * 3600.0
_TASKS: Final = 8
_MANY: Final = 100
_LONG: Final = 130
_STEP: Final = 10.0
_STEPS: Final = 360
_NAN: Final = float("nan")

_STATES: Final[dict[str, AgentStateName]] = {
    "initialized": "starting",
    "starting": "starting",
    "running": "up",
    "paused": "paused",
    "stopping": "draining",
    "stopped": "stopped",
    "error": "error",
}
_ALIVE: Final = frozenset({"starting", "up", "paused", "draining", "stale", "error"})
_READINGS: Final = (
    ("cpu_percent", "%"),
    ("rss_bytes", "bytes"),
    ("loop_lag_ms", "ms"),
    ("in_flight", "tasks"),
)

Key = tuple[str, str]
"""Agent and instance."""


class Instance:
    """What is known of one instance; times are seconds since 1970, 0 for never."""

    __slots__ = (
        "durations",
        "ended",
        "failed",
        "gone",
        "key",
        "left",
        "readings",
        "said",
        "said_at",
        "seen",
        "spent_ms",
        "told",
        "told_at",
        "version",
    )

    def __init__(self, key: Key) -> None:
        self.key = key
        self.said: AgentInstance | None = None
        self.said_at = 0.0
        self.version = ""
        self.seen = 0.0
        self.told, self.told_at = "", 0.0
        self.gone = 0.0
        self.left = 0.0
        self.readings = {name: Ring(_STEP, _STEPS, empty=_NAN) for name, _ in _READINGS}
        self.ended, self.failed, self.spent_ms = (Ring(_STEP, _STEPS) for _ in range(3))
        self.durations = Window(30, 10)

    def beat(self, said: AgentInstance, at: float) -> None:
        """Takes a heartbeat."""
        load = said.load
        for name, _ in _READINGS:
            self.readings[name].put(at, float(getattr(load, name)))
        if at >= self.said_at:
            self.said, self.said_at, self.version = _cut(said), at, said.version[:_LONG]
        self.seen = max(self.seen, at)

    def tells(self, state: str, at: float) -> None:
        """Takes an event of its life; also a sign of it."""
        if at >= self.told_at:
            self.told, self.told_at = state, at
        if state == "stopped":
            self.left = max(self.left, at)
        else:
            self.seen = max(self.seen, at)

    def removed(self, at: float) -> None:
        """Left the registry: it took its name out, or the server did when no heartbeat came.

        The age of its last heartbeat tells which: the server waits until three are missing.
        """
        self.gone = max(self.gone, at)
        if self.said_at and at - self.said_at < LOST - BEAT / 2:
            self.left = max(self.left, at)

    def state(self, now: float) -> tuple[AgentStateName, str]:
        """Returns how it is, and why it is taken to be so."""
        if self.left >= self.seen:
            return "stopped", "it said good-bye"
        age = now - self.seen
        if age >= LOST or self.gone > self.seen:
            return "lost", f"no heartbeat for {age:.0f} s, and no good-bye"
        if age >= STALE:
            return "stale", f"no heartbeat for {age:.0f} s"
        said = "" if self.said is None else self.said.state
        newest = self.told if self.told_at > self.said_at else said
        state = _STATES.get(newest, "up")
        return state, "it says so" if state == "error" else ""


class Agents:
    """All instances.

    Attributes:
        earshot: Whether anybody can be heard; if not, nobody is missing.

    Args:
        limit: Most instances; the one that was not heard of for longest goes.
    """

    def __init__(self, limit: int) -> None:
        self._instances: Roster[Key, Instance] = Roster(limit, Instance)
        self.earshot = Earshot(patience=LOST)

    def __len__(self) -> int:
        return len(self._instances)

    @property
    def dropped(self) -> int:
        """Instances that had to go."""
        return self._instances.dropped

    def of(self, agent: str, instance: str) -> Instance:
        """Returns an instance that is heard of."""
        return self._instances.use((agent, instance))

    def ended(self, worker: str, at: float, ms: float, place: int, *, failed: bool) -> None:
        """Counts a task that an instance has ended, which took so long, in a bin of durations."""
        agent, _, name = worker.partition("/")
        instance = self._instances.get((agent, name))
        if instance is None:
            return
        instance.ended.add(at)
        instance.failed.add(at, float(failed))
        instance.spent_ms.add(at, ms)
        instance.durations.add(at, place)

    def states(self, now: float) -> dict[str, int]:
        """Returns how many instances are in which state."""
        self._forget(now)
        then = self.earshot.until(now)
        return dict(Counter(one.state(then)[0] for one in self._instances.values()))

    def working(self, now: float) -> Counter[str]:
        """Returns how many instances that are up work on each topic."""
        found: Counter[str] = Counter()
        for one in self._instances.values():
            if one.said is not None and one.state(self.earshot.until(now))[0] == "up":
                found.update(one.said.topics)
        return found

    def best(self, now: float) -> dict[str, tuple[str, int]]:
        """Returns each agent's best state, and how many instances it has that are not gone."""
        order = ("up", "starting", "paused", "draining", "stale", "error", "lost", "stopped")
        states: dict[str, list[str]] = {}
        for one in self._instances.values():
            states.setdefault(one.key[0], []).append(one.state(self.earshot.until(now))[0])
        return {
            agent: (min(each, key=order.index), sum(state in _ALIVE for state in each))
            for agent, each in states.items()
        }

    def shown(self, tasks: Iterable[Record], now: float) -> list[AgentRow]:
        """Returns all instances by agent.

        Args:
            tasks: The tasks without an end.
            now: The present time.
        """
        self._forget(now)
        held: dict[str, list[str]] = {}
        for one in tasks:
            # One that waits is nobody's: whoever is free goes on with it.
            waits = one.underway is not None and one.underway.waits
            if one.worker and not waits and len(ids := held.setdefault(one.worker, [])) < _TASKS:
                ids.append(one.id)
        rows = [
            self._row(one, held.get("/".join(one.key), []), now) for one in self._instances.values()
        ]
        return sorted(rows, key=lambda one: (one.agent, one.instance))

    def series(self, agent: str, instance: str, now: float) -> AgentSeries:
        """Returns how an instance was over the last hour; no lines for one that is not known."""
        one = self._instances.get((agent, instance))
        lines: list[Series] = []
        if one is not None:
            lines = [one.readings[name].series(now, name, unit) for name, unit in _READINGS]
            lines.append(_means(one, now))
            lines.append(one.ended.series(now, "done", "1/s", scale=1 / _STEP))
            lines.append(one.failed.series(now, "failed", "1/s", scale=1 / _STEP))
        return AgentSeries(agent=agent, instance=instance, series=lines)

    def _row(self, one: Instance, tasks: list[str], now: float) -> AgentRow:
        agent, instance = one.key
        state, reason = one.state(self.earshot.until(now))
        if not reason:
            reason = self.earshot.doubt(one.seen, now)
        row = AgentRow(
            agent=agent,
            instance=instance,
            state=state,
            reason=reason,
            version=one.version,
            seen=instant(one.seen) if one.seen else None,
            beat_s=round(max(0.0, now - one.seen), 1) if one.seen else 0.0,
            latency=one.durations.latency(now),
            tasks=tasks,
        )
        if (said := one.said) is None:
            return row
        load = said.load
        return msgspec.structs.replace(
            row,
            topics=said.topics,
            capabilities=said.capabilities,
            host=said.host,
            pid=said.pid,
            started=said.started,
            skew_s=round(said.beat.timestamp() - one.said_at, 3),
            in_flight=load.in_flight,
            slots=load.slots,
            idle=state == "up" and not load.in_flight and not reason,
            cpu_percent=load.cpu_percent,
            rss_bytes=load.rss_bytes,
            loop_lag_ms=load.loop_lag_ms,
            shards=load.shards,
            done=load.done,
            failed=load.failed,
        )

    def _forget(self, now: float) -> None:
        """Lets go of those that are gone for long: their successors have other names."""
        for key, one in self._instances.items():
            state, _ = one.state(self.earshot.until(now))
            kept = {"stopped": _KEPT_STOPPED, "lost": _KEPT_LOST}.get(state)
            if kept is not None and now - max(one.seen, one.left) > kept:
                self._instances.forget(key)


def _cut(said: AgentInstance) -> AgentInstance:
    """A heartbeat without what is too long: anybody who may beat may write what they like."""
    return msgspec.structs.replace(
        said,
        version=said.version[:_LONG],
        host=said.host[:_LONG],
        topics=[name[:_LONG] for name in said.topics[:_MANY]],
        capabilities=[name[:_LONG] for name in said.capabilities[:_MANY]],
    )


def _means(one: Instance, now: float) -> Series:
    spent = one.spent_ms.series(now, "response_ms", "ms")
    ended = one.ended.series(now, "", "").values
    values = [
        round(ms / count, 3) if ms is not None and count else None
        for ms, count in zip(spent.values, ended, strict=True)
    ]
    return Series(
        name=spent.name, unit=spent.unit, start=spent.start, step_s=spent.step_s, values=values
    )
