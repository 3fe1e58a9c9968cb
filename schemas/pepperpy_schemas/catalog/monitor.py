"""Requests to the monitor, and what its replicas share."""

from typing import Final

from pepperpy_schemas.monitor import TaskQuery
from pepperpy_schemas.monitor_requests import Positions, TaskRequest, ViewRequest
from pepperpy_schemas.subjects import Subject

MONITOR_STATUS: Final = Subject(
    "MonitorStatusRequest",
    "{p}.svc.monitor.status.{principal}",
    ViewRequest,
    "How a replica of the monitor is, is shown.",
)
MONITOR_OVERVIEW: Final = Subject(
    "MonitorOverviewRequest",
    "{p}.svc.monitor.overview.{principal}",
    ViewRequest,
    "The fleet at a glance is asked for.",
)
MONITOR_TASKS: Final = Subject(
    "MonitorTasksRequest",
    "{p}.svc.monitor.tasks.{principal}",
    TaskQuery,
    "Tasks are looked for.",
    examples=('{"state":["failed"],"topic":"triage","limit":20}',),
)
MONITOR_TASK: Final = Subject(
    "MonitorTaskRequest",
    "{p}.svc.monitor.task.{principal}",
    TaskRequest,
    "One task is asked for.",
    examples=('{"id":"PP_TASKS-7"}',),
)
MONITOR_AGENTS: Final = Subject(
    "MonitorAgentsRequest",
    "{p}.svc.monitor.agents.{principal}",
    ViewRequest,
    "The instances of agents, with their state, are asked for.",
)
MONITOR_TOPICS: Final = Subject(
    "MonitorTopicsRequest",
    "{p}.svc.monitor.topics.{principal}",
    ViewRequest,
    "Topics and streams, with what waits in them, are asked for.",
)
MONITOR_ERRORS: Final = Subject(
    "MonitorErrorsRequest",
    "{p}.svc.monitor.errors.{principal}",
    ViewRequest,
    "Errors, in groups, are asked for.",
)
MONITOR_TOPOLOGY: Final = Subject(
    "MonitorTopologyRequest",
    "{p}.svc.monitor.topology.{principal}",
    ViewRequest,
    "Who talks to whom, and who waits, is asked.",
)
MONITOR_MODELS: Final = Subject(
    "MonitorModelsRequest",
    "{p}.svc.monitor.models.{principal}",
    ViewRequest,
    "What models did and cost, is asked.",
)
MONITOR_ALERTS: Final = Subject(
    "MonitorAlertsRequest",
    "{p}.svc.monitor.alerts.{principal}",
    ViewRequest,
    "Alerts are asked for.",
)
MONITOR_SNAPSHOTS: Final = Subject(
    "MonitorSnapshotsRequest",
    "{p}.svc.monitor.snapshots.{principal}",
    ViewRequest,
    "The snapshots that are kept are asked for.",
)
POSITIONS: Final = Subject(
    "Positions",
    "$KV.{p}_state.monitor.{name}",
    Positions,
    "How far the monitors have read the streams: what went unread before one came back is a gap.",
    examples=('{"streams":{"PP_EVENTS":{"seq":7,"created":"2026-01-01T00:00:00Z"}}}',),
)
