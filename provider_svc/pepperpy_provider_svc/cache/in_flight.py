"""Equal requests that run at the same time share one call of the provider."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, Final, Self, TypeVar

from pepperpy_provider_svc.cache.shared import Shared

T = TypeVar("T")

MAX_PIECES: Final = 4096
"""Pieces of a streamed answer that are kept for whoever comes later, or is slower."""


class InFlight:
    """The answers of this replica that are on their way.

    A call runs as long as somebody waits for it, whoever asked first; what it raises, all of them
    get. Leaving the context ends every call.

    Args:
        max_pieces: Pieces of a streamed answer that are kept. Beyond them an equal request begins a
            call of its own, and who is so far behind the newest piece gets an error.

    Attributes:
        coalesced: Requests that shared the answer of an equal one.
    """

    def __init__(self, *, max_pieces: int = MAX_PIECES) -> None:
        self._max_pieces = max_pieces
        self._joinable: dict[str, Shared[Any]] = {}
        self._running: set[Shared[Any]] = set()
        self.coalesced = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await asyncio.gather(*(shared.stop() for shared in list(self._running)))

    async def whole(self, digest: str, start: Callable[[], Awaitable[T]]) -> T:
        """Returns what a call returns: one that runs for an equal request, or a new one.

        Args:
            digest: What equal requests have in common.
            start: Begins a call.
        """

        async def pieces() -> AsyncGenerator[T]:
            yield await start()

        following = self._follow(f"whole {digest}", pieces)
        async with contextlib.aclosing(following):
            return await anext(following)

    def pieces(self, digest: str, start: Callable[[], AsyncGenerator[T]]) -> AsyncGenerator[T]:
        """Yields the pieces of a call: those so far, then each as it comes.

        Args:
            digest: What equal requests have in common.
            start: Begins a call.
        """
        return self._follow(f"pieces {digest}", start)

    async def _follow(self, key: str, start: Callable[[], AsyncGenerator[T]]) -> AsyncGenerator[T]:
        shared = self._joinable.get(key)
        if shared is not None and shared.joinable:
            self.coalesced += 1
        else:
            shared = self._begin(key, start)
        async with contextlib.aclosing(shared.follow()) as following:
            async for piece in following:
                yield piece

    def _begin(self, key: str, start: Callable[[], AsyncGenerator[T]]) -> Shared[T]:
        shared = Shared(start, most=self._max_pieces, name=f"in-flight:{key}")
        self._joinable[key] = shared
        self._running.add(shared)

        def ended(_: object) -> None:
            self._running.discard(shared)
            if self._joinable.get(key) is shared:
                del self._joinable[key]

        shared.task.add_done_callback(ended)
        return shared
