"""What the monitor sees, as everybody asks for it: through the service ``monitor``."""

from collections.abc import Mapping
from typing import Any

from pepperpy_bus.facades import Facade, waits
from pepperpy_bus.link.connection import Connection
from pepperpy_bus.services.asking import Asking
from pepperpy_bus.units import Duration
from pepperpy_schemas.alerts import (
    AlertTest,
    AlertTestReply,
    RuleRow,
    RulesReply,
    Silence,
    SilenceId,
    SilenceRequest,
    SilencesReply,
)
from pepperpy_schemas.catalog.monitor import (
    MONITOR_AGENTS,
    MONITOR_ALERT_TEST,
    MONITOR_ALERTS,
    MONITOR_ERRORS,
    MONITOR_MODELS,
    MONITOR_OVERVIEW,
    MONITOR_RULES,
    MONITOR_SILENCE,
    MONITOR_SILENCES,
    MONITOR_SNAPSHOT,
    MONITOR_SNAPSHOTS,
    MONITOR_STATUS,
    MONITOR_TASK,
    MONITOR_TASKS,
    MONITOR_TOPICS,
    MONITOR_TOPOLOGY,
    MONITOR_UNSILENCE,
)
from pepperpy_schemas.codec import convert
from pepperpy_schemas.monitor import (
    Overview,
    SnapshotRow,
    TaskPage,
    TaskQuery,
    TaskRow,
    Topology,
)
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
from pepperpy_schemas.snapshots import SnapshotRequest

PATIENCE = "10s"
"""How long an answer may take."""


