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
from typing import Any, Final, Literal, get_args

import msgspec

from pepperpy_schemas import catalog
from pepperpy_schemas.subjects import Subject, bucket_name, stream_name
from pepperpy_schemas.tokens import check_token

Role = Literal["producer", "worker", "memory", "provider", "monitor", "operator"]

ROLES: Final[tuple[Role, ...]] = get_args(Role)

ANONYMOUS: Final = "anon"
"""The principal of a client without credentials; in the local stack it has the role producer."""

SERVES: Final[dict[Role, tuple[str, ...]]] = {
    "memory": ("memory", "language"),
    "provider": ("provider",),
    "monitor": ("monitor",),
}
"""The services that only this role may offer."""

_API: Final = "$JS.API"
_DEFAULT_INBOX: Final = "_INBOX"
_WORK_QUEUES: Final = ("TASKS", "KEYED")
_LOGS: Final = ("RESULTS", "STEPS", "EVENTS", "TOKENS", "DLQ", "ANSWERS", "AUDIT", "COUNT")
_BUCKETS: Final = ("registry", "schemas", "state")


class Permissions(msgspec.Struct, frozen=True, kw_only=True):
    """What a connection may do, as the server's subject permissions; nothing by default."""

    publish: tuple[str, ...] = ()
    subscribe: tuple[str, ...] = ()

    def __add__(self, other: "Permissions") -> "Permissions":
        return Permissions(
            publish=tuple(dict.fromkeys(self.publish + other.publish)),
            subscribe=tuple(dict.fromkeys(self.subscribe + other.subscribe)),
        )


def inbox_prefix(principal: str) -> str:
    """Return the inbox prefix that a principal connects with, and alone may subscribe."""
    return f"{_DEFAULT_INBOX}_{check_token(principal, what='principal')}"


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
    at = _Place(prefix, principal or role)
    granted = _GRANTS[role](at) + at.everybody()
    if role in SERVES:
        granted += at.serves(SERVES[role], principals)
    return granted


def anonymous_permissions(prefix: str = "pp") -> Permissions:
    """Return what a local client without credentials may do: a producer's, as `ANONYMOUS`.

    Foreign clients ask under the default inbox of their libraries, so it is the inbox of the
    anonymous ones; no other principal gets replies there.
    """
    own = Permissions(subscribe=(f"{_DEFAULT_INBOX}.>",))
    return permissions("producer", prefix=prefix, principal=ANONYMOUS) + own


class _Place:
    """Grants by what they are for, in one deployment and for one principal."""

    def __init__(self, prefix: str, principal: str) -> None:
        self._prefix = check_token(prefix, what="prefix")
        self._principal = principal
        self._inbox = inbox_prefix(principal)

    def everybody(self) -> Permissions:
        """Own replies, requests and audit records under the own name, the account's figures.

        The names of streams are no secret, and clients ask which stream keeps a subject.
        """
        return Permissions(
            publish=(
                f"{_API}.INFO",
                f"{_API}.STREAM.NAMES",
                catalog.SERVICE.pattern(self._prefix, principal=self._principal),
                catalog.AUDIT.pattern(self._prefix, principal=self._principal),
            ),
            subscribe=(f"{self._inbox}.>",),
        )

    def publishes(self, *subjects: Subject[Any], **tokens: str) -> Permissions:
        """Publish these subjects, whatever their other tokens."""
        return Permissions(publish=tuple(s.pattern(self._prefix, **tokens) for s in subjects))

    def hears(self, *subjects: Subject[Any]) -> Permissions:
        """Subscribe these subjects as they are published."""
        return Permissions(subscribe=tuple(_tree(s, self._prefix) for s in subjects))

    def inspects(self, *streams: str) -> Permissions:
        """Read the settings and figures of streams and of their consumers."""
        return self._api("STREAM.INFO.{}", "CONSUMER.INFO.{}.*", names=self._streams(streams))

    def looks_up(self, *streams: str) -> Permissions:
        """Read single messages, by sequence or by subject."""
        return self._looks_up(self._streams(streams))

    def follows(self, *streams: str) -> Permissions:
        """Look up, and read in order by consumers of one's own, without acknowledging."""
        return self._follows(self._streams(streams))

    def pulls(self, *streams: str) -> Permissions:
        """Share the messages of streams by durable consumers, and acknowledge them."""
        names = self._streams(streams)
        acks = Permissions(publish=tuple(f"$JS.ACK.{name}.>" for name in names))
        durable = self._api("CONSUMER.DURABLE.CREATE.{}.*", names=names)
        return self._follows(names) + durable + acks

    def removes(self, *streams: str) -> Permissions:
        """Remove a single message, as acknowledging it does."""
        return self._api("STREAM.MSG.DELETE.{}", names=self._streams(streams))

    def reads_buckets(self, *buckets: str) -> Permissions:
        """Read and watch keys."""
        return self._follows(tuple(f"KV_{bucket_name(self._prefix, b)}" for b in buckets))

    def writes_buckets(self, *buckets: str) -> Permissions:
        """Put and delete keys."""
        return Permissions(publish=tuple(f"$KV.{bucket_name(self._prefix, b)}.>" for b in buckets))

    def exchanges_blobs(self) -> Permissions:
        """Put and get large bodies."""
        bucket = bucket_name(self._prefix, "blobs")
        return self._follows((f"OBJ_{bucket}",)) + Permissions(publish=(f"$O.{bucket}.>",))

    def serves(self, services: Iterable[str], principals: Iterable[str]) -> Permissions:
        """Answer requests to these services, to the inboxes of these principals only."""
        principals = tuple(principals)
        inboxes = [f"{inbox_prefix(each)}.>" for each in principals]
        if ANONYMOUS in principals:
            inboxes.append(f"{_DEFAULT_INBOX}.>")
        heard = [
            subject
            for service in services
            for subject in (
                _tree(catalog.SERVICE, self._prefix, service=service),
                f"$SRV.*.{service}",
                f"$SRV.*.{service}.*",
            )
        ]
        return Permissions(publish=tuple(inboxes), subscribe=(*heard, "$SRV.*"))

    def rules(self) -> Permissions:
        """Everything of this deployment, under the own name where a name is part of it."""
        named = (catalog.SERVICE, catalog.AUDIT, catalog.ADVISORY)
        own = [s for s in catalog.CATALOG if s not in named and s.template.startswith("{p}.")]
        return (
            self.publishes(*own)
            + self.writes_buckets(*_BUCKETS)
            + self.exchanges_blobs()
            + Permissions(
                publish=(f"{_API}.>", "$JS.ACK.>", "$JS.FC.>", "$SRV.>"),
                subscribe=(f"{self._prefix}.>", "$JS.EVENT.>"),
            )
        )

    def _streams(self, suffixes: Iterable[str]) -> tuple[str, ...]:
        return tuple(stream_name(self._prefix, suffix) for suffix in suffixes)

    def _looks_up(self, names: tuple[str, ...]) -> Permissions:
        forms = ("STREAM.INFO.{}", "STREAM.MSG.GET.{}", "DIRECT.GET.{}", "DIRECT.GET.{}.>")
        return self._api(*forms, names=names)

    def _follows(self, names: tuple[str, ...]) -> Permissions:
        # A consumer is created with or without its name and filter in the request's subject.
        forms = (
            "CONSUMER.CREATE.{}",
            "CONSUMER.CREATE.{}.>",
            "CONSUMER.INFO.{}.*",
            "CONSUMER.MSG.NEXT.{}.*",
        )
        flow = Permissions(publish=tuple(f"$JS.FC.{name}.>" for name in names))
        return self._looks_up(names) + self._api(*forms, names=names) + flow

    def _api(self, *forms: str, names: tuple[str, ...]) -> Permissions:
        return Permissions(publish=tuple(f"{_API}.{f.format(n)}" for n in names for f in forms))


