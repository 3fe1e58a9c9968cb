"""The views of a monitor on the bus: each a request with its answer."""

from typing import TYPE_CHECKING, Any, Final

from pepperpy_bus.services.service import Call, Endpoint
from pepperpy_schemas.errors import NotFound
from pepperpy_schemas.monitor import Overview, TaskPage, TaskQuery, TaskRow, Topology
from pepperpy_schemas.monitor_requests import (
    ActiveAlerts,
    Agents,
    Errors,
    Models,
    MonitorStatus,
    SnapshotList,
    TaskRequest,
    Topics,
    ViewRequest,
)

if TYPE_CHECKING:
    from pepperpy_monitor_svc.monitor import Monitor

NAME: Final = "monitor"
"""The service's name on the bus."""


class Views:
    """Answers what the monitor is asked.

    Attributes:
        running: How many requests are worked on.

    Args:
        monitor: What is shown.
    """

    def __init__(self, monitor: "Monitor") -> None:
        self._monitor = monitor
        self.running = 0

    def endpoints(self) -> list[Endpoint]:
        """Returns the operations for `pepperpy_bus.services.service.Service`."""
        rows = (
            ("status", ViewRequest, MonitorStatus, self.status, "Show how this replica is."),
            ("overview", ViewRequest, Overview, self.overview, "Show the fleet at a glance."),
            ("tasks", TaskQuery, TaskPage, self.tasks, "Find tasks."),
            ("task", TaskRequest, TaskRow, self.task, "Show one task."),
            ("agents", ViewRequest, Agents, self.agents, "Show the instances of agents."),
            ("topics", ViewRequest, Topics, self.topics, "Show topics and streams."),
            ("errors", ViewRequest, Errors, self.errors, "Show errors in groups."),
            ("topology", ViewRequest, Topology, self.topology, "Show who talks to whom."),
            ("models", ViewRequest, Models, self.models, "Show what models did and cost."),
            ("alerts", ViewRequest, ActiveAlerts, self.alerts, "Show the alerts."),
            ("snapshots", ViewRequest, SnapshotList, self.snapshots, "List the snapshots."),
        )
        return [
            Endpoint(op=op, request=request, reply=reply, handler=self._counted(handler), doc=doc)
            for op, request, reply, handler, doc in rows
        ]

    def _counted(self, view: Any) -> Any:
        async def counted(request: Any, call: Call) -> object:
            self.running += 1
            try:
                return await view(request, call)
            finally:
                self.running -= 1

        return counted

    async def status(self, _request: ViewRequest, _call: Call) -> MonitorStatus:
        """How this replica is."""
        return self._monitor.status()

    async def overview(self, _request: ViewRequest, _call: Call) -> Overview:
        """The fleet at a glance."""
        return self._monitor.fleet.overview()

    async def tasks(self, request: TaskQuery, _call: Call) -> TaskPage:
        """A page of tasks."""
        return self._monitor.fleet.tasks(request)

    async def task(self, request: TaskRequest, _call: Call) -> TaskRow:
        """One task."""
        row = self._monitor.fleet.task(request.id)
        if row is None:
            raise NotFound(
                f"the monitor knows no task {request.id!r:.80}",
                hint="it may be older than what is kept: pepperpy explain asks the broker",
            )
        return row

    async def agents(self, _request: ViewRequest, _call: Call) -> Agents:
        """Every instance, also one that is lost."""
        return Agents(self._monitor.fleet.agents())

    async def topics(self, _request: ViewRequest, _call: Call) -> Topics:
        """Topics, and streams."""
        return Topics(self._monitor.fleet.topics(), self._monitor.fleet.streams())

    async def errors(self, _request: ViewRequest, _call: Call) -> Errors:
        """Errors in groups."""
        return Errors(self._monitor.fleet.errors())

    async def topology(self, _request: ViewRequest, _call: Call) -> Topology:
        """Who talks to whom."""
        return self._monitor.fleet.topology()

    async def models(self, _request: ViewRequest, _call: Call) -> Models:
        """What models did."""
        return Models(self._monitor.fleet.models())

    async def alerts(self, _request: ViewRequest, _call: Call) -> ActiveAlerts:
        """The alerts there are, and those that were over within the last quarter of an hour."""
        return ActiveAlerts(self._monitor.alerts.active(resolved=True))

    async def snapshots(self, _request: ViewRequest, _call: Call) -> SnapshotList:
        """The snapshots that are kept."""
        return SnapshotList(await self._monitor.snapshots.list())
