"""The audit log: acts in a chain of hashes, and what is asked of it.

A record's hash is the SHA-256 of its canonical bytes: the record without its hash, as JSON with
sorted keys, no white space and no escapes but those that JSON needs, in UTF-8. Values are texts,
whole numbers and booleans, so that every language writes the same bytes.
"""

from typing import Annotated, Literal, TypeAlias

import msgspec

from pepperpy_schemas.messages import Count, Instant
from pepperpy_schemas.monitor import AuditRow

Value: TypeAlias = str | int | bool
"""What stands in a record beside its target; never a body, only ids, sizes and hashes."""
FaultKind: TypeAlias = Literal[
    "changed", "removed", "inserted", "reordered", "truncated", "unreadable", "seal"
]
NO_HASH = "0" * 64
"""What the first record names as the hash of the one before."""


class ChainedRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Who did what, with its place in the chain.

    Attributes:
        seq: Its number, from 1 without a gap.
        at: When the server stored what tells of it, RFC 3339.
        by: Who did it; empty where nobody says.
        claimed: Whether ``by`` is only what the sender says; else the broker has made sure of it.
        action: What was done: ``submit``, ``cancel``, ``answer``.
        target: To what.
        data: More values.
        source: The message that tells of it: its stream and its number there, ``PP_AUDIT:12``.
        prev: The hash of the record before.
        hash: The hash of this one.
    """

    seq: int
    at: str
    by: str
    claimed: bool
    action: str
    target: str
    data: dict[str, Value]
    source: str
    prev: str
    hash: str = ""


class Place(msgspec.Struct, frozen=True):
    """How far a stream was read: a message's number, and when the server stored it (RFC 3339)."""

    seq: Count = 0
    time: str = ""


class ChainBlock(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Some records that were added together, and what was read to make them.

    Attributes:
        number: The block's number, from 1 without a gap.
        records: The records, at least one.
        read: How far each stream was read.
        head: The hash of the last record of the chain.
        seal: HMAC-SHA256 of the block with the operator's key, or empty.
    """

    number: int
    records: list[ChainedRecord]
    read: dict[str, Place]
    head: str
    seal: str = ""


class ChainHead(msgspec.Struct, frozen=True):
    """The end of the chain: to be kept elsewhere, as a proof of how far it went.

    Attributes:
        seq: The number of the last record; 0 before the first.
        hash: Its hash.
    """

    seq: int
    hash: str


class AuditQuery(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Which records are wanted; an empty field asks for nothing.

    Attributes:
        by: Who did it; ``cli/*`` all that begin so.
        action: What was done; ``agent-*`` all that begin so.
        target: To what; ``orders*`` all that begin so.
        text: In who, action, target or the values, in any case.
        since: At this time or later.
        until: Before this time.
        limit: Most records of a page.
        cursor: ``next`` of the page before.
    """

    by: str = ""
    action: str = ""
    target: str = ""
    text: str = ""
    since: Instant | None = None
    until: Instant | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 50
    cursor: str = ""

    @property
    def narrow(self) -> bool:
        """Whether it wants some records only."""
        filters = (self.by, self.action, self.target, self.text, self.since, self.until)
        return any(one not in ("", None) for one in filters)


class AuditPage(msgspec.Struct, frozen=True):
    """Some of the records that were asked for, the newest first.

    Attributes:
        items: The records; a page may have fewer than asked for, and yet a next one.
        next: Asks for the older ones; null after the last.
        total: How many there are; null where the log was not read to its begin to know it.
        records: Records in the whole log, whatever was asked for.
    """

    items: list[AuditRow]
    next: str | None
    total: Count | None
    records: Count


class AuditFault(msgspec.Struct, frozen=True):
    """What is wrong with the log, at the first place where it is.

    Attributes:
        seq: The number of the record.
        kind: What happened to it.
        message: The same for people.
    """

    seq: int
    kind: FaultKind
    message: str


class AuditVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the log is what was written.

    Attributes:
        ok: Whether nothing is wrong.
        records: Records that were looked at.
        head: The end of what is whole.
        sealed: Blocks whose seal was looked at.
        unsealed: Blocks without a seal.
        faults: What is wrong; the first comes first.
    """

    ok: bool
    records: Count
    head: ChainHead
    sealed: Count = 0
    unsealed: Count = 0
    faults: list[AuditFault] = []
