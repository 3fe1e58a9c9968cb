"""Permissions on subjects, and the grants that they are made of."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from pepperpy_bus.trust.principals import ANONYMOUS, DEFAULT_INBOX, inbox_prefix
from pepperpy_schemas.catalog.audit import CHAIN
from pepperpy_schemas.catalog.contents import CATALOG
from pepperpy_schemas.catalog.events import AUDIT, COUNT
from pepperpy_schemas.catalog.server import MICRO
from pepperpy_schemas.catalog.services import SERVICE, STOP
from pepperpy_schemas.provider import METRICS
from pepperpy_schemas.subjects import Subject, bucket_name, stream_name
from pepperpy_schemas.tokens import check_token

WORK_QUEUES: Final = ("TASKS", "RESUME", "KEYED")
LOGS: Final = (
    "RESULTS",
    "STEPS",
    "EVENTS",
    "TOKENS",
    "DLQ",
    "ANSWERS",
    "AUDIT",
    "NOTED",
    "CHAIN",
    "COUNT",
)
COMMANDS: Final = ("ADV", "CANCELS", "SCHED")
"""What workers, or the server, carry out in the deployment's name."""
OBJECTS: Final = ("blobs", "learned", "snapshots")
BUCKETS: Final = ("registry", "schemas", "state", "questions", "provider")

_API: Final = "$JS.API"


class Permissions(msgspec.Struct, frozen=True, kw_only=True):
    """What a connection may do, as the server's subject permissions; nothing by default.

    Attributes:
        publish: Subjects that it may publish.
        subscribe: Subjects that it may subscribe.
        withheld: Subjects among the first that it may not publish after all.
    """

    publish: tuple[str, ...] = ()
    subscribe: tuple[str, ...] = ()
    withheld: tuple[str, ...] = ()

    def __add__(self, other: "Permissions") -> "Permissions":
        return Permissions(
            publish=tuple(dict.fromkeys(self.publish + other.publish)),
            subscribe=tuple(dict.fromkeys(self.subscribe + other.subscribe)),
            withheld=tuple(dict.fromkeys(self.withheld + other.withheld)),
        )


