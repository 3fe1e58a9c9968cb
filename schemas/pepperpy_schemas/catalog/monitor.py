"""Requests to the monitor, and what its replicas share."""

from typing import Final

from pepperpy_schemas.alerts import AlertTest, SilenceId, SilenceRequest
from pepperpy_schemas.monitor import TaskQuery
from pepperpy_schemas.monitor_requests import Positions, TaskRequest, ViewRequest
from pepperpy_schemas.snapshots import SnapshotRequest
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
MONITOR_RULES: Final = Subject(
    "MonitorRulesRequest",
    "{p}.svc.monitor.rules.{principal}",
    ViewRequest,
    "The alert rules in force are asked for.",
)
MONITOR_SILENCES: Final = Subject(
    "MonitorSilencesRequest",
    "{p}.svc.monitor.silences.{principal}",
    ViewRequest,
    "The silences are asked for.",
)
MONITOR_SILENCE: Final = Subject(
    "MonitorSilenceRequest",
    "{p}.svc.monitor.silence.{principal}",
    SilenceRequest,
    "Nobody shall be told of some alerts for a while; operators may say so.",
    examples=('{"matchers":["alertname=WorkerLost","agent=support"],"duration":"2h"}',),
)
MONITOR_UNSILENCE: Final = Subject(
    "MonitorUnsilenceRequest",
    "{p}.svc.monitor.unsilence.{principal}",
    SilenceId,
    "A silence shall end now; operators may say so.",
    examples=('{"id":"s1"}',),
)
MONITOR_ALERT_TEST: Final = Subject(
    "MonitorAlertTestRequest",
    "{p}.svc.monitor.alert-test.{principal}",
    AlertTest,
    "A rule shall fire for a test, through to its notifications; operators may say so.",
    examples=('{"rule":"WorkerLost","labels":{"agent":"support"}}',),
)
MONITOR_SNAPSHOTS: Final = Subject(
    "MonitorSnapshotsRequest",
    "{p}.svc.monitor.snapshots.{principal}",
    ViewRequest,
    "The snapshots that are kept are asked for.",
)
MONITOR_SNAPSHOT: Final = Subject(
    "MonitorSnapshotRequest",
    "{p}.svc.monitor.snapshot.{principal}",
    SnapshotRequest,
    "Somebody wants what the deployment is like now to be kept.",
)
POSITIONS: Final = Subject(
    "Positions",
    "$KV.{p}_state.monitor.{name}",
    Positions,
    "How far the monitors have read the streams: what went unread before one came back is a gap.",
    examples=('{"streams":{"PP_EVENTS":{"seq":7,"created":"2026-01-01T00:00:00Z"}}}',),
)
