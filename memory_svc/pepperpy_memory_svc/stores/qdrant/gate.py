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
        waiting: Operations that wait for room, and those that wait for the turn to write to one
            namespace; the next is refused as Overloaded.
        patience: Seconds that an operation waits for either, then it is refused.
        timeout: Seconds that a request to a server may take.
    """

    calls: int = 16
    waiting: int = 256
    patience: float = 10.0
    timeout: int = 30


class _Queue:
    """Lets calls wait inside of it: not too many, and not too long.

    Args:
        limits: See `Limits`.
        what: What they wait for.
    """

    def __init__(self, limits: Limits, what: str) -> None:
        self._limits = limits
        self._what = what
        self._waiting = 0

    @contextlib.asynccontextmanager
    async def __call__(self) -> AsyncIterator[None]:
        if self._waiting >= self._limits.waiting:
            raise Overloaded(f"{self._waiting} calls wait for {self._what} already")
        self._waiting += 1
        try:
            async with asyncio.timeout(self._limits.patience):
                yield
        except TimeoutError as error:
            raise Overloaded(
                f"a call waited {self._limits.patience:g} s for {self._what}"
            ) from error
        finally:
            self._waiting -= 1


class Gate:
    """Lets operations in, not too many at a time.

    Who waits for a turn waits before the gate: inside of it, it would keep out all others.

    Args:
        limits: See `Limits`.
    """

    def __init__(self, limits: Limits) -> None:
        self._room = asyncio.Semaphore(limits.calls)
        self._queue = _Queue(limits, "room at Qdrant")

    @contextlib.asynccontextmanager
    async def __call__(self) -> AsyncIterator[None]:
        """Waits for room, and takes it for a while.

        Raises:
            Overloaded: Too many wait, or it took too long.
        """
        async with self._queue():
            await self._room.acquire()
        try:
            yield
        finally:
            self._room.release()


class _Namespace:
    """Who writes to a namespace, and who waits for it."""

    def __init__(self, limits: Limits) -> None:
        self.lock = asyncio.Lock()
        self.queue = _Queue(limits, "their turn to write to a namespace")


class Turns:
    """Writers of a namespace take turns; who changes generations has all namespaces alone.

    Args:
        limits: See `Limits`.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._namespaces: weakref.WeakValueDictionary[str, _Namespace] = (
            weakref.WeakValueDictionary()
        )
        self._writers = 0
        self._alone = asyncio.Lock()
        self._changing = _Queue(limits, "their turn to change the generations")
        self._idle = asyncio.Event()
        self._idle.set()

    @contextlib.asynccontextmanager
    async def of(self, namespace: str) -> AsyncIterator[None]:
        """Gives the turn to write to a namespace.

        Raises:
            Overloaded: Too many wait for the same, or it took too long.
        """
        there = self._namespaces.setdefault(namespace, _Namespace(self._limits))
        async with contextlib.AsyncExitStack() as held:
            async with there.queue():
                await held.enter_async_context(self._among_writers())
                await held.enter_async_context(there.lock)
            yield

    @contextlib.asynccontextmanager
    async def _among_writers(self) -> AsyncIterator[None]:
        async with self._alone:
            self._writers += 1
            self._idle.clear()
        try:
            yield
        finally:
            self._writers -= 1
            if not self._writers:
                self._idle.set()

    @contextlib.asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Gives the turn to change what all namespaces share.

        Raises:
            Overloaded: Too many wait for the same, or it took too long.
        """
        async with contextlib.AsyncExitStack() as held:
            async with self._changing():
                await held.enter_async_context(self._alone)
                await self._idle.wait()
            yield
