"""How many calls a store takes at a time, and whose turn it is to write."""

import asyncio
import contextlib
import weakref
from collections.abc import AsyncIterator

import msgspec

from pepperpy_schemas.errors import Overloaded


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a store asks of its Qdrant at most.

    Attributes:
        calls: Operations at a time.
        waiting: Operations that wait for their turn; the next is refused as Overloaded.
        patience: Seconds that an operation waits, then it is refused.
        timeout: Seconds that a request to a server may take.
    """

    calls: int = 16
    waiting: int = 256
    patience: float = 10.0
    timeout: int = 30


class Gate:
    """Lets operations in, not too many at a time.

    Args:
        limits: See `Limits`.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._room = asyncio.Semaphore(limits.calls)
        self._waiting = 0

    @contextlib.asynccontextmanager
    async def __call__(self) -> AsyncIterator[None]:
        """Waits for room, and takes it for a while.

        Raises:
            Overloaded: Too many wait, or it took too long.
        """
        await self._enter()
        try:
            yield
        finally:
            self._room.release()

    async def _enter(self) -> None:
        if self._room.locked() and self._waiting >= self._limits.waiting:
            raise Overloaded(f"{self._waiting} calls wait for Qdrant already")
        self._waiting += 1
        try:
            await asyncio.wait_for(self._room.acquire(), self._limits.patience)
        except TimeoutError as error:
            raise Overloaded(
                f"no call to Qdrant was done for {self._limits.patience:g} s"
            ) from error
        finally:
            self._waiting -= 1


class Turns:
    """Writers of a namespace take turns; who changes generations has all namespaces alone."""

    def __init__(self) -> None:
        self._namespaces: weakref.WeakValueDictionary[str, asyncio.Lock] = (
            weakref.WeakValueDictionary()
        )
        self._writers = 0
        self._alone = asyncio.Lock()
        self._idle = asyncio.Event()
        self._idle.set()

    @contextlib.asynccontextmanager
    async def of(self, namespace: str) -> AsyncIterator[None]:
        """Gives the turn to write to a namespace."""
        async with self._alone:
            self._writers += 1
            self._idle.clear()
        try:
            lock = self._namespaces.setdefault(namespace, asyncio.Lock())
            async with lock:
                yield
        finally:
            self._writers -= 1
            if not self._writers:
                self._idle.set()

    @contextlib.asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Gives the turn to change what all namespaces share."""
        async with self._alone:
            await self._idle.wait()
            yield
