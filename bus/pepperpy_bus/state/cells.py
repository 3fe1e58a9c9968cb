"""The keys of a bucket of shared state, changed by compare-and-set until nobody was in between."""

import asyncio
import math
import random
from collections.abc import Callable
from typing import Any, Final, TypeAlias
from weakref import WeakValueDictionary

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.streams.kv import Bucket, Entry
from pepperpy_schemas.errors import Overloaded, Unavailable, Unreachable, WrongSequence
from pepperpy_schemas.subjects import Subject, bucket_name

WITHIN: Final = 30.0
"""Seconds that a change is tried: as long as any other write."""
FORGET: Final = "1m"
"""How long the server remembers that a key was deleted."""

Edit: TypeAlias = Callable[[bytes | None], bytes | None]
"""Gets the present value and returns the next one, or None to leave it as it is.

It may be called again and again, so it has no effects of its own.
"""

_FIRST_PAUSE = 0.002
_LONGEST_PAUSE = 0.25


class Cells:
    """The shared state of a deployment, key by key.

    One process makes its own changes of a key one after the other, so that only different
    processes ever compete for it.

    Args:
        connection: The connection.
        prefix: The deployment's.
        bucket: Which of its buckets.
    """

    def __init__(self, connection: Connection, prefix: str, *, bucket: str = "state") -> None:
        self.bucket = Bucket(connection, bucket_name(prefix, bucket))
        self.prefix = prefix
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def key(self, subject: Subject[Any], **tokens: str) -> str:
        """Returns the key of a subject of the bucket.

        Raises:
            BadName: A token has characters that cannot travel.
        """
        return subject.of(self.prefix, **tokens).split(".", 2)[2]

    def pattern(self, subject: Subject[Any], **tokens: str) -> str:
        """Returns the pattern of the keys of a subject, open where no token is given."""
        return subject.pattern(self.prefix, **tokens).split(".", 2)[2]

    async def change(
        self, key: str, edit: Edit, *, ttl: float | None = None, within: float = WITHIN
    ) -> int:
        """Changes a value, however many others do so at the same time.

        Args:
            key: The key.
            edit: Makes the next value of the present one; what it raises ends the change.
            ttl: Seconds after which the server forgets the key.
            within: Seconds to try.

        Returns:
            The value's revision; 0 when there was none and there is none.

        Raises:
            Overloaded: Others have changed it all the time.
            Unreachable: The broker did not come back in time.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + within
        pause = _FIRST_PAUSE
        lock = self._locks.setdefault(key, asyncio.Lock())
        async with lock:
            while True:
                try:
                    return await self._try(key, edit, ttl)
                except WrongSequence:
                    if loop.time() > end:
                        raise Overloaded(
                            f"state {key} was changed by others for {within:g} s on end",
                            hint="try again later, or share it among fewer",
                            context={"key": key},
                        ) from None
                except (Unavailable, Unreachable):
                    if loop.time() > end:
                        raise
                pause = min(pause * 2, _LONGEST_PAUSE)
                await asyncio.sleep(random.uniform(pause / 4, pause))  # noqa: S311 - jitter

    async def get(self, key: str) -> Entry | None:
        """Returns the newest value of a key, the caller's own last write included, or None."""
        return await self.bucket.get(key, newest=True)

    async def _try(self, key: str, edit: Edit, ttl: float | None) -> int:
        # Not an old value: an edit may say that there is nothing to do.
        entry = await self.get(key)
        before = entry.value if entry is not None else None
        after = edit(before)
        if after is None:
            return entry.revision if entry is not None else 0
        text = "" if ttl is None else ttl_text(ttl)
        if entry is None:
            return await self.bucket.create(key, after, ttl=text)
        return await self.bucket.update(key, after, revision=entry.revision, ttl=text)


def ttl_text(seconds: float) -> str:
    """Returns a time as the server takes it: whole seconds, at least one."""
    return f"{max(1, math.ceil(seconds))}s"
