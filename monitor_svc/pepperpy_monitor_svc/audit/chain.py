"""Records in a chain: each has the hash of the one before, and blocks may be sealed. Pure."""

import hashlib
import hmac
from collections.abc import Iterable
from typing import Final

import msgspec

from pepperpy_monitor_svc.audit.acts import Act
from pepperpy_schemas.audit import NO_HASH, ChainBlock, ChainedRecord, ChainHead

START: Final = ChainHead(0, NO_HASH)
"""The end of a chain that has nothing yet."""

_sorted = msgspec.json.Encoder(order="sorted")


def canonical(record: ChainedRecord) -> bytes:
    """Returns the bytes that a record's hash is made of.

    They are what ``json.dumps(…, sort_keys=True, separators=(",", ":"), ensure_ascii=False)`` of
    Python's library writes of the record without its hash.
    """
    plain = msgspec.to_builtins(record)
    del plain["hash"]
    return _sorted.encode(plain)


def hash_of(record: ChainedRecord) -> str:
    """Returns the hash that a record should have."""
    return hashlib.sha256(canonical(record)).hexdigest()


def chained(acts: Iterable[Act], head: ChainHead) -> list[ChainedRecord]:
    """Returns acts as the records that follow the end of a chain."""
    records: list[ChainedRecord] = []
    seq, prev = head.seq, head.hash
    for act in acts:
        seq += 1
        record = ChainedRecord(
            seq=seq,
            at=act.at,
            by=act.by,
            claimed=act.claimed,
            action=act.action,
            target=act.target,
            data=act.data,
            source=act.source,
            prev=prev,
        )
        prev = hash_of(record)
        records.append(msgspec.structs.replace(record, hash=prev))
    return records


def head_of(records: list[ChainedRecord], before: ChainHead) -> ChainHead:
    """Returns the end of a chain to which records were added."""
    return ChainHead(records[-1].seq, records[-1].hash) if records else before


def sealed(block: ChainBlock, key: bytes) -> ChainBlock:
    """Returns a block with its seal; as it is without a key."""
    return msgspec.structs.replace(block, seal=seal_of(block, key)) if key else block


def seal_of(block: ChainBlock, key: bytes) -> str:
    """Returns the seal of a block: HMAC-SHA256 of its number, its end and what was read for it."""
    plain = {"number": block.number, "head": block.head, "read": msgspec.to_builtins(block.read)}
    return hmac.new(key, _sorted.encode(plain), hashlib.sha256).hexdigest()
