"""The error tree: what can go wrong, by what the caller can do about it.

Every error has a stable ``code`` that travels on the wire, a ``category``, whether a retry can
help, a ``hint`` that says what to do, a ``context`` of named values and a ``cause``. The table in
``docs/reference/errors.md`` is generated from the classes below, in `upstream_errors`, in
`tool_errors` and in `capability_errors`.
"""

from collections.abc import Iterator

import msgspec

from pepperpy_schemas.capability_errors import (
    BadExample,
    BadProblem,
    BadRule,
    Contradiction,
    Infeasible,
    NoPlan,
    PlanFailed,
    TooBig,
    TooLong,
    Unbounded,
    UnsafeRule,
)
from pepperpy_schemas.error import ErrorInfo, HandlerError, PepperError, info_of
from pepperpy_schemas.tool_errors import (
    BadArguments,
    NotGranted,
    ToolFailed,
    ToolTimeout,
    UnknownTool,
)
from pepperpy_schemas.upstream_errors import (
    BadOutput,
    ContentFiltered,
    ContextTooLong,
    KeyRefused,
    NoTargetLeft,
    RateLimited,
    RequestRefused,
    StreamBroken,
    UnknownModel,
    UpstreamFailed,
    UpstreamTimeout,
)

__all__ = [
    "BadArguments",
    "BadConfig",
    "BadExample",
    "BadGraph",
    "BadHeader",
    "BadName",
    "BadOutput",
    "BadPayload",
    "BadProblem",
    "BadRule",
    "BadSchedule",
    "BrokerFailed",
    "BudgetExceeded",
    "Canceled",
    "ChildFailed",
    "Conflict",
    "ContentFiltered",
    "ContextTooLong",
    "Contradiction",
    "CrashLoop",
    "DeadlineExceeded",
    "ErrorInfo",
    "Fenced",
    "GraphFailed",
    "HandlerError",
    "IllegalTransition",
    "Infeasible",
    "JournalMismatch",
    "KeyRefused",
    "LeaseLost",
    "NoAnswer",
    "NoPlan",
    "NoTargetLeft",
    "NotFound",
    "NotGranted",
    "Overloaded",
    "PepperError",
    "PermissionDenied",
    "PlanFailed",
    "QueueFull",
    "RateLimited",
    "RefusedByServer",
    "Rejected",
    "RemoteError",
    "RequestRefused",
    "SchemaIncompatible",
    "StreamBroken",
    "TaskTimeout",
    "TooBig",
    "TooLarge",
    "TooLong",
    "ToolFailed",
    "ToolTimeout",
    "TopologyDrift",
    "Unavailable",
    "Unbounded",
    "UnknownModel",
    "UnknownTool",
    "UnknownTopic",
    "Unreachable",
    "UnsafeRule",
    "UnsupportedType",
    "UpstreamFailed",
    "UpstreamTimeout",
    "WrongSequence",
    "error_from_info",
    "error_types",
    "info_of",
]


class BadName(PepperError):
    """A topic, id or other name has characters that cannot travel in a subject."""

    code = "bad_name"
    category = "input"
    hint = "use 1 to 64 characters of A-Z a-z 0-9 _ -"


class BadPayload(PepperError):
    """The body is not what the receiver declared; ``context.path`` names the field."""

    code = "bad_payload"
    category = "input"


class BadHeader(PepperError):
    """A header has a value that cannot be read; ``context.header`` names it."""

    code = "bad_header"
    category = "input"


class BadSchedule(PepperError):
    """A schedule says no time at which it could fire; ``context.option`` names what is wrong."""

    code = "bad_schedule"
    category = "input"
    hint = "give one of at=, delay=, every=, cron="


class UnknownTopic(PepperError):
    """No worker has ever announced this topic."""

    code = "unknown_topic"
    category = "input"
    hint = "list the known ones with: pepperpy schema ls --topics"


class SchemaIncompatible(PepperError):
    """A schema changes a message in a way that its readers or writers cannot follow."""

    code = "schema_incompatible"
    category = "input"
    hint = "add optional fields only, or publish under a new topic"


class Conflict(PepperError):
    """The same id was used before with another body."""

    code = "conflict"
    category = "input"
    hint = "choose another id, or send the same body"


class TooLarge(PepperError):
    """A message is larger than the broker takes."""

    code = "too_large"
    category = "input"
    hint = "send large data by reference; bodies above bus.blob_threshold travel so by themselves"


class PermissionDenied(PepperError):
    """The broker's permissions do not allow this user this subject."""

    code = "permission_denied"
    category = "input"
    hint = "connect as a role that may do this; the roles are in docs/reference/roles.md"


class NotFound(PepperError):
    """What was asked for does not exist, or no longer."""

    code = "not_found"
    category = "input"


class TaskTimeout(PepperError):
    """The handler ran longer than the task's time-out."""

    code = "timeout"
    category = "task"
    retryable = True
    hint = "raise the timeout of the task, or make its work smaller"


class DeadlineExceeded(PepperError):
    """The task's deadline passed before it was done."""

    code = "deadline_exceeded"
    category = "task"


class LeaseLost(PepperError):
    """A lease has ended before its holder was done; somebody else may hold the resource now."""

    code = "lease_lost"
    category = "task"
    retryable = True
    hint = "take a longer ttl; let nothing block the event loop for as long as it"


