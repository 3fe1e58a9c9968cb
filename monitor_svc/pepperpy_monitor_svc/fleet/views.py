"""What the fleet shows; each view is made anew when it is asked for."""

from collections.abc import Callable, Iterator

from pepperpy_monitor_svc.fleet.parts import Parts
from pepperpy_monitor_svc.fleet.record import Record
from pepperpy_monitor_svc.fleet.rings import instant
from pepperpy_monitor_svc.fleet.rows import row
from pepperpy_monitor_svc.fleet.search import search
from pepperpy_monitor_svc.fleet.topology import node
from pepperpy_schemas.monitor import (
    AgentRow,
    AgentSeries,
    ComponentHealth,
    ErrorGroup,
    FleetCounts,
    ModelRow,
    Overview,
    StreamRow,
    TaskPage,
    TaskQuery,
    TaskRow,
    TopicRow,
    Topology,
)

_HOUR = 3600.0


class Views:
    """The views of a fleet.

    Args:
        parts: What is known.
        clock: The server's time.
    """

    def __init__(self, parts: Parts, clock: Callable[[], float]) -> None:
        self._parts = parts
        self._clock = clock
        self._since = clock()

    def counters(self) -> FleetCounts:
        """Returns what was taken in, and what is kept of it."""
        return self._parts.counts.shown(self._parts)

    def overview(self) -> Overview:
        """Returns the fleet at a glance."""
        now, parts = self._clock(), self._parts
        totals, tasks, models = parts.totals, parts.tasks, parts.models
        waiting, oldest, letters = parts.broker.backlog()
        return Overview(
            at=instant(now),
            since=instant(self._since),
            rates=totals.rates(now),
            states={state: count for state, count in tasks.states.items() if count},
            latency=totals.timings.windows(now),
            queued=totals.queued.windows(now),
            error_ratio={
                "m1": totals.error_ratio(now, 60),
                "m5": totals.error_ratio(now, 300),
                "h1": totals.error_ratio(now, _HOUR),
            },
            waiting=waiting,
            oldest_s=oldest,
            letters=tasks.letters if letters is None else letters,
            agents=parts.agents.states(now),
            questions=tasks.states["input-required"],
            usd_rate=round(models.spending.rate(now, _HOUR) * _HOUR, 9),
            usd=round(models.usd, 9),
            tokens=models.tokens,
            health=self._parts.health.worst(),
            broker=parts.broker.server(),
            counts=self.counters(),
            charts=[
                *totals.charts(now),
                parts.broker.waiting.series(now, "waiting", "tasks"),
                models.spending.series(now, "usd", "usd/h", scale=60),
            ],
        )

    def tasks(self, query: TaskQuery) -> TaskPage:
        """Returns a page of tasks, those that came last first."""
        return search(self._parts.tasks, query)

    def task(self, task_id: str) -> TaskRow | None:
        """Returns a task, or None when it is not kept."""
        tasks = self._parts.tasks
        record = tasks.get(task_id)
        return None if record is None else row(record, tasks.children(task_id))

    def record(self, task_id: str) -> Record | None:
        """Returns a task as it is kept, for whoever looks at each one.

        Nobody else changes it, but to note in its `counted` what they have counted.
        """
        return self._parts.tasks.get(task_id)

    def records(self) -> Iterator[Record]:
        """Yields all tasks as they are kept."""
        return iter(self._parts.tasks)

    def agents(self) -> list[AgentRow]:
        """Returns all instances by agent."""
        return self._parts.agents.shown(self._parts.tasks.open.tasks.values(), self._clock())

    def agent_series(self, agent: str, instance: str) -> AgentSeries:
        """Returns how an instance was over the last hour; no lines for one that is not known."""
        return self._parts.agents.series(agent, instance, self._clock())

    def topics(self) -> list[TopicRow]:
        """Returns all topics by name."""
        now, parts = self._clock(), self._parts
        return parts.topics.shown(parts.tasks.topics, parts.agents.working(now), now)

    def streams(self) -> list[StreamRow]:
        """Returns the broker's streams, as it showed them last."""
        return self._parts.broker.streams()

    def components(self) -> list[ComponentHealth]:
        """Returns the parts of the deployment, those that are worst first."""
        return self._parts.health.shown()

    def errors(self) -> list[ErrorGroup]:
        """Returns errors by code and message, the one that was seen last first."""
        return self._parts.errors.shown(self._clock())

    def topology(self) -> Topology:
        """Returns who talks to whom, and who waits."""
        now, parts = self._clock(), self._parts
        states = {node("agent", name): found for name, found in parts.agents.best(now).items()}
        for one in self._parts.health.shown():
            if one.kind in {"provider", "memory"}:
                states.setdefault(node("service", one.kind), (one.status, 0))
        for topic, waiting in parts.topics.waiting(parts.agents.working(now)).items():
            states[node("topic", topic)] = "", waiting
        return parts.ways.shown(parts.tasks.open.tasks.values(), states, now)

    def models(self) -> list[ModelRow]:
        """Returns what models did and cost, the one that costs most first."""
        return self._parts.models.shown(self._clock())
