"""Whether records are what was written: the first that is not is named, and what was done. Pure.

A checker is handed the records in the order in which they are kept. After the first fault it only
looks what becomes of the missing number: whether it comes later says whether a record was removed,
or put elsewhere.
"""

import hmac
from collections.abc import Sequence
from typing import Final

from pepperpy_monitor_svc.audit.chain import START, hash_of, seal_of
from pepperpy_schemas.audit import (
    AuditFault,
    AuditVerdict,
    ChainBlock,
    ChainedRecord,
    ChainHead,
    FaultKind,
)


class Checker:
    """Checks a chain from its first record on, or from a known place.

    Args:
        key: The operator's key, with which blocks are sealed; empty looks at no seal.
        known: Ends of the chain that were kept elsewhere.
        start: The record before the first one that is handed in.
    """

    def __init__(
        self, *, key: bytes = b"", known: Sequence[ChainHead] = (), start: ChainHead = START
    ) -> None:
        self._key = key
        self._known = {one.seq: one.hash for one in known if one.seq > start.seq}
        self._head = start
        self._fault: AuditFault | None = None
        self._odd: ChainedRecord | None = None
        self._later: set[int] = set()
        self._records = 0
        self._number = 0
        self._sealed = 0
        self._unsealed = 0

    def block(self, block: ChainBlock) -> None:
        """Takes the next block."""
        if self._number and block.number != self._number + 1 and not block.records:
            self._refuse("removed", self._head.seq + 1, f"block {self._number + 1} is missing")
        self._number = block.number
        for record in block.records:
            self.record(record)
        if self._fault is None and block.head != self._head.hash:
            self._refuse("changed", self._head.seq, "its block names another end of the chain")
        self._look_at_seal(block)

    def record(self, record: ChainedRecord) -> None:
        """Takes the next record."""
        self._records += 1
        if self._fault is not None:
            return
        if self._odd is not None:
            self._later.add(record.seq)
            return
        expected = self._head.seq + 1
        if record.seq == expected and record.hash != hash_of(record):
            self._refuse("changed", expected, "its hash is not that of what it says")
        elif record.seq != expected or record.prev != self._head.hash:
            self._odd = record
        else:
            self._head = ChainHead(record.seq, record.hash)
            if self._known.get(record.seq, record.hash) != record.hash:
                self._refuse("changed", record.seq, "it is another one than was known elsewhere")

    def unreadable(self, what: str) -> None:
        """Takes what stands in the place of a block or record, and is none."""
        if self._odd is None:
            self._refuse("unreadable", self._head.seq + 1, what)

    def cut_off(self, why: str) -> None:
        """Takes that it ends before it should."""
        if self._odd is None:
            self._refuse("truncated", self._head.seq + 1, why)

    def ends_with(self, end: ChainHead) -> None:
        """Takes what it should end with."""
        if self._odd is not None or end == self._head:
            return
        if end.seq > self._head.seq:
            self._refuse("truncated", self._head.seq + 1, f"record {end.seq} was the last one")
        elif end.seq < self._head.seq:
            self._refuse("inserted", end.seq + 1, f"record {end.seq} was the last one")
        else:
            self._refuse("changed", end.seq, "the last line names another hash")

    def badly_sealed(self, why: str) -> None:
        """Takes that its end is not sealed as it should be."""
        if self._odd is None:
            self._refuse("seal", self._head.seq, why)

    def verdict(self) -> AuditVerdict:
        """Returns what was found when all was handed in."""
        if self._fault is None and self._odd is not None:
            self._explain(self._odd)
        last = max(self._known, default=0)
        if self._fault is None and last > self._head.seq:
            text = f"the log was known to go on to record {last}"
            self._refuse("truncated", self._head.seq + 1, text)
        if self._unsealed and not self._sealed:
            # Whoever writes it anew without the key would leave out all seals.
            self._refuse("seal", self._head.seq, "no block has a seal of this key")
        return AuditVerdict(
            ok=self._fault is None,
            records=self._records,
            head=self._head,
            sealed=self._sealed,
            unsealed=self._unsealed,
            faults=[] if self._fault is None else [self._fault],
        )

    def _explain(self, odd: ChainedRecord) -> None:
        expected = self._head.seq + 1
        if odd.seq < expected:
            self._refuse("inserted", odd.seq, f"a record {odd.seq} stands behind {expected - 1}")
        elif odd.seq > expected and expected in self._later:
            self._refuse("reordered", expected, f"record {odd.seq} stands before it")
        elif odd.seq > expected:
            last = odd.seq - 1
            which = f"record {expected} is" if last == expected else f"{expected} to {last} are"
            self._refuse("removed", expected, f"{which} missing")
        elif odd.seq in self._later:
            self._refuse("inserted", odd.seq, f"there are two records {odd.seq}")
        else:
            text = f"record {odd.seq} follows another one than this"
            self._refuse("changed", max(1, odd.seq - 1), text)

    def _look_at_seal(self, block: ChainBlock) -> None:
        if not self._key or self._odd is not None:
            return
        if not block.seal:
            self._unsealed += 1
            if self._sealed:
                self._refuse("seal", _first(block, self._head), f"block {block.number} has no seal")
        elif hmac.compare_digest(block.seal.encode(), seal_of(block, self._key).encode()):
            self._sealed += 1
        else:
            text = f"block {block.number} was sealed with another key, or changed since"
            self._refuse("seal", _first(block, self._head), text)

    def _refuse(self, kind: FaultKind, seq: int, message: str) -> None:
        if self._fault is None:
            text = f"record {seq} was {_WORDS.get(kind, kind)}: {message}"
            self._fault = AuditFault(seq, kind, text)


_WORDS: Final[dict[FaultKind, str]] = {"truncated": "cut off", "seal": "not sealed as it should be"}


def _first(block: ChainBlock, head: ChainHead) -> int:
    return block.records[0].seq if block.records else head.seq