class CrashLoop(PepperError):
    """The task was delivered as often as allowed and never finished: it may kill its workers."""

    code = "crash_loop"
    category = "task"
    hint = (
        "read the workers' logs around the deliveries, mend the handler, then: pepperpy dlq replay"
    )


class JournalMismatch(PepperError):
    """The journal of the task no longer fits the code."""

    code = "journal_mismatch"
    category = "task"
    hint = (
        "other code has met a running task: serve changed steps under a new topic, or let the "
        "running ones end first; the order and the names of steps must not depend on chance"
    )


class ChildFailed(PepperError):
    """A task that this one waited for failed; the cause is that one's error."""

    code = "child_failed"
    category = "task"


class BadGraph(PepperError):
    """A graph of tasks cannot run as it is declared; ``context.node`` names the node."""

    code = "bad_graph"
    category = "input"
    hint = "check it with: pepperpy graph check FILE"


class GraphFailed(PepperError):
    """A node of a graph failed; the cause is its error."""

    code = "graph_failed"
    category = "task"


class NoAnswer(PepperError):
    """Nobody answered the task's question before its deadline, and it has no default."""

    code = "no_answer"
    category = "task"
    hint = "give the question a default, or a later deadline"


class Fenced(PepperError):
    """Another worker has claimed this task since; what this one does no longer counts."""

    code = "fenced"
    category = "control"


class Canceled(PepperError):
    """The task was canceled."""

    code = "canceled"
    category = "control"


class Rejected(PepperError):
    """The handler refuses the task for good: raise it to say so."""

    code = "rejected"
    category = "control"


class BudgetExceeded(PepperError):
    """The task and its family have spent, or reserved, what they may."""

    code = "budget_exceeded"
    category = "control"
    hint = "submit the task again with a larger budget; what was spent shows: pepperpy budget ID"


class IllegalTransition(PepperError):
    """The lifecycle has no way from this state to that one."""

    code = "illegal_transition"
    category = "control"


class QueueFull(PepperError):
    """The task stream has reached its limit and refuses new tasks."""

    code = "queue_full"
    category = "bus"
    retryable = True
    hint = "start more workers, wait, or raise the stream's limits"


class Overloaded(PepperError):
    """The service has as many requests running and waiting as it allows."""

    code = "overloaded"
    category = "bus"
    retryable = True
    hint = "try again later, or start another replica"


class Unavailable(PepperError):
    """Nobody answered in time."""

    code = "unavailable"
    category = "bus"
    retryable = True


class Unreachable(PepperError):
    """The broker cannot be reached."""

    code = "unreachable"
    category = "bus"
    retryable = True
    hint = "start one with: pepperpy up, or set PEPPERPY_NATS_URL"


class WrongSequence(PepperError):
    """Something else was written on this subject since it was read."""

    code = "wrong_sequence"
    category = "bus"


class TopologyDrift(PepperError):
    """A stream or consumer on the broker differs from what PepperPy declares."""

    code = "topology_drift"
    category = "config"
    hint = "see the differences with: pepperpy bus check, then: pepperpy bus apply"


class RefusedByServer(PepperError):
    """JetStream refused a request; ``err_code`` is the server's number of the fact."""

    code = "refused_by_server"
    category = "config"

    @property
    def err_code(self) -> int:
        """The server's number of the fact, as in ``context``; 0 when it gave none."""
        return int(self.context.get("err_code", 0))


class BrokerFailed(PepperError):
    """The broker did not start."""

    code = "broker_failed"
    category = "config"


class UnsupportedType(PepperError):
    """A type of a handler or message cannot travel as JSON; the message names it."""

    code = "unsupported_type"
    category = "config"
    hint = "declare a msgspec Struct, a dataclass, a pydantic model or plain types"


class BadConfig(PepperError):
    """A setting is missing or wrong; the message names it."""

    code = "bad_config"
    category = "config"


class RemoteError(PepperError):
    """An error whose code this version does not know, kept as it came."""

    def __init__(self, info: ErrorInfo) -> None:
        super().__init__(info.message, hint=info.hint, context=info.context)
        self.retryable = info.retryable
        self._info = info

    def __reduce__(self) -> tuple[type["RemoteError"], tuple[ErrorInfo]]:
        """Is made of its information again where it was pickled, not of its message."""
        return RemoteError, (self._info,)

    def _info_with(self, cause: ErrorInfo | None) -> ErrorInfo:
        return msgspec.structs.replace(self._info, cause=self._info.cause or cause)


_MODULES = frozenset(
    cls.__module__ for cls in (BadName, HandlerError, UpstreamFailed, UnknownTool, BadProblem)
)


def error_types() -> Iterator[type[PepperError]]:
    """Yields every error class of the tree that has a code of its own, in its order."""
    yield PepperError
    for cls in PepperError.__subclasses__():
        if cls is not RemoteError and cls.__module__ in _MODULES:
            yield cls


_BY_CODE: dict[str, type[PepperError]] = {cls.code: cls for cls in error_types()}


def error_from_info(info: ErrorInfo) -> PepperError:
    """Returns the exception for an error that came over the wire, its causes chained.

    A code that this version does not know becomes a `RemoteError`, nothing of it lost.
    """
    cls = _BY_CODE.get(info.code)
    error = (
        RemoteError(info)
        if cls is None
        else cls(info.message, hint=info.hint, context=info.context, retryable=info.retryable)
    )
    if info.cause is not None:
        error.__cause__ = error_from_info(info.cause)
    return error
