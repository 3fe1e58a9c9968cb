"""The messages that travel, as frozen Structs; their subjects are in `catalog`.

Unknown fields are ignored on receipt, so that a newer writer can be read; fields are only ever
added, optional and with a default (``pepperpy schema check`` holds us to it).
"""

from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from pepperpy_schemas.errors import ErrorInfo
from pepperpy_schemas.states import TaskState

Count = Annotated[int, msgspec.Meta(ge=0)]
Attempt = Annotated[int, msgspec.Meta(ge=1)]
Instant = Annotated[datetime, msgspec.Meta(tz=True)]
"""RFC 3339 demands the offset; a time without one means something else on every machine."""

_NULL = msgspec.Raw(b"null")
_REJECTED_CATEGORIES = frozenset({"input"})


class Result(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a task ended: exactly one per task, the first to be written wins.

    Attributes:
        ok: Whether the task completed.
        data: The handler's answer, any JSON; null unless ok.
        error: What went wrong; null when ok.
    """

    ok: bool
    data: msgspec.Raw = _NULL
    error: ErrorInfo | None = None

    @property
    def state(self) -> TaskState:
        """The terminal state that this result stands for."""
        if self.ok:
            return TaskState.COMPLETED
        if self.error is None:
            return TaskState.FAILED
        if self.error.code == "canceled":
            return TaskState.CANCELED
        if self.error.code == "rejected" or self.error.category in _REJECTED_CATEGORIES:
            return TaskState.REJECTED
        return TaskState.FAILED


class Token(msgspec.Struct, frozen=True, omit_defaults=True):
    """A piece of a task's live output.

    Attributes:
        seq: Number of the piece within its attempt, from 1, without gaps.
        attempt: The attempt that wrote it, one more for each time that a stopping worker gave the
            task back; a higher one starts the output anew.
        t: The text.
        data: The piece, when it is no text.
        end: Whether it is the last piece.
    """

    seq: Attempt
    attempt: Attempt
    t: str = ""
    data: msgspec.Raw = _NULL
    end: bool = False


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something that happened; entity, verb and scope are in the subject.

    Attributes:
        id: Unique id of the event.
        ts: When it happened, by its writer's clock, RFC 3339 in UTC.
        correlation: Id of the root task; equal for everything that one submit set off.
        causation: Id of the task or event that caused this one.
        attempt: Number of the task's attempt, or 0.
        priority: ``normal`` or ``high``; high ones travel on their own lane.
        data: The event's own values.
        trace: W3C ``traceparent``: its trace, and the span that it happened in; of a task or a
            request, the span that sent it. Empty when the trace follows from the correlation.
    """

    id: str
    ts: Instant
    correlation: str = ""
    causation: str = ""
    attempt: Count = 0
    priority: str = "normal"
    data: dict[str, Any] = {}
    trace: str = ""


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer to a question of a task.

    Attributes:
        answer: The answer, any JSON; one of the choices when the question has some.
        by: Who says to have given it: a claim.
    """

    answer: Any
    by: str = ""


class Resume(msgspec.Struct, frozen=True, omit_defaults=True):
    """A suspended task goes on, or looks whether it can: its journal says what it waits for.

    Attributes:
        reason: Why: an answer, a child's end, the end of a wait, a reminder, a look from time to
            time in case that nobody told.
        n: Place of the wait in the journal that a deadline or reminder belongs to, or 0.
        child: The child that has ended, or empty.
    """

    reason: Literal["answer", "child", "deadline", "reminder", "check"]
    n: Count = 0
    child: str = ""


class InputEntry(msgspec.Struct, frozen=True, tag="input", tag_field="kind", omit_defaults=True):
    """The first entry of a journal: what the task was given.

    Attributes:
        topic: Its topic, without the lane.
        input: The body, JSON.
        headers: Its headers, names in lower case.
        body_sha256: SHA-256 of the body in hexadecimal.
        stored: When the server stored the task: its deadline counts from then.
        key: Its key, when it is a keyed task, or empty.
        seq: Sequence number of the message that a keyed task came as, or 0.
    """

    topic: str
    input: msgspec.Raw
    headers: dict[str, str]
    body_sha256: str
    stored: Instant
    key: str = ""
    seq: Count = 0


class ClaimEntry(msgspec.Struct, frozen=True, tag="claim", tag_field="kind", omit_defaults=True):
    """A worker takes the task; it fences every earlier attempt.

    Attributes:
        attempt: The attempt that begins.
        instance: The worker's instance, ``agent/instance``.
        ts: When, by its clock.
        carrier: The delivered message that it runs on, ``<stream>-<seq>``.
    """

    attempt: Attempt
    instance: str
    ts: Instant
    carrier: str = ""


class FailureEntry(msgspec.Struct, frozen=True, tag="failed", tag_field="kind"):
    """An attempt ended with an error."""

    attempt: Attempt
    instance: str
    ts: Instant
    error: ErrorInfo


class ReleaseEntry(
    msgspec.Struct, frozen=True, tag="released", tag_field="kind", omit_defaults=True
):
    """A worker gave the delivery back unfinished while it was stopping; it is no attempt.

    Attributes:
        instance: The worker's instance.
        ts: When, by the worker's clock.
        given_up: The message, ``<stream>-<seq>``, that the server delivers no more, though its
            deliveries did not end with their workers; the task goes on with a wake. Or empty.
    """

    instance: str
    ts: Instant
    given_up: str = ""


class StepEntry(msgspec.Struct, frozen=True, tag="step", tag_field="kind", omit_defaults=True):
    """A finished step with its result.

    Attributes:
        attempt: The attempt that did it.
        n: Its place among the task's steps, waits and children, from 1, in the order of the calls.
        name: Its name.
        data: What it returned, JSON; null when that travels by reference.
        blob: The reference, or empty.
        ts: When it was finished, by the worker's clock.
        ms: Milliseconds that it took.
    """

    attempt: Attempt
    n: Attempt
    name: str
    ts: Instant
    data: msgspec.Raw = _NULL
    blob: str = ""
    ms: float = 0.0


class Child(msgspec.Struct, frozen=True):
    """A task that another one submitted.

    Attributes:
        n: Its place among the parent's steps, waits and children.
        topic: Its topic.
        id: Its id.
    """

    n: Attempt
    topic: str
    id: str


class ChildrenEntry(msgspec.Struct, frozen=True, tag="children", tag_field="kind"):
    """The task has submitted others."""

    attempt: Attempt
    ts: Instant
    children: list[Child]


class WaitEntry(msgspec.Struct, frozen=True, tag="wait", tag_field="kind", omit_defaults=True):
    """The task waits, and holds no slot meanwhile.

    Attributes:
        attempt: The attempt that began to wait.
        n: Its place among the task's steps, waits and children.
        what: For an answer, for children, or for a time.
        ts: When it began, by the server's clock.
        question: Number of the question, from 1, or 0.
        text: The question.
        choices: The answers that are allowed; any when there are none.
        children: Ids of the children.
        first: Whether the end of any one child ends the wait, instead of the ends of all.
        deadline: When the wait is over, by the server's clock, or null for never.
        default: The answer that counts then.
        has_default: Whether there is a default; without one the question fails.
        remind: Seconds between reminders, or 0.
        schema: JSON Schema that an answer must fit, or null for none.
    """

    attempt: Attempt
    n: Attempt
    what: Literal["answer", "children", "time"]
    ts: Instant
    question: Count = 0
    text: str = ""
    choices: list[Any] = []
    children: list[str] = []
    first: bool = False
    deadline: Instant | None = None
    default: msgspec.Raw = _NULL
    has_default: bool = False
    remind: float = 0.0
    schema: dict[str, Any] | None = None


class WaitedEntry(msgspec.Struct, frozen=True, tag="waited", tag_field="kind", omit_defaults=True):
    """A wait is over.

    Attributes:
        attempt: The attempt that goes on.
        n: The wait's place.
        ts: When, by the worker's clock.
        how: By an answer, the ends of children, or the deadline.
        data: The answer; for children the list of their results in the order of the wait, null
            for those that had not ended.
        blob: The reference to that when it is large, or empty.
        by: Who says to have answered.
    """

    attempt: Attempt
    n: Attempt
    ts: Instant
    how: Literal["answer", "children", "deadline"]
    data: msgspec.Raw = _NULL
    blob: str = ""
    by: str = ""


class EndedEntry(msgspec.Struct, frozen=True, tag="ended", tag_field="kind", omit_defaults=True):
    """How a child ended, kept for a wait that may outlast the child's result.

    Attributes:
        n: The wait's place.
        ts: When it was written, by the worker's clock.
        child: The child.
        data: Its result as on ``pp.result.<id>``; null when that travels by reference.
        blob: The reference, or empty.
    """

    n: Attempt
    ts: Instant
    child: str
    data: msgspec.Raw = _NULL
    blob: str = ""


class CheckpointEntry(
    msgspec.Struct, frozen=True, tag="checkpoint", tag_field="kind", omit_defaults=True
):
    """Several entries in one message.

    Attributes:
        entries: The entries.
        renews: They stand in place of all before, so that long waits outlive the expiry: once
            the last message of the series is there.
        left: How many messages of the series follow.
    """

    entries: list[msgspec.Raw]
    renews: bool = False
    left: Count = 0


JournalEntry: TypeAlias = (
    InputEntry
    | ClaimEntry
    | FailureEntry
    | ReleaseEntry
    | StepEntry
    | ChildrenEntry
    | WaitEntry
    | WaitedEntry
    | CheckpointEntry
    | EndedEntry
)
"""One line of a task's journal."""


class CancelRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """Somebody wants a task to end now."""

    reason: str = ""
    by: str = ""


class AgentCommand(msgspec.Struct, frozen=True, omit_defaults=True):
    """Somebody drains, pauses or resumes the instances of an agent.

    Attributes:
        instance: Only this instance; all of the agent when empty.
        by: Who says so.
    """

    instance: str = ""
    by: str = ""


class AttemptRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """One attempt of a task that failed, as a dead letter tells it."""

    attempt: Attempt
    ts: Instant
    instance: str = ""
    error: ErrorInfo | None = None


class DeadLetter(msgspec.Struct, frozen=True, omit_defaults=True):
    """The record of a task that failed for good: everything needed to understand and replay it.

    Attributes:
        task_id: The failed task.
        topic: Its topic.
        ts: When it was given up.
        reason: The error's code.
        error: The last error.
        attempts: Every attempt that is known.
        headers: The task's headers as they came.
        body: The body as text, when it is UTF-8.
        body_base64: The body, when it is not.
        source: Who says to have sent it.
        deliveries: How often the broker delivered it.
    """

    task_id: str
    topic: str
    ts: Instant
    reason: str
    error: ErrorInfo
    attempts: list[AttemptRecord] = []
    headers: dict[str, str] = {}
    body: str | None = None
    body_base64: str | None = None
    source: str = ""
    deliveries: Count = 0


class AuditRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who did what; the principal and the action are in the subject."""

    id: str
    ts: Instant
    target: str = ""
    data: dict[str, Any] = {}


class Load(msgspec.Struct, frozen=True, omit_defaults=True):
    """How busy an instance is.

    Attributes:
        in_flight: Tasks that run now.
        slots: Tasks that may run at once.
        cpu_percent: Share of one core since the last heartbeat.
        rss_bytes: Resident memory.
        loop_lag_ms: How late the event loop's timer fired at the last heartbeat.
        done: Tasks ended since the start.
        failed: Tasks ended otherwise than completed since the start.
        shards: Shards of keyed tasks that it owns.
    """

    in_flight: Count = 0
    slots: Count = 0
    cpu_percent: float = 0.0
    rss_bytes: Count = 0
    loop_lag_ms: float = 0.0
    done: Count = 0
    failed: Count = 0
    shards: Count = 0


class AgentInstance(msgspec.Struct, frozen=True, omit_defaults=True):
    """A running instance of an agent, as its heartbeat says every 5 s.

    Attributes:
        agent: The agent's name.
        instance: Id of this process's instance.
        version: The agent's semantic version.
        state: State of its lifecycle.
        topics: Topics it works on.
        capabilities: What it says it can do, for look-ups.
        load: How busy it is.
        host: Name of its machine.
        pid: Its process there.
        started: When it started.
        beat: When this heartbeat was written.
    """

    agent: str
    instance: str
    version: str
    state: str
    topics: list[str]
    capabilities: list[str]
    load: Load
    host: str
    pid: Count
    started: Instant
    beat: Instant


class TopicSchema(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a topic takes and gives, as its workers announced it.

    Attributes:
        topic: The topic.
        version: Version of the schema, from 1; a compatible change raises it.
        input: JSON Schema 2020-12 of the body.
        output: JSON Schema 2020-12 of the result's data.
        agent: The agent that announced it.
        agent_version: Its version.
        doc: The handler's docstring, its first paragraph.
    """

    topic: str
    version: Attempt
    input: dict[str, Any]
    output: dict[str, Any]
    agent: str = ""
    agent_version: str = ""
    doc: str = ""


class ServiceReply(msgspec.Struct, frozen=True, omit_defaults=True):
    """The error reply of a service; a good reply is the service's own type."""

    ok: bool
    error: ErrorInfo | None = None


class MaxDeliveries(msgspec.Struct, frozen=True, omit_defaults=True):
    """The server's advisory that a message was delivered as often as its consumer allows."""

    stream: str
    consumer: str
    stream_seq: Count
    deliveries: Count
    timestamp: str = ""


class Counter(msgspec.Struct, frozen=True):
    """The value of a counter subject, as the server keeps it: an integer in text."""

    val: str
