"""The broker: its own figures, its streams and consumers, and the queues of topics."""

import msgspec

from pepperpy_schemas.messages import Count, Instant


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
