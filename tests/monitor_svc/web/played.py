"""A monitor that is played: a real connection, and a fleet that says what the test wants."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pepperpy_bus.client import Client
from pepperpy_bus.config import Settings, load
from pepperpy_monitor_svc.monitor import Monitor
from pepperpy_schemas.monitor import (
    AgentRow,
    AgentSeries,
    FleetCounts,
    Overview,
    TaskPage,
    TaskQuery,
    TaskRow,
    Topology,
    Windows,
)

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
TOKEN = "a-token-of-many-characters"


@dataclass
class PlayedFleet:
    """Says what it was given."""

    rows: list[TaskRow] = field(default_factory=list)
    instances: list[AgentRow] = field(default_factory=list)
    on_change: list[Any] = field(default_factory=list)
    queries: list[TaskQuery] = field(default_factory=list)

    def overview(self) -> Overview:
        return Overview(
            at=NOON,
            since=NOON,
            rates={},
            states={},
            latency=Windows(),
            queued=Windows(),
            error_ratio={},
            waiting=None,
            oldest_s=None,
            letters=0,
            agents={},
            questions=0,
            usd_rate=0.0,
            usd=0.0,
            tokens=0,
            health="ok",
            broker=None,
            counts=FleetCounts(),
            charts=[],
        )

    def tasks(self, query: TaskQuery) -> TaskPage:
        self.queries.append(query)
        return TaskPage(self.rows[: query.limit], None, len(self.rows))

    def task(self, task_id: str) -> TaskRow | None:
        return next((row for row in self.rows if row.id == task_id), None)

    def agents(self) -> list[AgentRow]:
        return self.instances

    def agent_series(self, agent: str, instance: str) -> AgentSeries:
        return AgentSeries(agent, instance, [])

    def topics(self) -> list[Any]:
        return []

    streams = errors = models = components = topics

    def counters(self) -> FleetCounts:
        return FleetCounts()

    def topology(self) -> Topology:
        return Topology([], [], [])


def settings(**flags: object) -> Settings:
    """Settings by name, with ``__`` for the dot."""
    given = {name.replace("__", "."): value for name, value in flags.items()}
    return load(flags=given, environ={}).settings


def monitor(client: Client, *, acting: Client | None = None, **flags: object) -> Any:
    """A monitor that reads nothing, with a fleet that is played."""
    chosen = settings(**{"monitor__port": 0, "monitor__token": TOKEN} | flags)
    watched: Any = Monitor(client, chosen, replica="r1", acting=acting)
    watched.fleet = PlayedFleet()
    return watched
