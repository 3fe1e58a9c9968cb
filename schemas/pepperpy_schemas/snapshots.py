"""What a deployment was like at a moment, and how two such moments differ."""

from typing import Literal, TypeAlias

import msgspec

from pepperpy_schemas.messages import Count, Instant
from pepperpy_schemas.monitor import (
    AgentRow,
    AlertRow,
    ErrorGroup,
    ModelRow,
    Overview,
    SnapshotRow,
    StreamRow,
    TopicRow,
)

SectionName: TypeAlias = Literal[
    "overview", "topics", "agents", "errors", "alerts", "models", "metrics", "settings", "versions"
]
Scalar: TypeAlias = float | int | str | bool | None


class Number(msgspec.Struct, frozen=True, omit_defaults=True):
    """One series of a metric, as Prometheus names it."""

    name: str
    value: float
    labels: dict[str, str] = {}


class Snapshot(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A deployment at a moment.

    Attributes:
        id: Its id.
        at: When it was taken.
        reason: ``periodic``, or what the one who took it said.
        by: Who took it.
        prefix: The deployment's prefix.
        overview: The fleet at a glance.
        topics: The topics.
        streams: The broker's streams.
        agents: The instances of agents.
        errors: The errors, in groups.
        alerts: The alerts that were active.
        models: What models did.
        metrics: Every series of every metric.
        settings: The settings in force; secrets are hidden.
        config: SHA-256 of these settings.
        versions: Of PepperPy, Python, the broker, and the agents that were up.
    """

    id: str
    at: Instant
    reason: str
    by: str = ""
    prefix: str
    overview: Overview
    topics: list[TopicRow] = []
    streams: list[StreamRow] = []
    agents: list[AgentRow] = []
    errors: list[ErrorGroup] = []
    alerts: list[AlertRow] = []
    models: list[ModelRow] = []
    metrics: list[Number] = []
    settings: dict[str, str] = {}
    config: str = ""
    versions: dict[str, str] = {}


class SnapshotRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """Somebody wants a snapshot.

    Attributes:
        reason: Why, for people.
        by: Who, a claim beside the principal.
    """

    reason: str = ""
    by: str = ""


class Difference(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A value that is another one in the later of two snapshots.

    Attributes:
        section: Where it stands.
        name: What it is: ``triage waiting``.
        before: The earlier value; null where there was none.
        after: The later value; null where there is none any more.
        delta: By how much a number grew.
        percent: The same in percent of the earlier one; null where that was 0.
    """

    section: SectionName
    name: str
    before: Scalar = None
    after: Scalar = None
    delta: float | None = None
    percent: float | None = None


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """How two snapshots differ.

    Attributes:
        a: The earlier one.
        b: The later one.
        seconds: The time between them.
        changes: What is different, section by section.
        equal: Values that are the same in both.
    """

    a: SnapshotRow
    b: SnapshotRow
    seconds: float
    changes: list[Difference]
    equal: Count
