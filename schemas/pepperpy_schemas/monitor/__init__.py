"""What the monitor shows: the same records on the bus, in the web API and on the command line.

Moments are RFC 3339 in UTC and come from the server's clock wherever it stored something; a
worker's own clock is never compared with it. Durations end in ``_ms`` (milliseconds) or ``_s``
(seconds), money is US dollars. What is not known is null, an empty text or an empty list, never a
guess. Fields that are 0, empty or null may be missing in JSON; every other one is there.
"""

from pepperpy_schemas.monitor.agents import AgentRow, AgentSeries, AgentStateName
from pepperpy_schemas.monitor.alerts import AlertRow, Severity
from pepperpy_schemas.monitor.audit import AuditRow
from pepperpy_schemas.monitor.broker import BrokerFigures, ConsumerRow, StreamRow, TopicFigures
from pepperpy_schemas.monitor.counts import FleetCounts, Gap
from pepperpy_schemas.monitor.errors import ErrorGroup
from pepperpy_schemas.monitor.figures import Latency, Series, Windows
from pepperpy_schemas.monitor.health import ComponentHealth, Status
from pepperpy_schemas.monitor.models import ModelRow
from pepperpy_schemas.monitor.overview import Overview
from pepperpy_schemas.monitor.snapshots import SnapshotRow
from pepperpy_schemas.monitor.tasks import TaskPage, TaskQuery, TaskRow, TaskStateName
from pepperpy_schemas.monitor.topics import TopicRow
from pepperpy_schemas.monitor.topology import Edge, Node, Topology, Waiting

__all__ = [
    "AgentRow",
    "AgentSeries",
    "AgentStateName",
    "AlertRow",
    "AuditRow",
    "BrokerFigures",
    "ComponentHealth",
    "ConsumerRow",
    "Edge",
    "ErrorGroup",
    "FleetCounts",
    "Gap",
    "Latency",
    "ModelRow",
    "Node",
    "Overview",
    "Series",
    "Severity",
    "SnapshotRow",
    "Status",
    "StreamRow",
    "TaskPage",
    "TaskQuery",
    "TaskRow",
    "TaskStateName",
    "TopicFigures",
    "TopicRow",
    "Topology",
    "Waiting",
    "Windows",
]
