"""Every metric, by its name: what it counts, in which unit, by which labels, in which buckets.

Names and buckets of ``messaging.*`` are those of OpenTelemetry's messaging conventions 1.44, names of
``gen_ai.*`` those of its conventions for generative AI 1.41; what these do not have is ``pepperpy.*``.

A label's value is a word of the deployment (a topic, an agent, a code), never an id or a subject: what
a subject has of ids stays in braces, as ``pp.task.triage.{id}``.
"""

from enum import StrEnum
from typing import Final

import msgspec


class Kind(StrEnum):
    """How a metric's value moves."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


_PROMETHEUS_UNITS: Final = {"s": "seconds", "By": "bytes"}


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a metric before its first value.

    Attributes:
        name: Its name at OpenTelemetry.
        kind: How its value moves.
        unit: Its unit in UCUM: ``s``, ``By``, ``1`` for a share from 0, braces for what is counted.
        description: What it is, in one sentence.
        labels: Names of its labels at OpenTelemetry.
        buckets: Upper bounds of a histogram's buckets, in the unit; the last bucket has none.
    """

    name: str
    kind: Kind
    unit: str
    description: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def prometheus(self) -> str:
        """Its name at Prometheus; a histogram's series add ``_bucket``, ``_sum`` and ``_count``."""
        parts = [prometheus_label(self.name)]
        if self.unit in _PROMETHEUS_UNITS:
            parts.append(_PROMETHEUS_UNITS[self.unit])
        if self.kind is Kind.COUNTER:
            parts.append("total")
        return "_".join(parts)

    @property
    def prometheus_labels(self) -> tuple[str, ...]:
        """Names of its labels at Prometheus, in the order of `labels`."""
        return tuple(prometheus_label(label) for label in self.labels)


def prometheus_label(name: str) -> str:
    """Returns a name of OpenTelemetry as Prometheus takes it."""
    return name.replace(".", "_")


METRICS: Final[dict[str, Metric]] = {}
"""All metrics by their names at OpenTelemetry, in the order of the page."""

OTHER: Final = "_other"
"""A label's value in place of all that came after the bound on different ones was reached."""


def _of(kind: Kind, unit: str, name: str, description: str, *labels: str) -> Metric:
    return _listed(Metric(name=name, kind=kind, unit=unit, description=description, labels=labels))


def _histogram(
    unit: str, name: str, description: str, *labels: str, buckets: tuple[float, ...]
) -> Metric:
    return _listed(
        Metric(
            name=name,
            kind=Kind.HISTOGRAM,
            unit=unit,
            description=description,
            labels=labels,
            buckets=buckets,
        )
    )


def _listed(metric: Metric) -> Metric:
    METRICS[metric.name] = metric
    return metric


def _counter(unit: str, name: str, description: str, *labels: str) -> Metric:
    return _of(Kind.COUNTER, unit, name, description, *labels)


def _gauge(unit: str, name: str, description: str, *labels: str) -> Metric:
    return _of(Kind.GAUGE, unit, name, description, *labels)


# ruff: noqa: E501 - a table is read line by line
# fmt: off

# -- Labels, where they are no plain word ---------------------------------------------------------

SYSTEM: Final = "messaging.system"
"""``nats``."""
TEMPLATE: Final = "messaging.destination.template"
OPERATION: Final = "messaging.operation.name"
ERROR_TYPE: Final = "error.type"
"""Code of the error; absent, at Prometheus empty, when there was none."""
GEN_AI_OPERATION: Final = "gen_ai.operation.name"
"""``chat``, ``embeddings``, ``invoke_agent`` …"""
GEN_AI_PROVIDER: Final = "gen_ai.provider.name"
GEN_AI_REQUEST_MODEL: Final = "gen_ai.request.model"
"""The model as it was asked for: an alias or ``provider/model``."""
GEN_AI_RESPONSE_MODEL: Final = "gen_ai.response.model"
"""The model that answered, without its provider."""
GEN_AI_TOKEN_TYPE: Final = "gen_ai.token.type"  # noqa: S105 - tokens of models
"""``input`` or ``output``."""

# -- Buckets ---------------------------------------------------------------------------------------

