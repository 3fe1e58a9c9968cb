"""Watching one record of a lease: who waits for a share sees when another one's goes."""

import asyncio
from typing import Self

from pepperpy_bus.logs import get_log
from pepperpy_bus.streams.kv import Bucket
from pepperpy_schemas.catalog.state import LEASES
from pepperpy_schemas.errors import Unavailable, Unreachable
from pepperpy_schemas.shared import Resource

log = get_log("pepperpy.leases")

_RETRY = 1.0


class Watch:
    """The newest state of one record, followed by a task of its own."""

    def __init__(self, bucket: Bucket, key: str) -> None:
        self.resource: Resource | None = None
        self._bucket = bucket
        self._key = key
        self._stirred = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._following = asyncio.create_task(self._follow(), name=f"watch-{self._key}")
        self._following.add_done_callback(lambda _: self._stirred.set())
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._following.cancel()
        await asyncio.gather(self._following, return_exceptions=True)

    async def changed(self, within: float) -> bool:
        """Returns whether there was a change within so many seconds."""
        try:
            async with asyncio.timeout(max(within, 0.0)):
                await self._stirred.wait()
        except TimeoutError:
            return False
        self._stirred.clear()
        if self._following.done():
            self._following.result()  # raises what ended it
        return True

    async def _follow(self) -> None:
        while True:
            try:
                async for change in self._bucket.watch(self._key):
                    self.resource = None if change.value is None else LEASES.decode(change.value)
                    self._stirred.set()
            except (Unavailable, Unreachable) as error:
                log.debug("lease.not_watched", key=self._key, error=str(error))
                await asyncio.sleep(_RETRY)
