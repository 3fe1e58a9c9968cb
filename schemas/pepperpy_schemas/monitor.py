"""What the monitor shows: the same records on the bus, in the web API and on the command line.

Moments are RFC 3339 in UTC and come from the server's clock wherever it stored something; a
worker's own clock is never compared with it. Durations end in ``_ms`` (milliseconds) or ``_s``
(seconds), money is US dollars. What is not known is null, an empty text or an empty list, never a
guess. Fields that are 0, empty or null may be missing in JSON; every other one is there.
"""

from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from pepperpy_schemas.messages import Count, Instant

TaskStateName: TypeAlias = Literal[
    "submitted", "working", "input-required", "completed", "failed", "canceled", "rejected"
]
AgentStateName: TypeAlias = Literal[
    "starting", "up", "paused", "draining", "stale", "lost", "stopped", "error"
]
"""``stale`` missed a heartbeat; ``lost`` missed three and never said good-bye; ``stopped`` did."""
Status: TypeAlias = Literal["ok", "degraded", "down", "unknown"]
Severity: TypeAlias = Literal["info", "warning", "critical"]


# --- figures over time ---


class Latency(msgspec.Struct, frozen=True, omit_defaults=True):
    """How long something took, over a window of time; null where nothing was measured.

    Attributes:
        count: How many were measured.
        p50_ms: Half took no longer.
        p95_ms: 95 % took no longer.
        p99_ms: 99 % took no longer.
    """

    count: Count = 0
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None


class Windows(msgspec.Struct, frozen=True):
    """The same over the last minute, the last five minutes and the last hour."""

    m1: Latency = Latency()
    m5: Latency = Latency()
    h1: Latency = Latency()


class Series(msgspec.Struct, frozen=True):
    """A line of a chart.

    Attributes:
        name: What it is: ``completed``, ``cpu_percent``.
        unit: Its unit: ``1/s``, ``%``, ``bytes``, ``ms``, ``usd``, ``tasks``.
        start: When the first value's step began.
        step_s: Seconds between two values.
        values: The values, oldest first; null where nothing was measured.
    """

    name: str
    unit: str
    start: Instant
    step_s: float
    values: list[float | None]


# --- tasks ---