MESSAGING_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""As the messaging conventions advise."""
TASK_SECONDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0, 86400.0)
"""Tasks may wait for people: to a day."""
MODEL_SECONDS: Final = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
"""As the conventions for generative AI advise."""
FIRST_CHUNK_SECONDS: Final = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
MODEL_TOKENS: Final = (1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262144.0, 1048576.0, 4194304.0, 16777216.0, 67108864.0)

# -- Messages, by OpenTelemetry's conventions ----------------------------------------------------

SENT = _counter("{message}", "messaging.client.sent.messages", "Messages that were published and stored.", SYSTEM, OPERATION, TEMPLATE)
CONSUMED = _counter("{message}", "messaging.client.consumed.messages", "Tasks that were delivered to workers, repeats too.", SYSTEM, OPERATION, TEMPLATE)
PROCESS_DURATION = _histogram("s", "messaging.process.duration", "How long a worker had a task, its last attempt.", SYSTEM, OPERATION, TEMPLATE, ERROR_TYPE, buckets=MESSAGING_SECONDS)

# -- Models, by OpenTelemetry's conventions ------------------------------------------------------

_MODEL_LABELS = (GEN_AI_OPERATION, GEN_AI_PROVIDER, GEN_AI_REQUEST_MODEL, GEN_AI_RESPONSE_MODEL)
TOKEN_USAGE = _histogram("{token}", "gen_ai.client.token.usage", "Tokens of one request to a model.", *_MODEL_LABELS, GEN_AI_TOKEN_TYPE, buckets=MODEL_TOKENS)
MODEL_DURATION = _histogram("s", "gen_ai.client.operation.duration", "How long a request to a model took, failovers included.", *_MODEL_LABELS, ERROR_TYPE, buckets=MODEL_SECONDS)
FIRST_CHUNK = _histogram("s", "gen_ai.client.operation.time_to_first_chunk", "How long a streamed answer took to begin.", *_MODEL_LABELS, buckets=FIRST_CHUNK_SECONDS)

# -- Money: what the conventions have no name for ------------------------------------------------

_PAYER = ("provider", "model", "agent", "tenant")
MODEL_REQUESTS = _counter("{request}", "pepperpy.gen_ai.requests", "Requests to models that came to an end.", *_PAYER, "code")
MODEL_TOKENS_USED = _counter("{token}", "pepperpy.gen_ai.tokens", "Tokens that were paid for.", *_PAYER, "type")
COST = _counter("{USD}", "pepperpy.gen_ai.cost", "US dollars that models cost, where a price is known.", *_PAYER)
UNPRICED = _counter("{request}", "pepperpy.gen_ai.unpriced", "Requests whose price nobody knows.", *_PAYER)
PROVIDER_TRIES = _counter("{call}", "pepperpy.gen_ai.calls", "Calls of providers, tries of one request each counted; no code: it answered.", "provider", "model", "code")

# -- Tasks ----------------------------------------------------------------------------------------

TASKS_SUBMITTED = _counter("{task}", "pepperpy.tasks.submitted", "Tasks that were submitted.", "topic")
TASKS_STARTED = _counter("{attempt}", "pepperpy.tasks.started", "Attempts that began.", "topic", "agent")
TASKS_RETRIED = _counter("{attempt}", "pepperpy.tasks.retried", "Attempts that failed and are tried again.", "topic", "code")
TASKS_ENDED = _counter("{task}", "pepperpy.tasks.ended", "Tasks that ended: completed, failed, canceled or rejected; no code: completed.", "topic", "agent", "state", "code")
TASK_DURATION = _histogram("s", "pepperpy.task.duration", "From a task's submission to its end.", "topic", "state", buckets=TASK_SECONDS)
TASK_WAIT = _histogram("s", "pepperpy.task.wait", "From a task's submission to its first attempt.", "topic", buckets=TASK_SECONDS)
TASKS_WAITING = _gauge("{task}", "pepperpy.tasks.waiting", "Tasks that no worker has taken yet.", "topic")
TASKS_RUNNING = _gauge("{task}", "pepperpy.tasks.running", "Tasks that workers have.", "topic")
TASKS_ASKING = _gauge("{task}", "pepperpy.tasks.asking", "Tasks that wait for an answer of people.", "topic")
TASKS_REDELIVERED = _gauge("{task}", "pepperpy.tasks.redelivered", "Tasks in delivery that were delivered before.", "topic")
TASKS_OLDEST = _gauge("s", "pepperpy.tasks.oldest_age", "Age of the oldest task that is not done.", "topic")
TOPIC_WORKERS = _gauge("{instance}", "pepperpy.topic.workers", "Live instances that take tasks of a topic.", "topic")
DEAD_LETTERS = _counter("{task}", "pepperpy.dead_letters.stored", "Tasks that failed for good and became dead letters.", "topic")
DEAD_LETTERS_KEPT = _gauge("{task}", "pepperpy.dead_letters.kept", "Dead letters that lie there.", "topic")
EVENTS = _counter("{event}", "pepperpy.events", "Events, by what happened to what.", "entity", "verb")
TOOL_CALLS = _counter("{call}", "pepperpy.tool.calls", "Calls of tools that models made.", "tool", "result")

# -- Agents, one series per instance ---------------------------------------------------------------

AGENTS_MADE = _counter("{agent}", "pepperpy.agent.made", "Agents that were made from a reference; no code: it went well.", "agent", "version", "code")
AGENT_MAKING = _histogram("s", "pepperpy.agent.making", "How long it took to make an agent.", "agent", "version", buckets=MESSAGING_SECONDS)
_INSTANCE = ("agent", "agent_instance")
AGENT_INSTANCES = _gauge("{instance}", "pepperpy.agent.instances", "Instances by state: up, stale, lost, stopped, paused, draining.", "agent", "state")
AGENT_BEAT_AGE = _gauge("s", "pepperpy.agent.heartbeat_age", "Time since the last heartbeat.", *_INSTANCE)
AGENT_CPU = _gauge("1", "pepperpy.agent.cpu.utilization", "Share of one core since the heartbeat before.", *_INSTANCE)
AGENT_MEMORY = _gauge("By", "pepperpy.agent.memory.resident", "Resident memory.", *_INSTANCE)
AGENT_LOOP_LAG = _gauge("s", "pepperpy.agent.loop_lag", "How late the event loop's timer fired.", *_INSTANCE)
AGENT_IN_FLIGHT = _gauge("{task}", "pepperpy.agent.in_flight", "Tasks that run.", *_INSTANCE)
AGENT_SLOTS = _gauge("{task}", "pepperpy.agent.slots", "Tasks that may run at once.", *_INSTANCE)
AGENT_SHARDS = _gauge("{shard}", "pepperpy.agent.shards", "Shards of keyed tasks that it owns.", *_INSTANCE)

# -- The broker: streams, consumers, the account, the server ---------------------------------------

STREAM_MESSAGES = _gauge("{message}", "pepperpy.stream.messages", "Messages in a stream.", "stream")
STREAM_BYTES = _gauge("By", "pepperpy.stream.size", "Size of a stream.", "stream")
STREAM_LIMIT = _gauge("By", "pepperpy.stream.size_limit", "Size that a stream may have; absent without a limit.", "stream")
STREAM_FILL = _gauge("1", "pepperpy.stream.utilization", "Share of its nearest limit, in messages or bytes, that a stream has reached; absent without a limit.", "stream")
_CONSUMER = ("stream", "consumer")
CONSUMER_LAG = _gauge("{message}", "pepperpy.consumer.lag", "Messages that a durable consumer has not delivered.", *_CONSUMER)
CONSUMER_UNSETTLED = _gauge("{message}", "pepperpy.consumer.unsettled", "Messages that are delivered and not acknowledged.", *_CONSUMER)
CONSUMER_REDELIVERED = _gauge("{message}", "pepperpy.consumer.redelivered", "Of these, delivered more than once.", *_CONSUMER)
CONSUMER_OLDEST = _gauge("s", "pepperpy.consumer.oldest_age", "Age of the oldest message that it has not settled.", *_CONSUMER)
CONSUMER_PULLS = _gauge("{request}", "pepperpy.consumer.pulls", "Pull requests that wait for a message: somebody listens.", *_CONSUMER)
JETSTREAM_USED = _gauge("By", "pepperpy.jetstream.used", "What the account holds, in files and in memory.", "storage")
JETSTREAM_LIMIT = _gauge("By", "pepperpy.jetstream.limit", "What the account, or the server, may hold; absent without a limit.", "storage")
JETSTREAM_FILL = _gauge("1", "pepperpy.jetstream.utilization", "Share of that limit that is used.", "storage")
JETSTREAM_API_ERRORS = _counter("{request}", "pepperpy.jetstream.api_errors", "Requests to JetStream that the server refused.", "server")
BROKER_UP = _gauge("1", "pepperpy.broker.up", "1 when the broker answers the monitor, 0 when not.")
BROKER_ROUND_TRIP = _gauge("s", "pepperpy.broker.round_trip", "Time of a message to the broker and back.")
SERVER_CPU = _gauge("1", "pepperpy.server.cpu.utilization", "Share of one core that the server takes.", "server")
SERVER_MEMORY = _gauge("By", "pepperpy.server.memory.resident", "Resident memory of the server.", "server")
SERVER_CONNECTIONS = _gauge("{connection}", "pepperpy.server.connections", "Connections to the server.", "server")
SERVER_SUBSCRIPTIONS = _gauge("{subscription}", "pepperpy.server.subscriptions", "Subscriptions at the server.", "server")
SERVER_SLOW = _counter("{connection}", "pepperpy.server.slow_consumers", "Connections that were closed because they read too slowly.", "server")
SERVER_MESSAGES = _counter("{message}", "pepperpy.server.messages", "Messages that came in and went out.", "server", "direction")
SERVER_BYTES = _counter("By", "pepperpy.server.io", "Bytes that came in and went out.", "server", "direction")
SERVER_UPTIME = _gauge("s", "pepperpy.server.uptime", "Time since the server started.", "server")

# -- Services, by what they say of themselves ----------------------------------------------------

SERVICE_REPLICAS = _gauge("{instance}", "pepperpy.service.replicas", "Replicas of a service that answer.", "service")
_ENDPOINT = ("service", "endpoint")
SERVICE_REQUESTS = _counter("{request}", "pepperpy.service.requests", "Requests to a service.", *_ENDPOINT)
SERVICE_ERRORS = _counter("{request}", "pepperpy.service.errors", "Of these, answered with an error.", *_ENDPOINT)
SERVICE_TIME = _counter("s", "pepperpy.service.processing", "Time that the requests ran, all together.", *_ENDPOINT)
SERVICE_OVERLOADED = _counter("{request}", "pepperpy.service.overloaded", "Requests refused because too many waited.", *_ENDPOINT)

# -- The whole, and the monitor itself -------------------------------------------------------------

COMPONENT_UP = _gauge("1", "pepperpy.component.up", "1 when a component works, 0.5 when in part, 0 when not.", "component")
MONITOR_MESSAGES = _counter("{message}", "pepperpy.monitor.messages", "Messages that the monitor has taken in, by kind.", "kind")
MONITOR_UNREADABLE = _counter("{message}", "pepperpy.monitor.unreadable", "Messages that could not be read, by reason.", "reason")
MONITOR_GAPS = _counter("{gap}", "pepperpy.monitor.gaps", "Places where the monitor missed messages, by reason.", "stream", "reason")
MONITOR_MISSED = _counter("{message}", "pepperpy.monitor.missed", "Messages that the monitor never saw, by reason.", "stream", "reason")
MONITOR_MEMORY = _gauge("By", "pepperpy.monitor.kept", "What the monitor keeps of the fleet.")
MONITOR_EVICTED = _counter("{task}", "pepperpy.monitor.evicted", "Tasks that it forgot to stay in its bound.")
MONITOR_LEADS = _gauge("1", "pepperpy.monitor.leads", "1 on the replica that alerts and takes snapshots.")
MONITOR_LABELS = _counter("{value}", "pepperpy.monitor.labels_overflowed", "Values that were counted under the label _other, by label.", "label")