class Grants:
    """Permissions by what they are for, in one deployment and for one principal."""

    def __init__(self, prefix: str, principal: str) -> None:
        self._prefix = check_token(prefix, what="prefix")
        self._principal = principal
        self._inbox = inbox_prefix(principal)

    def everybody(self) -> Permissions:
        """Own replies, audit records under the own name, and what there is.

        The settings of streams are no secret: every process compares them at its start.
        """
        named = (
            *self._streams((*WORK_QUEUES, *LOGS, *COMMANDS)),
            *(f"KV_{bucket_name(self._prefix, bucket)}" for bucket in BUCKETS),
            *(f"OBJ_{bucket_name(self._prefix, bucket)}" for bucket in OBJECTS),
        )
        return self._api("STREAM.INFO.{}", names=named) + Permissions(
            publish=(
                f"{_API}.INFO",
                f"{_API}.STREAM.NAMES",
                AUDIT.pattern(self._prefix, principal=self._principal),
                STOP.pattern(self._prefix),
            ),
            subscribe=(f"{self._inbox}.>",),
        )

    def asks(self, *requests: Subject[Any]) -> Permissions:
        """Ask services, under the own name."""
        return self.publishes(*requests, principal=self._principal)

    def publishes(self, *subjects: Subject[Any], **tokens: str) -> Permissions:
        """Publish these subjects, whatever their other tokens."""
        return Permissions(publish=tuple(s.pattern(self._prefix, **tokens) for s in subjects))

    def counts(self) -> Permissions:
        """Add to counters, but to none of those that say what was spent on models."""
        spent = (COUNT.pattern(self._prefix, metric=metric) for metric in METRICS)
        return self.publishes(COUNT) + Permissions(withheld=tuple(spent))

    def withholds(self, service: str, *ops: str) -> Permissions:
        """Ask a service nothing, or not for these operations."""
        own = {"service": service, "principal": self._principal}
        asked = ({"op": op} for op in ops) if ops else ({},)
        return Permissions(
            withheld=tuple(SERVICE.pattern(self._prefix, **own, **one) for one in asked)
        )

    def spares(self, *subjects: Subject[Any], **tokens: str) -> Permissions:
        """Publish none of these subjects, whatever else would allow it."""
        return Permissions(withheld=self.publishes(*subjects, **tokens).publish)

    def finds(self, service: str) -> Permissions:
        """Ask which replicas of a service there are, and what they can do."""
        return Permissions(publish=(f"{MICRO}.INFO.{service}",))

    def hears(self, *subjects: Subject[Any]) -> Permissions:
        """Subscribe these subjects as they are published."""
        return Permissions(subscribe=tuple(_tree(s, self._prefix) for s in subjects))

    def inspects(self, *streams: str) -> Permissions:
        """Read the settings and figures of the consumers of streams."""
        forms = ("CONSUMER.NAMES.{}", "CONSUMER.LIST.{}", "CONSUMER.INFO.{}.*")
        return self._api(*forms, names=self._streams(streams))

    def looks_up(self, *streams: str) -> Permissions:
        """Read single messages, by sequence or by subject."""
        return self._looks_up(self._streams(streams))

    def peeks(self, *streams: str) -> Permissions:
        """Read single messages by direct get alone."""
        return self._api("DIRECT.GET.{}", names=self._streams(streams))

    def creates(self, *streams: str) -> Permissions:
        """Create streams that are not there."""
        return self._api("STREAM.CREATE.{}", names=self._streams(streams))

    def creates_buckets(self, *buckets: str) -> Permissions:
        """Create buckets that are not there."""
        names = tuple(f"KV_{bucket_name(self._prefix, each)}" for each in buckets)
        return self._api("STREAM.CREATE.{}", names=names)

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

    def unpins(self, *streams: str) -> Permissions:
        """Let a consumer that hands out to one puller alone hand out to another."""
        return self._api("CONSUMER.UNPIN.{}.*", names=self._streams(streams))

    def reads_buckets(self, *buckets: str) -> Permissions:
        """Read and watch keys."""
        return self._follows(tuple(f"KV_{bucket_name(self._prefix, b)}" for b in buckets))

    def writes_buckets(self, *buckets: str) -> Permissions:
        """Put and delete keys."""
        return Permissions(publish=tuple(f"$KV.{bucket_name(self._prefix, b)}.>" for b in buckets))

    def exchanges_blobs(self, name: str = "blobs") -> Permissions:
        """Put and get large bodies, or what else is kept in an object store."""
        bucket = bucket_name(self._prefix, name)
        return self._follows((f"OBJ_{bucket}",)) + Permissions(publish=(f"$O.{bucket}.>",))

    def serves(self, services: Iterable[str], principals: Iterable[str]) -> Permissions:
        """Answer requests to these services, to the inboxes of these principals only."""
        principals = tuple(principals)
        inboxes = [f"{inbox_prefix(each)}.>" for each in principals]
        if ANONYMOUS in principals:
            inboxes.append(f"{DEFAULT_INBOX}.>")
        heard = [
            subject
            for service in services
            for subject in (
                _tree(SERVICE, self._prefix, service=service),
                f"$SRV.*.{service}",
                f"$SRV.*.{service}.*",
            )
        ]
        return Permissions(publish=tuple(inboxes), subscribe=(*heard, "$SRV.*"))

    def rules(self) -> Permissions:
        """Everything of this deployment, under the own name where a name is part of it."""
        own = [
            subject
            for subject in CATALOG
            if subject.template.startswith("{p}.")
            and "principal" not in subject.tokens
            # Who rules is in the audit log, and does not write it.
            and subject is not CHAIN
        ]
        return (
            self.publishes(*own)
            + self.writes_buckets(*BUCKETS)
            + self.exchanges_blobs()
            + self.exchanges_blobs("snapshots")
            + self.exchanges_blobs("learned")
            + Permissions(
                publish=(f"{_API}.>", "$JS.ACK.>", "$JS.FC.>", "$SRV.>"),
                subscribe=(f"{self._prefix}.>", "$JS.EVENT.>"),
            )
        )

    def _streams(self, suffixes: Iterable[str]) -> tuple[str, ...]:
        return tuple(stream_name(self._prefix, suffix) for suffix in suffixes)

    def _looks_up(self, names: tuple[str, ...]) -> Permissions:
        forms = ("STREAM.MSG.GET.{}", "DIRECT.GET.{}", "DIRECT.GET.{}.>")
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