class TaskRow(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A task as lists show it.

    Attributes:
        id: Its id.
        topic: Its topic, without the lane.
        state: Where it is in its life.
        agent: The agent that has it, or had it last.
        instance: That agent's instance.
        attempt: The attempt that runs, or ended it; 0 before the first.
        high: Whether it has priority.
        source: Who says to have sent it.
        parent: Id of the task that submitted it.
        root: Id of the first task of its family; its own without one.
        submitted: When the server stored it.
        started: When its first attempt began.
        ended: When its end was stored.
        queued_ms: How long it waited for its first attempt.
        ms: How long the attempt took that ended it.
        code: The error's code, of its end or of its last attempt.
        message: What the error says, shortened.
        fingerprint: The group of errors it belongs to (`ErrorGroup`).
        waits: What a suspended task waits for: ``answer``, ``children``, ``time``.
        question: Number of the question that is open, or 0.
        asks: The text of that question, shortened.
        progress: What share is done, from 0 to 1, as its handler said.
        retries: Attempts that failed and were repeated.
        letter: Whether it lies among the dead letters.
        calls: Requests to models.
        tools: Calls of tools.
        input_tokens: Tokens that models read for it.
        output_tokens: Tokens that models wrote for it.
        usd: What its models cost, as far as prices are known.
        children: Tasks that are known to be submitted by it.
        seq: The newest event of it, as its number in the stream of events.
    """

    id: str
    topic: str
    state: TaskStateName
    agent: str = ""
    instance: str = ""
    attempt: Count = 0
    high: bool = False
    source: str = ""
    parent: str = ""
    root: str = ""
    submitted: Instant | None = None
    started: Instant | None = None
    ended: Instant | None = None
    queued_ms: float | None = None
    ms: float | None = None
    code: str = ""
    message: str = ""
    fingerprint: str = ""
    waits: str = ""
    question: Count = 0
    asks: str = ""
    progress: float | None = None
    retries: Count = 0
    letter: bool = False
    calls: Count = 0
    tools: Count = 0
    input_tokens: Count = 0
    output_tokens: Count = 0
    usd: float = 0.0
    children: Count = 0
    seq: Count = 0


class TaskQuery(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Which tasks are wanted; an empty field asks for nothing.

    Attributes:
        state: One of these states.
        topic: This topic; ``orders*`` all that begin so.
        agent: This agent, or one of its instances as ``agent/instance``.
        code: This code of an error.
        fingerprint: This group of errors.
        source: Who says to have sent it.
        root: This family.
        parent: Submitted by this task.
        text: In id, topic, agent, source, code or message, in any case.
        since: Touched at this time or later.
        until: Touched before.
        limit: Most rows of a page.
        cursor: ``next`` of the page before.
    """

    state: list[TaskStateName] = []
    topic: str = ""
    agent: str = ""
    code: str = ""
    fingerprint: str = ""
    source: str = ""
    root: str = ""
    parent: str = ""
    text: str = ""
    since: Instant | None = None
    until: Instant | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 50
    cursor: str = ""


class TaskPage(msgspec.Struct, frozen=True):
    """Some of the tasks that were asked for, the ones that came last first.

    Attributes:
        items: The tasks.
        next: Asks for the page after this one; null after the last.
        total: How many there are on all pages now.
        by_state: How many of these are in which state.
    """

    items: list[TaskRow]
    next: str | None
    total: Count
    by_state: dict[str, int] = {}


# --- agents ---


class AgentRow(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """An instance of an agent.

    Attributes:
        agent: The agent.
        instance: The instance.
        state: How it is now, as far as its heartbeats tell.
        reason: Why it is taken to be so: ``no heartbeat for 16 s``.
        version: The agent's version.
        topics: What it works on.
        capabilities: What it says it can do.
        host: Its machine.
        pid: Its process there.
        started: When it started, by its own clock.
        seen: When its last heartbeat was stored.
        beat_s: Seconds since then.
        skew_s: How far its clock is ahead of the server's.
        in_flight: Tasks that ran at that heartbeat.
        slots: Tasks that may run at once.
        idle: Whether it is up and has nothing to do; never of one that is stale or lost.
        cpu_percent: Share of one core.
        rss_bytes: Resident memory.
        loop_lag_ms: How late its event loop was.
        shards: Shards of keyed tasks that it owns.
        done: Tasks that ended since its start.
        failed: Those that did not complete.
        latency: How long its tasks took, over the last five minutes.
        tasks: Ids of some of the tasks that it has now.
    """

    agent: str
    instance: str
    state: AgentStateName
    reason: str = ""
    version: str = ""
    topics: list[str] = []
    capabilities: list[str] = []
    host: str = ""
    pid: Count = 0
    started: Instant | None = None
    seen: Instant | None = None
    beat_s: float = 0.0
    skew_s: float = 0.0
    in_flight: Count = 0
    slots: Count = 0
    idle: bool = False
    cpu_percent: float = 0.0
    rss_bytes: Count = 0
    loop_lag_ms: float = 0.0
    shards: Count = 0
    done: Count = 0
    failed: Count = 0
    latency: Latency = Latency()
    tasks: list[str] = []


class AgentSeries(msgspec.Struct, frozen=True):
    """How an instance was over time.

    Attributes:
        agent: The agent.
        instance: The instance.
        series: ``cpu_percent``, ``rss_bytes``, ``loop_lag_ms``, ``in_flight``, ``response_ms``,
            ``done``, ``failed``.
    """

    agent: str
    instance: str
    series: list[Series]


# --- topics, streams, the broker ---


class TopicRow(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A topic of tasks.

    Attributes:
        topic: The topic.
        waiting: Tasks that nobody has taken, both lanes; null where the broker does not say.
        in_hand: Tasks that are delivered and not settled.
        oldest_s: Age of the one that waits longest.
        redelivered: Of those in hand, delivered more than once.
        workers: Instances that are up and work on it.
        states: How many of its tasks that are kept are in which state.
        submitted_rate: Tasks that came per second, over the last minute.
        ended_rate: Tasks that ended per second, over the last minute.
        error_ratio: Share of the last five minutes' ends that are failures; null without ends.
        letters: Dead letters.
        latency: How long tasks took.
        queued: How long tasks waited for their first attempt, over the last five minutes.
        chart: Ends, failures and waiting over the last hour.
        last: When something happened to one of its tasks.
    """

    topic: str
    waiting: Count | None = None
    in_hand: Count | None = None
    oldest_s: float | None = None
    redelivered: Count = 0
    workers: Count = 0
    states: dict[str, int] = {}
    submitted_rate: float = 0.0
    ended_rate: float = 0.0
    error_ratio: float | None = None
    letters: Count = 0
    latency: Windows = Windows()
    queued: Latency = Latency()
    chart: list[Series] = []
    last: Instant | None = None


class ConsumerRow(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """How far a consumer of a stream is.

    Attributes:
        name: The consumer.
        pending: Messages that it has not been given.
        in_hand: Messages that were given and are not settled.
        redelivered: Of these, given more than once.
        pulls: Requests that wait for a message.
        oldest_s: Age of the first message that is not settled.
        settled: Deliveries that were settled, ever, repeats too.
    """

    name: str
    pending: Count = 0
    in_hand: Count = 0
    redelivered: Count = 0
    pulls: Count = 0
    oldest_s: float | None = None
    settled: Count = 0


class StreamRow(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A stream of the broker.

    Attributes:
        name: The stream.
        messages: Messages in it.
        bytes: Their size.
        max_messages: Its limit, or null.
        max_bytes: Its limit, or null.
        first_seq: Number of its first message.
        last_seq: Number of its last message.
        oldest_s: Age of the first one.
        rate: Messages per second that came since the figures before.
        consumers: Its consumers.
        replicas: Of its followers, how many are up to date; null without any.
    """

    name: str
    messages: Count = 0
    bytes: Count = 0
    max_messages: Count | None = None
    max_bytes: Count | None = None
    first_seq: Count = 0
    last_seq: Count = 0
    oldest_s: float | None = None
    rate: float = 0.0
    consumers: list[ConsumerRow] = []
    replicas: Count | None = None


class TopicFigures(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What the broker says of a topic's queue, both lanes together.

    Attributes:
        topic: The topic.
        waiting: Tasks that nobody has taken.
        in_hand: Tasks that are delivered and not settled.
        redelivered: Of these, delivered more than once.
        pulls: Workers' requests that wait for a task.
        oldest_s: Age of the task that waits longest.
        letters: Its dead letters; null where that is not asked.
        settled: Deliveries of its tasks that were settled, ever, repeats too.
    """

    topic: str
    waiting: Count = 0
    in_hand: Count = 0
    redelivered: Count = 0
    pulls: Count = 0
    oldest_s: float | None = None
    letters: Count | None = None
    settled: Count = 0


class BrokerFigures(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """How the broker is; null where this user may not see it.

    Attributes:
        connected: Whether the monitor is connected, and answered.
        server: Name of the server.
        version: Its version.
        started: When it started.
        connections: Clients that are connected.
        slow_consumers: Clients that it has cut off since its start because they read too slowly.
        cpu_percent: Share of one core.
        memory_bytes: Its memory.
        in_messages: Messages that came since its start.
        out_messages: Messages that left since its start.
        storage_bytes: What streams use on disk.
        storage_limit: What they may use.
        rtt_ms: How long an answer takes to the monitor.
        streams: Its streams.
        topics: The queues of topics.
    """

    connected: bool
    server: str = ""
    version: str = ""
    started: Instant | None = None
    connections: Count | None = None
    slow_consumers: Count | None = None
    cpu_percent: float | None = None
    memory_bytes: Count | None = None
    in_messages: Count | None = None
    out_messages: Count | None = None
    storage_bytes: Count | None = None
    storage_limit: Count | None = None
    rtt_ms: float | None = None
    streams: list[StreamRow] = []
    topics: list[TopicFigures] = []


class ComponentHealth(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Whether a part of the deployment does its work.

    Attributes:
        name: What it is called: ``broker``, ``provider/7f3a``, ``memory/postgresql``.
        kind: ``broker``, ``agent``, ``provider``, ``memory``, ``monitor``, ``edge``, …
        status: How it is.
        reason: Why, in a sentence for people; empty when all is well.
        at: When that was found.
        since: Since when it is so.
        details: More values, for people.
    """

    name: str
    kind: str
    status: Status
    reason: str = ""
    at: Instant | None = None
    since: Instant | None = None
    details: dict[str, Any] = {}


# --- errors, topology, models ---


class ErrorGroup(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Errors that are one: of one code, with one message but for numbers, ids and paths in it.

    Attributes:
        fingerprint: The group's id.
        code: The code.
        message: The message, with ``#`` where they differ.
        sample: The last of them, as it was.
        count: How many there were.
        first: When the first was seen.
        last: When the last was seen.
        rate: How many per second, over the last five minutes.
        topics: Topics where they were seen, at most 8.
        agents: Agents where they were seen, at most 8.
        tasks: The last tasks that had one, at most 8.
    """

    fingerprint: str
    code: str
    message: str = ""
    sample: str = ""
    count: Count = 0
    first: Instant | None = None
    last: Instant | None = None
    rate: float = 0.0
    topics: list[str] = []
    agents: list[str] = []
    tasks: list[str] = []


class Node(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Somebody of the topology.

    Attributes:
        id: ``kind:name``.
        kind: What it is.
        name: Its name.
        state: How it is: an agent's best state, a service's status; empty where nothing tells.
        size: Instances of an agent, waiting tasks of a topic.
    """

    id: str
    kind: Literal["client", "topic", "agent", "service", "model"]
    name: str
    state: str = ""
    size: Count = 0


class Edge(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Somebody does something with somebody.

    Attributes:
        source: The node that does it.
        target: The node that it is done with.
        kind: Submits tasks to a topic, pulls tasks from it, asks a service, waits for children.
        rate: How often per second, over the last five minutes.
        count: How often since the monitor sees.
        failed: Of these, failed.
        last: When it happened last.
    """

    source: str
    target: str
    kind: Literal["submits", "pulls", "asks", "waits"]
    rate: float = 0.0
    count: Count = 0
    failed: Count = 0
    last: Instant | None = None


class Waiting(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A task that waits.

    Attributes:
        task: The task.
        topic: Its topic.
        waits: For an answer, for children, or for a time.
        since: Since when.
        deadline: When the wait is over, or null.
        text: The question.
        children: How many children it waits for.
    """

    task: str
    topic: str
    waits: str
    since: Instant | None = None
    deadline: Instant | None = None
    text: str = ""
    children: Count = 0


class Topology(msgspec.Struct, frozen=True):
    """Who talks to whom, and who waits.

    Attributes:
        nodes: Clients, topics, agents, services, models.
        edges: What they do with one another.
        waiting: Tasks that wait, the longest first, at most 100.
    """

    nodes: list[Node]
    edges: list[Edge]
    waiting: list[Waiting]


class ModelRow(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What one model did for one agent of one tenant.

    Attributes:
        provider: The provider, or ``other`` where there are too many.
        model: The model.
        agent: The agent that asked, or who else did.
        tenant: Who pays.
        requests: Requests that ended.
        failed: Of these, failed.
        canceled: Of these, given up by their caller.
        codes: How often which code.
        input_tokens: Tokens read.
        output_tokens: Tokens written.
        cached_tokens: Of those read, kept by the provider.
        usd: What it cost, as far as prices are known.
        usd_rate: Dollars per hour, over the last hour.
        latency: How long requests took.
        first: How long the first piece took, over the last hour.
        last: When the last request ended.
    """

    provider: str
    model: str
    agent: str = ""
    tenant: str = ""
    requests: Count = 0
    failed: Count = 0
    canceled: Count = 0
    codes: dict[str, int] = {}
    input_tokens: Count = 0
    output_tokens: Count = 0
    cached_tokens: Count = 0
    usd: float = 0.0
    usd_rate: float = 0.0
    latency: Windows = Windows()
    first: Latency = Latency()
    last: Instant | None = None


# --- the whole ---


class Gap(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Messages that the monitor never saw.

    Attributes:
        stream: Their stream.
        first_seq: The first of them.
        last_seq: The last of them.
        reason: Expired before they were read, purged, lost, or the monitor was away for too long.
        at: When that was found.
    """

    stream: str
    first_seq: Count
    last_seq: Count
    reason: Literal["expired", "purged", "lost", "away"]
    at: Instant | None = None

    @property
    def count(self) -> int:
        """How many they are."""
        return max(0, self.last_seq - self.first_seq + 1)


class FleetCounts(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What the monitor has taken in, and what it keeps.

    Attributes:
        events: Events that were taken in.
        repeated: Events that were there before.
        results: Results.
        letters: Dead letters.
        bad: Messages that could not be read, by the error's code.
        odd: What does not fit, and was taken all the same, by what it is: ``clock_ahead`` (a
            worker's clock), ``time_ahead`` (the server's), ``listener`` (one that failed).
        missed: Messages that were never seen.
        gaps: The newest gaps, at most 100.
        last_seq: The newest event.
        last: When the server stored it.
        bytes: What is kept, estimated.
        limit_bytes: Most that may be kept.
        tasks: Tasks that are kept.
        ended: Of these, ended.
        failures: Of these, not completed.
        evicted: Ended tasks that had to go.
        evicted_failures: Of these, not completed.
        evicted_open: Tasks without an end that had to go.
        dropped: Names that had to go because there were too many, by what they name.
    """

    events: Count = 0
    repeated: Count = 0
    results: Count = 0
    letters: Count = 0
    bad: dict[str, int] = {}
    odd: dict[str, int] = {}
    missed: Count = 0
    gaps: list[Gap] = []
    last_seq: Count = 0
    last: Instant | None = None
    bytes: Count = 0
    limit_bytes: Count = 0
    tasks: Count = 0
    ended: Count = 0
    failures: Count = 0
    evicted: Count = 0
    evicted_failures: Count = 0
    evicted_open: Count = 0
    dropped: dict[str, int] = {}


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """The fleet at a glance.

    Attributes:
        at: When it was made.
        since: Since when the monitor sees.
        rates: Per second, over the last minute: ``submitted``, ``started``, ``completed``,
            ``failed``, ``canceled``, ``rejected``, ``retried``, ``events``.
        states: How many tasks that are kept are in which state.
        latency: How long attempts took that ended a task.
        queued: How long tasks waited for their first attempt.
        error_ratio: Share of ends that are failures by window: ``m1``, ``m5``, ``h1``; null
            without ends.
        waiting: Tasks that nobody has taken; null where the broker does not say.
        oldest_s: Age of the one that waits longest.
        letters: Dead letters.
        agents: How many instances are in which state.
        questions: Tasks that ask people.
        usd_rate: Dollars per hour, over the last hour.
        usd: Dollars since the monitor sees.
        tokens: Tokens, in and out, since the monitor sees.
        health: The worst status of any component.
        broker: The server, without streams and topics; null before it was asked.
        counts: What was taken in.
        charts: Rates of submits, ends and failures, response times, waiting tasks, dollars.
    """

    at: Instant
    since: Instant
    rates: dict[str, float]
    states: dict[str, int]
    latency: Windows
    queued: Windows
    error_ratio: dict[str, float | None]
    waiting: Count | None
    oldest_s: float | None
    letters: Count
    agents: dict[str, int]
    questions: Count
    usd_rate: float
    usd: float
    tokens: Count
    health: Status
    broker: BrokerFigures | None
    counts: FleetCounts
    charts: list[Series]


# --- alerts, snapshots, the audit log ---


class AlertRow(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """An alert: a rule that holds for one set of labels.

    Attributes:
        id: Equal for the same rule with the same labels.
        rule: The rule.
        state: It holds but not for long enough; it fires; it is over.
        severity: How bad it is.
        labels: Its labels.
        summary: What is wrong, in a sentence.
        description: What to do about it.
        value: The value that made it so; null where there is none.
        since: Since when its condition holds.
        fired: When it fired.
        resolved: When it was over.
        silence: Id of the silence that hides it, or empty.
        inhibited: The alert that makes it needless, or empty.
    """

    id: str
    rule: str
    state: Literal["pending", "firing", "resolved"]
    severity: Severity
    labels: dict[str, str] = {}
    summary: str = ""
    description: str = ""
    value: float | None = None
    since: Instant | None = None
    fired: Instant | None = None
    resolved: Instant | None = None
    silence: str = ""
    inhibited: str = ""


class SnapshotRow(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A snapshot of the fleet, as lists show it.

    Attributes:
        id: Its id.
        at: When it was taken.
        reason: ``periodic``, or what the one who took it said.
        by: Who took it.
        bytes: Its size.
        tasks: Tasks in it.
        firing: Alerts that fired then.
    """

    id: str
    at: Instant
    reason: str
    by: str = ""
    bytes: Count = 0
    tasks: Count = 0
    firing: Count = 0


class AuditRow(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """An entry of the audit log.

    Attributes:
        seq: Its number in the log.
        at: When the server stored it.
        by: Who did it.
        claimed: Whether ``by`` is only what the sender says; else the broker has made sure of it.
        action: What was done: ``cancel``, ``replay``, ``answer``, ``grant``.
        target: To what.
        data: More values.
        hash: SHA-256 of it and of the one before, in hexadecimal.
    """

    seq: Count
    at: Instant
    by: str
    claimed: bool = False
    action: str
    target: str = ""
    data: dict[str, Any] = {}
    hash: str = ""
