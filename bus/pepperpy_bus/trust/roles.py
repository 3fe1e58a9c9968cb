"""The roles of a deployment as data: who may publish, subscribe and read what.

The broker enforces these permissions, so a principal in a service subject is true, and a role
that is taken over can do no more than the role. Three facts about the server shape them:

- Services get no `allow_responses`: it overrides every deny, so a caller who names
  `$JS.API.STREAM.PURGE.<stream>` as its reply subject would have the service purge it. They may
  publish to the inboxes of the known principals instead, and nowhere else.
- Permissions cannot match a part of a token, and whoever may create a consumer on a stream may
  alter the others there. Streams, not consumer names, are the border between roles.
- What the server itself sends (a publish acknowledgement, a pulled message) goes to any subject
  that the requester names. Parties who do not trust each other belong into separate accounts.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

from pepperpy_bus.streams.topology import PARKED
from pepperpy_bus.trust.grants import BUCKETS, COMMANDS, LOGS, WORK_QUEUES, Grants, Permissions
from pepperpy_bus.trust.principals import ANONYMOUS, DEFAULT_INBOX, ROLES, Role
from pepperpy_schemas.catalog.agents import AGENT_CONTROL
from pepperpy_schemas.catalog.audit import CHAIN
from pepperpy_schemas.catalog.contents import CATALOG
from pepperpy_schemas.catalog.events import COUNT, EVENT, EVENT_HIGH
from pepperpy_schemas.catalog.memory import MEMORY_GET, MEMORY_STATS
from pepperpy_schemas.catalog.monitor import POSITIONS
from pepperpy_schemas.catalog.provider import PROVIDER_STATUS
from pepperpy_schemas.catalog.services import SERVICE, STOP
from pepperpy_schemas.catalog.sharding import SHARD_CONTROL, SHARDED_TASK
from pepperpy_schemas.catalog.state import ALERT, ALERT_TOLD, LEASES, SILENCE
from pepperpy_schemas.catalog.tasks import (
    ANSWER,
    CANCEL,
    DEAD_LETTER,
    KEYED_TASK,
    RESULT,
    RESUME,
    SCHEDULE,
    STEP,
    TASK,
    TASK_BARE,
    TOKEN,
)
from pepperpy_schemas.catalog.tools import TOOL_SERVICE
from pepperpy_schemas.catalog.versions import SPLIT_CONTROL
from pepperpy_schemas.subjects import Subject

_WORKERS_BUCKETS: Final = ("registry", "schemas", "state", "questions")

SERVES: Final[dict[Role, tuple[str, ...]]] = {
    "worker": (TOOL_SERVICE,),
    "memory": ("memory", "language"),
    "provider": ("provider",),
    "monitor": ("monitor",),
}
"""The services that only this role may offer."""

ASK_TOOLS: Final[tuple[Role, ...]] = ("worker", "operator")
"""Who may call tools: a tool acts with the rights of its own process."""
_ASKS: Final[dict[Role, tuple[Subject[Any], ...]]] = {
    "edge": (),
    "monitor": (PROVIDER_STATUS, MEMORY_GET, MEMORY_STATS),
}
"""What roles that people reach over HTTP may ask services; all others may ask anything. Whoever
takes over such a process spends nothing on models, and searches nothing that is remembered."""
_HUSH: Final = ("silence", "unsilence", "alert-test", "snapshot")
"""Operations of the monitor that decide what people are told, or fill its store; the operator's
alone."""


def permissions(
    role: Role,
    *,
    prefix: str = "pp",
    principal: str | None = None,
    principals: Iterable[str] = (*ROLES, ANONYMOUS),
) -> Permissions:
    """Return what a principal of a role may do.

    Args:
        role: One of `ROLES`.
        prefix: The deployment's prefix; streams and buckets are named after it.
        principal: Its own name, the last token of its service requests; the role's by default.
        principals: Everybody whom the services of this deployment answer.
    """
    at = Grants(prefix, principal or role)
    granted = _GRANTS[role](at) + at.everybody() + at.asks(*_ASKS.get(role, (SERVICE,)))
    if role not in ASK_TOOLS:
        granted += at.withholds(TOOL_SERVICE)
    if role != "operator":
        granted += at.withholds("monitor", *_HUSH)
    if role in SERVES:
        # Workers answer calls of tools, and those who may call none get nothing from them.
        deaf = {ANONYMOUS, *ROLES}.difference(ASK_TOOLS) if role == "worker" else ()
        granted += at.serves(SERVES[role], [one for one in principals if one not in deaf])
    return granted


def anonymous_permissions(prefix: str = "pp") -> Permissions:
    """Return what a local client without credentials may do: a producer's, as `ANONYMOUS`.

    Foreign clients ask under the default inbox of their libraries, so it is the inbox of the
    anonymous ones; no other principal gets replies there.
    """
    own = Permissions(subscribe=(f"{DEFAULT_INBOX}.>",))
    return permissions("producer", prefix=prefix, principal=ANONYMOUS) + own


def _submitter(at: Grants) -> Permissions:
    return (
        at.publishes(TASK, TASK_BARE, KEYED_TASK, SCHEDULE)
        + at.publishes(ANSWER, CANCEL)
        + at.inspects(*WORK_QUEUES)
        + at.looks_up("RESULTS")
        # To see whether an id that is used again stands for the same task, what a task asks and
        # whether that was answered, which schedules there are, and where a task is.
        + at.peeks(*WORK_QUEUES, "STEPS", "SCHED", "ANSWERS")
        + at.follows("EVENTS", "TOKENS")
        + at.hears(RESULT, EVENT, EVENT_HIGH, TOKEN)
        + at.reads_buckets("registry", "schemas", "questions")
        + at.exchanges_blobs()
    )


def _producer(at: Grants) -> Permissions:
    submitted = {"entity": "task", "verb": "submitted"}
    return _submitter(at) + at.publishes(EVENT, EVENT_HIGH, **submitted)


def _worker(at: Grants) -> Permissions:
    return (
        _submitter(at)
        + at.publishes(RESULT, STEP, TOKEN, RESUME)
        + at.publishes(EVENT, EVENT_HIGH, DEAD_LETTER)
        + at.counts()
        + at.pulls(*WORK_QUEUES, "EVENTS", "ADV", "CANCELS")
        # The mover of the dead letters takes what was delivered too often out of the queue.
        # A canceled task leaves the queue and the schedules; an answer that is none its place.
        + at.removes(*WORK_QUEUES, "SCHED", "ANSWERS")
        # What lies in a result's place and is none is taken away for the true one.
        # A dead letter is taken back when the task ended well in the same moment.
        + at.removes("RESULTS", "DLQ")
        # A server that restarts has forgotten what it kept in memory.
        + at.creates_buckets("registry")
        + at.follows("STEPS", "RESULTS", "ANSWERS")
        + at.looks_up(*WORK_QUEUES, "SCHED")
        + at.inspects(*LOGS)
        + at.hears(CANCEL, AGENT_CONTROL, SPLIT_CONTROL)
        # A shadow hears what the live version pulls; a worker may pull it itself.
        + at.hears(TASK)
        # Which tools there are on the bus; calls of those it offers may be canceled.
        + at.finds(TOOL_SERVICE)
        + at.hears(STOP)
        # Keyed tasks are noticed when they are sent, set aside while their key is held, and pulled
        # by the owner of their shard alone.
        + at.hears(KEYED_TASK, SHARD_CONTROL)
        + at.publishes(SHARD_CONTROL)
        + at.publishes(SHARDED_TASK, shard=PARKED)
        + at.unpins("KEYED")
        + at.reads_buckets(*_WORKERS_BUCKETS)
        + at.writes_buckets(*_WORKERS_BUCKETS)
        # Which monitor leads, what it knows, and what people are told is no worker's business.
        + at.spares(ALERT, ALERT_TOLD, SILENCE, POSITIONS)
        + at.spares(LEASES, space="monitor")
        # What learners have learned, where it is large.
        + at.exchanges_blobs("learned")
    )


def _service(at: Grants) -> Permissions:
    return (
        at.publishes(EVENT, EVENT_HIGH)
        + at.hears(STOP)
        + at.reads_buckets("registry", "schemas")
        + at.writes_buckets("registry", "schemas")
        + at.exchanges_blobs()
    )


def _memory(at: Grants) -> Permissions:
    return _service(at) + at.counts()


def _provider(at: Grants) -> Permissions:
    return (
        _service(at)
        # Breakers, limits, what tenants spent, and stored answers.
        + at.reads_buckets("provider")
        + at.writes_buckets("provider")
        + at.publishes(COUNT)
        + at.looks_up("COUNT")
    )


def _edge(at: Grants) -> Permissions:
    """The HTTP edge submits for people without NATS: a producer that is seen in the registry."""
    return _producer(at) + at.writes_buckets("registry")


def _monitor(at: Grants) -> Permissions:
    return (
        _service(at)
        + at.counts()
        + at.follows(*LOGS, "HOPS")
        + at.publishes(CHAIN)
        + at.exchanges_blobs("snapshots")
        + at.looks_up(*WORK_QUEUES, *COMMANDS)
        + at.inspects(*WORK_QUEUES, *COMMANDS, *LOGS)
        + at.reads_buckets(*BUCKETS)
        # Of several replicas one leads: it holds a lease, and nobody else's.
        + at.publishes(LEASES, space="monitor")
        + at.publishes(POSITIONS)
        # What it knows of alerts, whom it has told, and what nobody shall be told.
        + at.publishes(ALERT, ALERT_TOLD, SILENCE)
        + at.hears(*(s for s in CATALOG if s.stream in {"RESULTS", "EVENTS", "TOKENS"}))
        + Permissions(
            publish=("$SRV.>",),
            subscribe=("$JS.EVENT.ADVISORY.>",),
        )
    )


_GRANTS: Final[dict[Role, Callable[[Grants], Permissions]]] = {
    "producer": _producer,
    "worker": _worker,
    "memory": _memory,
    "provider": _provider,
    "monitor": _monitor,
    "edge": _edge,
    "operator": Grants.rules,
}