def _tree(subject: Subject[Any], prefix: str, **tokens: str) -> str:
    """Return a subject with everything after its last known token open (`pp.event.>`)."""
    known = subject.pattern(prefix, **tokens).split(".*", 1)[0]
    return f"{known}.>"


def _submitter(at: _Place) -> Permissions:
    return (
        at.publishes(catalog.TASK, catalog.TASK_BARE, catalog.KEYED_TASK, catalog.SCHEDULE)
        + at.publishes(catalog.ANSWER, catalog.CANCEL)
        + at.inspects(*_WORK_QUEUES)
        + at.looks_up("RESULTS")
        + at.follows("EVENTS", "TOKENS")
        + at.hears(catalog.RESULT, catalog.EVENT, catalog.EVENT_HIGH, catalog.TOKEN)
        + at.reads_buckets("registry", "schemas")
        + at.exchanges_blobs()
    )


def _producer(at: _Place) -> Permissions:
    submitted = {"entity": "task", "verb": "submitted"}
    return _submitter(at) + at.publishes(catalog.EVENT, catalog.EVENT_HIGH, **submitted)


def _worker(at: _Place) -> Permissions:
    return (
        _submitter(at)
        + at.publishes(catalog.RESULT, catalog.STEP, catalog.TOKEN, catalog.RESUME)
        + at.publishes(catalog.EVENT, catalog.EVENT_HIGH, catalog.DEAD_LETTER, catalog.COUNT)
        + at.pulls(*_WORK_QUEUES, "EVENTS", "ADV")
        # The mover of the dead letters takes what was delivered too often out of the queue.
        + at.removes(*_WORK_QUEUES)
        + at.follows("STEPS", "RESULTS")
        + at.inspects(*_LOGS)
        + at.hears(catalog.CANCEL, catalog.AGENT_CONTROL)
        + at.reads_buckets(*_BUCKETS)
        + at.writes_buckets(*_BUCKETS)
    )


def _service(at: _Place) -> Permissions:
    return (
        at.publishes(catalog.EVENT, catalog.EVENT_HIGH, catalog.COUNT)
        + at.hears(catalog.CANCEL)
        + at.reads_buckets("registry", "schemas")
        + at.writes_buckets("registry", "schemas")
        + at.exchanges_blobs()
    )


def _monitor(at: _Place) -> Permissions:
    lists = ("STREAM.LIST", "CONSUMER.NAMES.*", "CONSUMER.LIST.*")
    return (
        _service(at)
        + at.follows(*_LOGS)
        + at.looks_up(*_WORK_QUEUES, "ADV", "SCHED")
        + at.inspects(*_WORK_QUEUES, "ADV", "SCHED", *_LOGS)
        + at.reads_buckets(*_BUCKETS)
        + at.hears(*(s for s in catalog.CATALOG if s.stream in {"RESULTS", "EVENTS", "TOKENS"}))
        + Permissions(
            publish=(*(f"{_API}.{each}" for each in lists), "$SRV.>"),
            subscribe=("$JS.EVENT.ADVISORY.>",),
        )
    )


_GRANTS: Final[dict[Role, Callable[[_Place], Permissions]]] = {
    "producer": _producer,
    "worker": _worker,
    "memory": _service,
    "provider": _service,
    "monitor": _monitor,
    "operator": _Place.rules,
}
