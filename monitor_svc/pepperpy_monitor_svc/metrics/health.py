"""How each part of the deployment is, with the reason."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from pepperpy_bus.units import now
from pepperpy_monitor_svc.metrics.probing import Found, Probed
from pepperpy_monitor_svc.metrics.showing import fill
from pepperpy_schemas.monitor import AgentRow, ComponentHealth, FleetCounts, Status, StreamRow
from pepperpy_schemas.subjects import stream_name

FULL: Final = 0.9
"""Share of its limit from which a stream counts as nearly full."""
BEHIND: Final = 1000
"""Messages that the monitor may have to read yet and be well."""
NEEDED: Final = ("TASKS", "RESULTS", "EVENTS", "STEPS", "DLQ")
"""Streams without which there is no deployment."""
SERVICES: Final = ("provider", "memory", "edge", "monitor")
"""Processes in the registry that are no agents."""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What the health of the parts follows from.

    Attributes:
        prefix: The deployment's prefix.
        connected: Whether the monitor is connected to the broker.
        broker: Where the broker is, and which one.
        problem: What the broker's own monitoring says is wrong, or empty.
        streams: The streams; None before they were looked at.
        agents: All instances of the registry.
        probes: How services answered.
        counts: What the monitor has taken in.
        behind: Messages that it has not read yet, by stream.
        complete: Whether it has read what was stored before its start.
        leads: Whether it leads its replicas.
    """

    prefix: str
    connected: bool
    broker: Mapping[str, Any]
    problem: str
    streams: list[StreamRow] | None
    agents: list[AgentRow]
    probes: Mapping[Probed, Found]
    counts: FleetCounts
    behind: Mapping[str, int]
    complete: bool
    leads: bool


def components(seen: Seen) -> list[ComponentHealth]:
    """Returns how each part is: broker, streams, services, monitor, and each agent."""
    return [
        _broker(seen),
        _streams(seen),
        _probed("provider", seen),
        _probed("memory", seen),
        _edge(seen),
        _monitor(seen),
        *_agents(seen.agents),
    ]


def _broker(seen: Seen) -> ComponentHealth:
    told: tuple[Status, str] = ("ok", "")
    if not seen.connected:
        told = ("down", "the monitor has no connection to it")
    elif seen.problem:
        told = ("degraded", seen.problem)
    return _component("broker", *told, **seen.broker)


def _streams(seen: Seen) -> ComponentHealth:
    if not seen.connected or seen.streams is None:
        return _component("streams", "unknown", "the broker has not told of them yet")
    names = {one.name for one in seen.streams}
    missing = [name for name in (stream_name(seen.prefix, s) for s in NEEDED) if name not in names]
    full = [
        f"{one.name} to {share:.0%}" for one in seen.streams if (share := fill(one) or 0) > FULL
    ]
    if missing:
        return _component("streams", "down", f"missing: {', '.join(missing)}")
    if full:
        return _component("streams", "degraded", f"nearly full: {', '.join(full)}")
    return _component("streams", "ok", "", streams=len(names))


def _probed(name: Probed, seen: Seen) -> ComponentHealth:
    rows = [one for one in seen.agents if one.agent == name]
    found = seen.probes.get(name, Found("unknown", "it was not asked yet"))
    if found.status == "unknown" and _beating(rows):
        found = Found("degraded", "it beats, and does not answer yet")
    elif found.status == "unknown" and any(one.state == "lost" for one in rows):
        found = Found("down", _lost(rows))
    elif found.status == "ok" and any(one.state in {"stale", "lost"} for one in rows):
        found = Found("degraded", _lost(rows))
    return _component(name, found.status, found.reason, replicas=len(_beating(rows)))


def _edge(seen: Seen) -> ComponentHealth:
    rows = [one for one in seen.agents if one.agent == "edge"]
    if not rows:
        return _component("edge", "unknown", "none runs here")
    return _of_instances("edge", "edge", rows)


def _monitor(seen: Seen) -> ComponentHealth:
    waiting = sum(seen.behind.values())
    told: tuple[Status, str] = ("ok", "")
    if not seen.complete:
        told = ("degraded", f"reads what was stored before its start: {waiting} messages to go")
    elif waiting > BEHIND:
        told = ("degraded", f"{waiting} messages behind")
    elif seen.counts.missed:
        told = ("degraded", f"{seen.counts.missed} messages were never seen: its figures have gaps")
    used = seen.counts.bytes / seen.counts.limit_bytes if seen.counts.limit_bytes else 0.0
    return _component("monitor", *told, leads=seen.leads, memory=f"{used:.0%}")


def _agents(rows: Iterable[AgentRow]) -> Iterator[ComponentHealth]:
    by_name: dict[str, list[AgentRow]] = {}
    for row in rows:
        if row.agent not in SERVICES:
            by_name.setdefault(row.agent, []).append(row)
    for name, instances in sorted(by_name.items()):
        yield _of_instances(f"agent/{name}", "agent", instances)


def _of_instances(name: str, kind: str, rows: list[AgentRow]) -> ComponentHealth:
    beating, ill = _beating(rows), [one for one in rows if one.state in {"stale", "lost", "error"}]
    told: tuple[Status, str] = ("ok", "")
    if ill:
        told = ("degraded" if beating else "down", _lost(rows))
    elif not beating:
        told = ("unknown", "all instances were stopped")
    return _component(name, *told, kind=kind, instances=len(beating))


def _beating(rows: Iterable[AgentRow]) -> list[AgentRow]:
    return [one for one in rows if one.state not in {"stale", "lost", "stopped", "error"}]


def _lost(rows: Iterable[AgentRow]) -> str:
    ill = [one for one in rows if one.state in {"stale", "lost", "error"}]
    told = [f"{one.instance} is {one.state}: {one.reason}".removesuffix(": ") for one in ill[:3]]
    more = f", and {len(ill) - 3} more" if len(ill) > 3 else ""
    return "; ".join(told) + more


def _component(
    name: str, status: Status, reason: str, *, kind: str = "", **details: Any
) -> ComponentHealth:
    return ComponentHealth(
        name=name, kind=kind or name, status=status, reason=reason, at=now(), details=details
    )
