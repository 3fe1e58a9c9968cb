"""The audit log as those see it who read it: searched, checked, written into a file."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

from pepperpy_bus.client import Client
from pepperpy_bus.streams.follow import follow
from pepperpy_bus.streams.jetstream import api
from pepperpy_bus.streams.reading import Stored, all_on, last_as_stored
from pepperpy_bus.streams.topology import AUDIT_LOG
from pepperpy_monitor_svc.audit.acts import text_of
from pepperpy_monitor_svc.audit.chain import START
from pepperpy_monitor_svc.audit.checking import Checker
from pepperpy_monitor_svc.audit.exporting import first_line, last_line
from pepperpy_monitor_svc.audit.searching import Search, read_query
from pepperpy_schemas.audit import (
    AuditPage,
    AuditQuery,
    AuditVerdict,
    ChainBlock,
    ChainedRecord,
    ChainHead,
    Value,
)
from pepperpy_schemas.catalog.audit import CHAIN
from pepperpy_schemas.codec import encode
from pepperpy_schemas.errors import PepperError
from pepperpy_schemas.subjects import stream_name

_AT_ONCE: Final = 64
"""Blocks that are read with one request, back from the newest."""
_LOOKED_AT: Final = 200_000
"""Records that one page looks at; what is older is on the next one."""


class AuditLog:
    """Who did what in a deployment.

    Args:
        client: The connection.
        key: The operator's key, with which blocks are sealed; empty for none.
    """

    def __init__(self, client: Client, *, key: bytes = b"") -> None:
        self._client = client
        self._connection = client.connection
        self._prefix = client.prefix
        self._key = key
        self._stream = stream_name(client.prefix, CHAIN.stream)
        self._subject = CHAIN.of(client.prefix, log=AUDIT_LOG)

    async def record(self, action: str, *, target: str = "", data: Mapping[str, Any] = {}) -> None:
        """Says an act of this process, or of somebody on whose behalf it acts; see `Audit.say`.

        Values that are none of the log's are written as short texts.
        """
        await self._client.audit.say(action, text_of(target), **_plain(data))

    def act(
        self, action: str, *, target: str = "", data: Mapping[str, Any] = {}
    ) -> AbstractAsyncContextManager[None]:
        """Says what its context is about to do, and when that fails, that it did; see `record`."""
        return self._client.audit.act(action, text_of(target), **_plain(data))

    async def head(self) -> ChainHead:
        """Returns the end of the chain, to be kept elsewhere."""
        last = await last_as_stored(self._connection, self._stream, self._subject)
        if last is None:
            return START
        block = CHAIN.decode(last.body)
        return ChainHead(block.records[-1].seq, block.head)

    async def search(self, query: AuditQuery | Mapping[str, str]) -> AuditPage:
        """Returns the records that a query asks for, the newest first.

        Args:
            query: The query, or the same as texts by name, as an address has them.

        Raises:
            PepperError: A field of the query cannot be read.
        """
        wanted = query if isinstance(query, AuditQuery) else read_query(query)
        search = Search(wanted, most=_LOOKED_AT)
        last = await last_as_stored(self._connection, self._stream, self._subject)
        place = 0 if last is None else last.seq
        place = min(place, search.place or place)
        while place > 0 and not search.done:
            first = max(1, place - _AT_ONCE + 1)
            for stored in reversed(await self._read(first, place)):
                search.place = stored.seq
                for record in reversed(_records(stored)):
                    if not search.take(record):
                        break
            place = first - 1
        return search.page(0 if last is None else CHAIN.decode(last.body).records[-1].seq)

    async def records(self) -> AsyncIterator[ChainedRecord]:
        """Yields every record, the oldest first.

        Raises:
            BadPayload: What stands there is no block.
        """
        async for block in self._blocks():
            if isinstance(block, PepperError):
                raise block
            for record in block.records:
                yield record

    async def exported(self) -> AsyncIterator[bytes]:
        """Yields the log as the lines of a file, without their ends; see `exporting`."""
        head = START
        yield first_line(self._prefix)
        async for record in self.records():
            yield encode(record)
            head = ChainHead(record.seq, record.hash)
        yield last_line(head, key=self._key)

    async def verify(self, known: Sequence[ChainHead] = ()) -> AuditVerdict:
        """Looks whether the log is what was written, from its first record to its last.

        Args:
            known: Ends of the chain that were kept elsewhere: they must still be there.
        """
        checker = Checker(key=self._key, known=known)
        async for block in self._blocks():
            if isinstance(block, PepperError):
                checker.unreadable(f"its block cannot be read: {block.message}")
            else:
                checker.block(block)
        state = (await api(self._connection, f"STREAM.INFO.{self._stream}"))["state"]
        if state.get("num_deleted"):
            checker.unreadable(f"the broker has lost {state['num_deleted']} blocks")
        return checker.verdict()

    async def _blocks(self) -> AsyncIterator[ChainBlock | PepperError]:
        async with follow(self._connection, self._stream, [self._subject]) as follower:
            async for delivery in follower.until_end():
                try:
                    yield CHAIN.decode(delivery.body)
                except PepperError as error:
                    yield error

    async def _read(self, first: int, last: int) -> list[Stored]:
        found = await all_on(
            self._connection, self._stream, self._subject, limit=last - first + 1, first=first
        )
        return [one for one in found if one.seq <= last]


def _records(stored: Stored) -> list[ChainedRecord]:
    try:
        return CHAIN.decode(stored.body).records
    except PepperError:
        return []  # `verify` names it; what is whole can be searched all the same


def _plain(data: Mapping[str, Any]) -> dict[str, Value]:
    return {
        name: value if isinstance(value, bool | int) else text_of(value)
        for name, value in data.items()
        if value is not None
    }
