"""Adding acts to the chain: what the leading monitor does.

A block is one message: the records, and how far each stream was read for them. Either all of it is
stored or nothing, so whoever takes over after a crash finds both, and goes on behind what was read.
It is stored only as the one after the block that its writer knows: of two that write, one is
refused, and begins anew behind the other's.
"""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, TypeAlias

from pepperpy_bus.client import Client
from pepperpy_bus.link.connection import Connection
from pepperpy_bus.logs import get_log
from pepperpy_bus.streams.compare_and_set import compare_and_set
from pepperpy_bus.streams.reading import last_as_stored
from pepperpy_bus.streams.topology import AUDIT_LOG
from pepperpy_bus.units import format_time, now
from pepperpy_monitor_svc.audit.acts import Act
from pepperpy_monitor_svc.audit.chain import START, chained, head_of, sealed
from pepperpy_monitor_svc.audit.heads import EVERY, add_head
from pepperpy_monitor_svc.audit.sources import Reader, Source, opened, sources
from pepperpy_schemas.audit import ChainBlock, ChainedRecord, ChainHead, Place, Value
from pepperpy_schemas.catalog.audit import CHAIN
from pepperpy_schemas.codec import encode
from pepperpy_schemas.errors import WrongSequence
from pepperpy_schemas.subjects import stream_name
from pepperpy_schemas.tokens import new_id

log = get_log("pepperpy.audit")

LINGER: Final = 0.1
"""Seconds that a block waits for more acts."""
LARGEST: Final = 128 * 1024
"""Bytes of records above which a block is stored at once; a message may have a megabyte."""
MOST: Final = 500
"""Records above which it is."""

_Told: TypeAlias = tuple[list[Act], dict[str, Place]]


class Chaining:
    """Adds acts to the chain for as long as `run` runs; only one should, two do no harm.

    Attributes:
        head: The end of the chain as it is known here.

    Args:
        client: The connection.
        key: Seals the blocks; empty for none.
        heads: File to which the end of the chain is added once a minute.
    """

    def __init__(self, client: Client, *, key: bytes = b"", heads: Path | None = None) -> None:
        self.head = START
        self._connection: Connection = client.connection
        self._prefix = client.prefix
        self._key = key
        self._heads = heads
        self._written = START
        self._stream = stream_name(client.prefix, CHAIN.stream)
        self._subject = CHAIN.of(client.prefix, log=AUDIT_LOG)
        self._place = 0
        self._number = 0
        self._is_sealed = False
        self._read: dict[str, Place] = {}

    async def run(self) -> None:
        """Adds what there is and what comes; returns when another has added something.

        Raises:
            PepperError: The broker refuses it, or is gone for good.
        """
        await self._find_end()
        if not self._number:
            await self._mark("begin", id=new_id())
        elif self._key and not self._is_sealed:
            # So that a log in which nothing is sealed is known to be another's.
            await self._mark("seal")
        told: asyncio.Queue[_Told] = asyncio.Queue(MOST)
        async with asyncio.TaskGroup() as group:
            readers = [
                group.create_task(self._follow(one, told), name=f"audit-{one.stream}")
                for one in sources(self._prefix)
            ]
            if self._heads is not None:
                readers.append(
                    group.create_task(self._write_heads(self._heads), name="audit-heads")
                )
            try:
                await self._add_what_comes(told)
            except WrongSequence:
                log.info("audit.another_adds", seq=self.head.seq)
            finally:
                for one in readers:
                    one.cancel()

    async def _find_end(self) -> None:
        last = await last_as_stored(self._connection, self._stream, self._subject)
        if last is None:
            self.head, self._place, self._number, self._read = START, 0, 0, {}
            return
        block = CHAIN.decode(last.body)
        self.head = ChainHead(block.records[-1].seq, block.head)
        self._place, self._number, self._read = last.seq, block.number, dict(block.read)
        self._is_sealed = bool(block.seal)

    async def _mark(self, action: str, **data: Value) -> None:
        """Adds an act of the log's own, unless another has added something."""
        mark = Act(
            at=format_time(now()),
            claimed=False,
            action=action,
            target=self._prefix,
            data=data,
            source=f"{self._stream}:{self._place}",
        )
        with contextlib.suppress(WrongSequence):
            await self._store(chained([mark], self.head), {})
            return
        await self._find_end()

    async def _follow(self, source: Source, told: "asyncio.Queue[_Told]") -> None:
        follower, missed = await opened(self._connection, source, self._read.get(source.stream))
        reader = Reader(self._connection, self._prefix, source, self._read)
        if missed:
            await told.put((missed, {}))
        async with follower:
            while True:
                for one in _together(await reader.acts(await follower.batch())):
                    await told.put(one)

    async def _write_heads(self, path: Path) -> None:
        """Writes the end down where nobody at the broker can change it, also the last one."""
        try:
            while True:
                await self._write_head(path)
                await asyncio.sleep(EVERY)
        finally:
            await self._write_head(path)

    async def _write_head(self, path: Path) -> None:
        head = self.head
        if head == self._written:
            return
        try:
            await asyncio.to_thread(add_head, path, head)
        except OSError as error:
            log.error("audit.head_not_written", file=str(path), error=str(error))
        else:
            self._written = head

    async def _add_what_comes(self, told: "asyncio.Queue[_Told]") -> None:
        while True:
            acts, read = await self._gathered(told)
            if acts:
                await self._store(chained(acts, self.head), read)
            else:
                self._read |= read

    async def _gathered(self, told: "asyncio.Queue[_Told]") -> tuple[list[Act], dict[str, Place]]:
        """The acts of the next messages, and how far was read with them."""
        acts: list[Act] = []
        read: dict[str, Place] = {}
        size = 0
        with contextlib.suppress(TimeoutError):
            more, further = await told.get()
            async with asyncio.timeout(LINGER):
                while True:
                    acts += more
                    read |= further
                    size += sum(len(encode(one)) for one in more)
                    if size > LARGEST or len(acts) >= MOST:
                        break
                    more, further = await told.get()
        return acts, read

    async def _store(self, records: list[ChainedRecord], read: dict[str, Place]) -> None:
        head = head_of(records, self.head)
        block = ChainBlock(
            number=self._number + 1,
            records=records,
            read=self._read | read,
            head=head.hash,
        )
        self._place = await compare_and_set(
            self._connection,
            self._stream,
            self._subject,
            CHAIN.encode(sealed(block, self._key)),
            last=self._place,
            msg_id=new_id(),
        )
        self.head, self._number, self._read = head, block.number, block.read


def _together(found: Sequence[_Told]) -> Iterator[_Told]:
    """What several messages tell, in one as long as a block takes it: handing on costs time."""
    acts: list[Act] = []
    read: dict[str, Place] = {}
    size = 0
    for more, further in found:
        acts += more
        read |= further
        size += sum(len(encode(one)) for one in more)
        if size > LARGEST // 2 or len(acts) >= MOST:
            yield acts, read
            acts, read, size = [], {}, 0
    if read:
        yield acts, read
