"""Instances of agents: how they are, and how they were over time."""

from typing import Literal, TypeAlias

import msgspec

from pepperpy_schemas.messages import Count, Instant
from pepperpy_schemas.monitor.figures import Latency, Series

AgentStateName: TypeAlias = Literal[
    "starting", "up", "paused", "draining", "stale", "lost", "stopped", "error"
]
"""``stale`` missed a heartbeat; ``lost`` missed three and never said good-bye; ``stopped`` did."""


class AgentRow(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """An instance of an agent.

    Attributes:
        agent: The agent.
        instance: The instance.
        state: How it is now, as far as its heartbeats tell.
        reason: Why it is taken to be so: ``no heartbeat for 16 s``.
        version: The agent's version.
        topics: What it works on.
        capabilities: What it says it can do.
        host: Its machine.
        pid: Its process there.
        started: When it started, by its own clock.
        seen: When its last heartbeat was stored.
        beat_s: Seconds since then.
        skew_s: How far its clock is ahead of the server's.
        in_flight: Tasks that ran at that heartbeat.
        slots: Tasks that may run at once.
        idle: Whether it is up and has nothing to do; never of one that is stale or lost.
        cpu_percent: Share of one core.
        rss_bytes: Resident memory.
        loop_lag_ms: How late its event loop was.
        shards: Shards of keyed tasks that it owns.
        done: Tasks that ended since its start.
        failed: Those that did not complete.
        latency: How long its tasks took, over the last five minutes.
        tasks: Ids of some of the tasks that it has now.
    """

    agent: str
    instance: str
    state: AgentStateName
    reason: str = ""
    version: str = ""
    topics: list[str] = []
    capabilities: list[str] = []
    host: str = ""
    pid: Count = 0
    started: Instant | None = None
    seen: Instant | None = None
    beat_s: float = 0.0
    skew_s: float = 0.0
    in_flight: Count = 0
    slots: Count = 0
    idle: bool = False
    cpu_percent: float = 0.0
    rss_bytes: Count = 0
    loop_lag_ms: float = 0.0
    shards: Count = 0
    done: Count = 0
    failed: Count = 0
    latency: Latency = Latency()
    tasks: list[str] = []


class AgentSeries(msgspec.Struct, frozen=True):
    """How an instance was over time.

    Attributes:
        agent: The agent.
        instance: The instance.
        series: ``cpu_percent``, ``rss_bytes``, ``loop_lag_ms``, ``in_flight``, ``response_ms``,
            ``done``, ``failed``.
    """

    agent: str
    instance: str
    series: list[Series]
