"""What is now, as gauges: the fleet's agents, topics and streams, the broker, the components."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from pepperpy_monitor_svc.metrics import names
from pepperpy_monitor_svc.metrics.gauges import Reading
from pepperpy_monitor_svc.metrics.names import Metric
from pepperpy_schemas.monitor import (
    AgentRow,
    AgentStateName,
    BrokerFigures,
    ComponentHealth,
    FleetCounts,
    StreamRow,
    TopicRow,
)

STATES: Final[tuple[AgentStateName, ...]] = (
    "starting",
    "up",
    "paused",
    "draining",
    "stale",
    "lost",
    "stopped",
    "error",
)
WORTH: Final = {"ok": 1.0, "degraded": 0.5, "down": 0.0}
"""The value of a component's status; one that is not known has none."""
_SILENT: Final = frozenset({"lost", "stopped"})
"""States in which the last heartbeat says nothing of now."""


def of_agents(rows: Iterable[AgentRow]) -> Iterator[Reading]:
    """Yields how many instances are in each state, and how busy each one is that beats."""
    states: dict[str, Counter[str]] = {}
    for row in rows:
        states.setdefault(row.agent, Counter())[row.state] += 1
        if row.state != "stopped":
            who = (row.agent, row.instance)
            yield Reading(names.AGENT_BEAT_AGE, who, row.beat_s)
        if row.state not in _SILENT:
            yield from _of_instance(row)
    for agent, counted in states.items():
        # States that nobody is in are 0, so that whoever compares them sees them end.
        for state in STATES:
            yield Reading(names.AGENT_INSTANCES, (agent, state), counted[state])


def _of_instance(row: AgentRow) -> Iterator[Reading]:
    who = (row.agent, row.instance)
    yield Reading(names.AGENT_CPU, who, row.cpu_percent / 100)
    yield Reading(names.AGENT_MEMORY, who, row.rss_bytes)
    yield Reading(names.AGENT_LOOP_LAG, who, row.loop_lag_ms / 1e3)
    yield Reading(names.AGENT_IN_FLIGHT, who, row.in_flight)
    yield Reading(names.AGENT_SLOTS, who, row.slots)
    yield Reading(names.AGENT_SHARDS, who, row.shards)


def of_topics(rows: Iterable[TopicRow]) -> Iterator[Reading]:
    """Yields what waits, what runs, and who is there for it."""
    for row in rows:
        topic = (row.topic,)
        yield from _known(names.TASKS_WAITING, topic, row.waiting)
        yield from _known(names.TASKS_RUNNING, topic, row.in_hand)
        # Nothing that waits is of no age.
        nothing = 0.0 if row.waiting == row.in_hand == 0 else None
        yield from _known(names.TASKS_OLDEST, topic, row.oldest_s or nothing)
        yield Reading(names.TASKS_REDELIVERED, topic, row.redelivered)
        yield Reading(names.TASKS_ASKING, topic, row.states.get("input-required", 0))
        yield Reading(names.TOPIC_WORKERS, topic, row.workers)
        yield Reading(names.DEAD_LETTERS_KEPT, topic, row.letters)


def of_streams(rows: Iterable[StreamRow]) -> Iterator[Reading]:
    """Yields how full the streams are, and how far their consumers."""
    for row in rows:
        stream = (row.name,)
        yield Reading(names.STREAM_MESSAGES, stream, row.messages)
        yield Reading(names.STREAM_BYTES, stream, row.bytes)
        yield from _known(names.STREAM_LIMIT, stream, row.max_bytes)
        yield from _known(names.STREAM_FILL, stream, fill(row))
        for consumer in row.consumers:
            whose = (row.name, consumer.name)
            yield Reading(names.CONSUMER_LAG, whose, consumer.pending)
            yield Reading(names.CONSUMER_UNSETTLED, whose, consumer.in_hand)
            yield Reading(names.CONSUMER_REDELIVERED, whose, consumer.redelivered)
            yield Reading(names.CONSUMER_PULLS, whose, consumer.pulls)
            yield Reading(names.CONSUMER_OLDEST, whose, consumer.oldest_s or 0.0)


def fill(row: StreamRow) -> float | None:
    """Returns the share of its nearest limit that a stream has reached; None without a limit."""
    used = ((row.bytes, row.max_bytes), (row.messages, row.max_messages))
    return max((have / most for have, most in used if most), default=None)


def of_broker(figures: BrokerFigures) -> Iterator[Reading]:
    """Yields how the broker is, as far as it says so on the bus."""
    if figures.rtt_ms is not None:
        yield Reading(names.BROKER_ROUND_TRIP, (), figures.rtt_ms / 1e3)
    used, limit = figures.storage_bytes, figures.storage_limit
    yield from _known(names.JETSTREAM_USED, ("file",), used)
    if used is not None and limit:
        yield Reading(names.JETSTREAM_LIMIT, ("file",), limit)
        yield Reading(names.JETSTREAM_FILL, ("file",), used / limit)


def of_components(components: Iterable[ComponentHealth]) -> Iterator[Reading]:
    """Yields how the parts of the deployment are."""
    for one in components:
        yield from _known(names.COMPONENT_UP, (one.name,), WORTH.get(one.status))


def of_monitor(counts: FleetCounts, *, leads: bool) -> Iterator[Reading]:
    """Yields how the monitor itself is."""
    yield Reading(names.MONITOR_MEMORY, (), counts.bytes)
    yield Reading(names.MONITOR_LEADS, (), float(leads))


def _known(metric: Metric, labels: tuple[str, ...], value: float | None) -> Iterator[Reading]:
    if value is not None:
        yield Reading(metric, labels, value)
