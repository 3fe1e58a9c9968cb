"""What the monitor is asked on the bus, its answers, and what its replicas share."""

import msgspec

from pepperpy_schemas.messages import Count, Instant
from pepperpy_schemas.monitor import (
    AgentRow,
    AlertRow,
    ComponentHealth,
    ErrorGroup,
    FleetCounts,
    ModelRow,
    SnapshotRow,
    StreamRow,
    TopicRow,
)


class ViewRequest(msgspec.Struct, frozen=True):
    """A request for a view that has no choices."""


class TaskRequest(msgspec.Struct, frozen=True):
    """A request for one task.

    Attributes:
        id: Its id.
    """

    id: str


class MonitorStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How a replica of the monitor is.

    Attributes:
        replica: Its id.
        leads: Whether it is the one that raises alerts and takes snapshots.
        started: When it started.
        complete: Whether it has read all that was stored before it started.
        behind: Messages that it has not read yet, by stream.
        counts: What it has taken in.
        health: How the parts of the deployment are.
        url: Where its dashboard is; empty without one.
    """

    replica: str
    leads: bool
    started: Instant
    complete: bool
    behind: dict[str, int]
    counts: FleetCounts
    health: list[ComponentHealth]
    url: str = ""


class Agents(msgspec.Struct, frozen=True):
    """The instances of all agents."""

    items: list[AgentRow]


class Topics(msgspec.Struct, frozen=True):
    """The topics, and the streams that they are kept in."""

    items: list[TopicRow]
    streams: list[StreamRow]


class Errors(msgspec.Struct, frozen=True):
    """Errors in groups, the newest first."""

    items: list[ErrorGroup]


class Models(msgspec.Struct, frozen=True):
    """What models did and cost."""

    items: list[ModelRow]


class ActiveAlerts(msgspec.Struct, frozen=True):
    """The alerts that are pending or fire, and those that are over."""

    items: list[AlertRow]


class SnapshotList(msgspec.Struct, frozen=True):
    """The snapshots that are kept, the newest first."""

    items: list[SnapshotRow]


class Position(msgspec.Struct, frozen=True):
    """How far a stream was read.

    Attributes:
        seq: The last message that was read.
        created: When the stream was made; another one of its name has other numbers.
    """

    seq: Count
    created: str


class Positions(msgspec.Struct, frozen=True):
    """How far the streams were read by any monitor.

    Attributes:
        streams: By the stream's name.
    """

    streams: dict[str, Position]
