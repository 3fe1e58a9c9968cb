"""Whose turn it is to write, told before a connection is asked for."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

from pepperpy_schemas.errors import Overloaded

FOR_READERS: Final = 2
"""Connections that writers leave to those who read."""


class Turns:
    """Lets writers of a namespace in one after the other, and never so many that nobody reads.

    The database does so, too, but who waits there has a connection that others need.

    Args:
        connections: All there are.
        waiting: Writers that may wait; the next is refused.
        patience: Seconds that one waits, then it is refused.
    """

    def __init__(self, *, connections: int, waiting: int, patience: float) -> None:
        self._room = asyncio.Semaphore(max(1, connections - FOR_READERS))
        self._lines: dict[str, asyncio.Lock] = {}
        self._there: dict[str, int] = {}
        self._most = waiting
        self._waiting = 0
        self._patience = patience

    @contextlib.asynccontextmanager
    async def of(self, namespace: str) -> AsyncIterator[None]:
        """Waits for the turn of a namespace's writers, and has it inside of the block.

        Raises:
            Overloaded: Too many wait, or it took too long.
        """
        line = self._lines.setdefault(namespace, asyncio.Lock())
        self._there[namespace] = self._there.get(namespace, 0) + 1
        try:
            async with self._entered(line, self._room):
                yield
        finally:
            self._there[namespace] -= 1
            if not self._there[namespace]:
                del self._there[namespace], self._lines[namespace]

    @contextlib.asynccontextmanager
    async def beside(self) -> AsyncIterator[None]:
        """Waits like a writer, but for no namespace: for who changes a few rows, which it locks.

        Raises:
            Overloaded: Too many wait, or it took too long.
        """
        async with self._entered(self._room):
            yield

    @contextlib.asynccontextmanager
    async def _entered(self, *gates: asyncio.Lock | asyncio.Semaphore) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as held:
            await self._enter(held, gates)
            yield

    async def _enter(
        self,
        held: contextlib.AsyncExitStack,
        gates: tuple[asyncio.Lock | asyncio.Semaphore, ...],
    ) -> None:
        if self._waiting >= self._most:
            raise Overloaded(f"{self._waiting} writers wait for their turn already")
        self._waiting += 1
        try:
            async with asyncio.timeout(self._patience):
                for gate in gates:
                    await held.enter_async_context(gate)
        except TimeoutError as error:
            raise Overloaded(f"others wrote for {self._patience:g} s") from error
        finally:
            self._waiting -= 1