class Monitor:
    """Asks the monitor under one principal's name; any replica answers, and all see the same.

    Args:
        connection: The connection.
        prefix: The deployment's prefix.
        principal: The caller's own name; permissions refuse any other.

    Every question raises `Unavailable` when nobody serves a monitor, or none answered in time.
    """

    def __init__(self, connection: Connection, prefix: str, principal: str) -> None:
        self._service = Asking(
            connection,
            prefix,
            principal,
            absent="nobody serves a monitor here",
            hint="start one: pepperpy monitor run",
        )

    async def status(self, *, timeout: Duration = PATIENCE) -> MonitorStatus:
        """Shows how a replica of the monitor is."""
        return await self._service.ask(MONITOR_STATUS, ViewRequest(), MonitorStatus, timeout)

    async def overview(self, *, timeout: Duration = PATIENCE) -> Overview:
        """Shows the fleet at a glance."""
        return await self._service.ask(MONITOR_OVERVIEW, ViewRequest(), Overview, timeout)

    async def tasks(self, /, *, timeout: Duration = PATIENCE, **query: Any) -> TaskPage:
        """Finds tasks, the ones that came last first.

        Args:
            timeout: How long it may take.
            **query: See `pepperpy_schemas.monitor.TaskQuery`: ``state=["failed"]``.

        Raises:
            BadPayload: A value is not allowed; ``context.path`` names it.
        """
        return await self._service.ask(MONITOR_TASKS, convert(query, TaskQuery), TaskPage, timeout)

    async def task(self, task_id: str, *, timeout: Duration = PATIENCE) -> TaskRow:
        """Shows one task.

        Raises:
            NotFound: The monitor does not know it, or no longer.
        """
        return await self._service.ask(MONITOR_TASK, TaskRequest(task_id), TaskRow, timeout)

    async def agents(self, *, timeout: Duration = PATIENCE) -> Agents:
        """Shows the instances of agents with their state, also those that are lost."""
        return await self._service.ask(MONITOR_AGENTS, ViewRequest(), Agents, timeout)

    async def topics(self, *, timeout: Duration = PATIENCE) -> Topics:
        """Shows topics and streams."""
        return await self._service.ask(MONITOR_TOPICS, ViewRequest(), Topics, timeout)

    async def errors(self, *, timeout: Duration = PATIENCE) -> Errors:
        """Shows errors in groups."""
        return await self._service.ask(MONITOR_ERRORS, ViewRequest(), Errors, timeout)

    async def topology(self, *, timeout: Duration = PATIENCE) -> Topology:
        """Shows who talks to whom, and who waits."""
        return await self._service.ask(MONITOR_TOPOLOGY, ViewRequest(), Topology, timeout)

    async def models(self, *, timeout: Duration = PATIENCE) -> Models:
        """Shows what models did and cost."""
        return await self._service.ask(MONITOR_MODELS, ViewRequest(), Models, timeout)

    async def alerts(self, *, timeout: Duration = PATIENCE) -> ActiveAlerts:
        """Shows the alerts."""
        return await self._service.ask(MONITOR_ALERTS, ViewRequest(), ActiveAlerts, timeout)

    async def rules(self, *, timeout: Duration = PATIENCE) -> list[RuleRow]:
        """Shows the alert rules in force, and what is wrong with them."""
        reply = await self._service.ask(MONITOR_RULES, ViewRequest(), RulesReply, timeout)
        return reply.rules

    async def silences(self, *, timeout: Duration = PATIENCE) -> list[Silence]:
        """Lists the silences, also those that are over for less than a day."""
        reply = await self._service.ask(MONITOR_SILENCES, ViewRequest(), SilencesReply, timeout)
        return reply.silences

    async def silence(self, request: SilenceRequest, *, timeout: Duration = PATIENCE) -> Silence:
        """Has nobody told of some alerts for a while.

        Raises:
            BadConfig: It would hide everything, or says nothing of a label.
            PermissionDenied: The caller is no operator.
        """
        return await self._service.ask(MONITOR_SILENCE, request, Silence, timeout)

    async def unsilence(self, silence_id: str, *, timeout: Duration = PATIENCE) -> Silence:
        """Ends a silence now.

        Raises:
            NotFound: There is none of this id.
            PermissionDenied: The caller is no operator.
        """
        return await self._service.ask(MONITOR_UNSILENCE, SilenceId(silence_id), Silence, timeout)

    async def test_alert(
        self, rule: str, labels: Mapping[str, str] | None = None, *, timeout: Duration = "1m"
    ) -> AlertTestReply:
        """Fires a rule through to its notifications, marked as a test, and ends it again.

        Args:
            rule: The rule.
            labels: Labels that the alert would have: topic, agent.
            timeout: How long the receivers may take, all together.

        Raises:
            NotFound: There is no such rule.
            PermissionDenied: The caller is no operator.
        """
        request = AlertTest(rule, dict(labels or {}))
        return await self._service.ask(MONITOR_ALERT_TEST, request, AlertTestReply, timeout)

    async def snapshots(self, *, timeout: Duration = PATIENCE) -> SnapshotList:
        """Lists the snapshots that are kept."""
        return await self._service.ask(MONITOR_SNAPSHOTS, ViewRequest(), SnapshotList, timeout)

    async def snapshot(
        self, *, reason: str = "", by: str = "", timeout: Duration = PATIENCE
    ) -> SnapshotRow:
        """Has what the deployment is like now be kept; the operator may.

        Args:
            reason: Why, for people.
            by: Who wants it, a claim.
            timeout: How long it may take.

        Raises:
            PermissionDenied: The broker does not allow it.
        """
        request = SnapshotRequest(reason, by)
        return await self._service.ask(MONITOR_SNAPSHOT, request, SnapshotRow, timeout)


class SyncMonitor(Facade[Monitor]):
    """The same for callers in another thread; see `Monitor`."""

    status = waits(Monitor.status)
    overview = waits(Monitor.overview)
    tasks = waits(Monitor.tasks)
    task = waits(Monitor.task)
    agents = waits(Monitor.agents)
    topics = waits(Monitor.topics)
    errors = waits(Monitor.errors)
    topology = waits(Monitor.topology)
    models = waits(Monitor.models)
    alerts = waits(Monitor.alerts)
    rules = waits(Monitor.rules)
    silences = waits(Monitor.silences)
    silence = waits(Monitor.silence)
    unsilence = waits(Monitor.unsilence)
    test_alert = waits(Monitor.test_alert)
    snapshots = waits(Monitor.snapshots)
    snapshot = waits(Monitor.snapshot)
