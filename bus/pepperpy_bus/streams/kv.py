"""A key-value bucket: small shared state with compare-and-set, expiry and watching.

The format on the wire is the standard one (NATS ADR-8), so every client library can read it. The
library's own bucket is not used: it returns a marker's empty value for an expired key, then refuses
to create it; it raises when a bucket is empty; and its watchers stall after a server restart.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping

import msgspec

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.streams.compare_and_set import compare_and_set
from pepperpy_bus.streams.follow import follow
from pepperpy_bus.streams.jetstream import api, store
from pepperpy_bus.streams.reading import Stored, all_on, last_as_stored, last_on
from pepperpy_schemas import headers as h
from pepperpy_schemas.errors import BadName, NotFound, Unavailable, WrongSequence
from pepperpy_schemas.tokens import new_id

_KEY = re.compile(r"[A-Za-z0-9_=-]+(\.[A-Za-z0-9_=-]+)*")
_MAX_KEY = 256
_MAX_ENTRIES = 1_000_000
_GONE_OPERATIONS = frozenset({"DEL", "PURGE"})


class Entry(msgspec.Struct, frozen=True):
    """One key's current value.

    Attributes:
        key: The key, without the bucket.
        value: The bytes.
        revision: The sequence number to compare with in `Bucket.update`.
    """

    key: str
    value: bytes
    revision: int


class Change(msgspec.Struct, frozen=True):
    """What a watcher sees: a key with its new value, or None when it is gone."""

    key: str
    value: bytes | None
    revision: int


class Bucket:
    """A key-value bucket of the deployment.

    Args:
        connection: The connection.
        name: The bucket's full name, for example ``pp_registry``.
    """

    def __init__(self, connection: Connection, name: str) -> None:
        self._connection = connection
        self._stream = f"KV_{name}"
        self._root = f"$KV.{name}."

    async def get(self, key: str, *, newest: bool = False) -> Entry | None:
        """Returns the entry, or None when there is none, or it was deleted or has expired.

        Args:
            key: The key.
            newest: Ask the stream's leader. On a cluster any server answers otherwise, perhaps
                one that has not seen the caller's own last write yet.
        """
        read = last_as_stored if newest else last_on
        stored = await read(self._connection, self._stream, self._subject(key))
        if stored is None or _is_marker(stored.headers):
            return None
        return Entry(key, stored.body, stored.seq)

    async def put(self, key: str, value: bytes, *, ttl: str = "") -> int:
        """Sets the value whatever it was; returns the new revision.

        Args:
            key: The key.
            value: The bytes.
            ttl: The server forgets the key after this long (``15s``).
        """
        subject = self._subject(key)
        return (await store(self._connection, subject, value, msg_id=new_id(), ttl=ttl)).seq

    async def create(self, key: str, value: bytes, *, ttl: str = "") -> int:
        """Sets the value if the key has none; returns its revision.

        Raises:
            WrongSequence: The key has a value.
        """
        try:
            return await self._compare_and_set(key, value, 0, ttl)
        except WrongSequence:
            stored = await last_as_stored(self._connection, self._stream, self._subject(key))
            if stored is not None and not _is_marker(stored.headers):
                raise
            return await self._compare_and_set(key, value, stored.seq if stored else 0, ttl)

    async def update(self, key: str, value: bytes, *, revision: int, ttl: str = "") -> int:
        """Sets the value if it is still at this revision; returns the new one.

        Raises:
            WrongSequence: Somebody else has changed it since.
        """
        return await self._compare_and_set(key, value, revision, ttl)

    async def delete(self, key: str, *, ttl: str = "", revision: int | None = None) -> None:
        """Removes the key; harmless when there is none.

        Args:
            key: The key.
            ttl: The server forgets after this long that there was such a key (``1m``).
            revision: Remove it only while it is at this one.

        Raises:
            WrongSequence: Somebody else has changed it since.
        """
        await store(
            self._connection,
            self._subject(key),
            b"",
            msg_id=new_id(),
            headers={h.KV_OPERATION: "DEL"},
            expect_last=revision,
            ttl=ttl,
        )

    async def entries(self, pattern: str = ">") -> list[Entry]:
        """Returns every entry whose key matches; none when there is no bucket yet.

        Each key has one message in the stream, so they are read in batches of the stream's order.
        The server's direct get of the last message of many subjects refuses more than 1024.
        """
        found: dict[str, Entry] = {}
        for one in await self._all(pattern):
            key = one.subject[len(self._root) :]
            found.pop(key, None)  # it was changed between two batches
            if not _is_marker(one.headers):
                found[key] = Entry(key, one.body, one.seq)
        return list(found.values())

    async def _all(self, pattern: str) -> list[Stored]:
        loop = asyncio.get_running_loop()
        end = loop.time() + self._connection.options.request_timeout
        while True:
            try:
                return await all_on(
                    self._connection, self._stream, f"{self._root}{pattern}", limit=_MAX_ENTRIES
                )
            except Unavailable:
                if not await self._exists():
                    return []
                if loop.time() > end:
                    raise
            # A stream that has just been made, or elects its leader, is soon ready to be read.
            await asyncio.sleep(0.1)

    async def _exists(self) -> bool:
        try:
            await api(self._connection, f"STREAM.INFO.{self._stream}")
        except NotFound:
            return False
        return True

    async def watch(self, pattern: str = ">") -> AsyncIterator[Change]:
        """Yields every present entry that matches, then every change, over reconnects."""
        subject = f"{self._root}{pattern}"
        following = follow(self._connection, self._stream, [subject], last_per_subject=True)
        async with following as follower:
            async for delivery in follower:
                gone = _is_marker(delivery.headers)
                key = delivery.subject[len(self._root) :]
                yield Change(key, None if gone else delivery.body, delivery.seq)

    async def _compare_and_set(self, key: str, value: bytes, revision: int, ttl: str) -> int:
        return await compare_and_set(
            self._connection,
            self._stream,
            self._subject(key),
            value,
            last=revision,
            msg_id=new_id(),
            ttl=ttl,
        )

    def _subject(self, key: str) -> str:
        if len(key) > _MAX_KEY or _KEY.fullmatch(key) is None:
            raise BadName(f"key {key!r:.80} is not valid", context={"what": "key"})
        return self._root + key


def _is_marker(headers: Mapping[str, str]) -> bool:
    return (
        headers.get(h.KV_OPERATION.lower()) in _GONE_OPERATIONS
        or h.MARKER_REASON.lower() in headers
    )
