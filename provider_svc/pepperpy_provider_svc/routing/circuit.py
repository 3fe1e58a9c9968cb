"""One breaker as a replica holds it in memory, and what of it the others have been told."""

import asyncio

from pepperpy_provider_svc.routing.breaker import Tally
from pepperpy_schemas.provider import Breaker


class Circuit:
    """The breaker of one target and key; what happens here is in force before it is told.

    Args:
        name: Its key in the bucket; empty for one that the others do not hear of.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.tally = Tally()
        self.record: Breaker | None = None
        self.teller: asyncio.Task[None] | None = None
        self.version = 0
        self._told = 0
        self._revision = 0
        self._stirred = asyncio.Event()

    @property
    def shared(self) -> bool:
        """Whether the others hear of it."""
        return bool(self.name)

    @property
    def telling(self) -> bool:
        """Whether something has happened here that the others have not been told yet."""
        return self.version > self._told

    def set(self, record: Breaker | None) -> None:
        """Something has happened here."""
        self.version += 1
        self._show(record)

    def hear(self, record: Breaker | None, revision: int) -> None:
        """Another replica, or this one, has told; what is still to be told here comes after it."""
        if not self.telling and revision >= self._revision:
            self._revision = revision
            self._show(record)

    def agree(self, version: int, record: Breaker | None, revision: int) -> None:
        """All know now what was known here at a version; newer happenings are still to be told."""
        self._told = max(self._told, version)
        self.hear(record, max(revision, self._revision))

    def give_up(self) -> None:
        """The others cannot be told; what is known here stays in force here."""
        self._told = self.version

    async def changed(self) -> None:
        """Waits until the record is another one."""
        self._stirred.clear()
        await self._stirred.wait()

    def _show(self, record: Breaker | None) -> None:
        self.record = record
        self._stirred.set()
