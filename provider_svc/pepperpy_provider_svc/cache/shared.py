"""One call whose pieces any number of followers read, each at its own pace."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, Callable
from typing import Generic, TypeVar

from pepperpy_schemas.errors import Overloaded, Unavailable

T = TypeVar("T")


class Shared(Generic[T]):
    """A call that runs as long as it has followers.

    It is read ahead of the fastest follower by a sixteenth of what is kept, not further: a provider
    is not read faster than somebody listens. A slow follower does not hold up the others.

    Args:
        start: Begins the call.
        most: Pieces that are kept.
        name: Name of its asyncio task.
    """

    def __init__(self, start: Callable[[], AsyncGenerator[T]], *, most: int, name: str) -> None:
        self._start = start
        self._most = most
        self._ahead = max(1, most // 16)
        self._pieces: deque[T] = deque()
        self._dropped = 0
        self._places: dict[object, int] = {}
        self._error: BaseException | None = None
        self._open = True
        self._changed = asyncio.Event()
        self.task = asyncio.create_task(self._run(), name=name)

    @property
    def joinable(self) -> bool:
        """Whether somebody who comes now gets the whole answer by it."""
        return self._open and not self._dropped

    async def follow(self) -> AsyncGenerator[T]:
        """Yields every piece from the first on; when the last follower leaves, the call ends.

        Raises:
            Overloaded: The follower is too far behind the newest piece.
            Unavailable: The replica stops.
        """
        me, place = object(), 0
        self._places[me] = place
        try:
            while True:
                if place < self._dropped:
                    raise Overloaded(
                        f"the answer is {self._end - place} pieces ahead of its reader",
                        hint="read it faster, or ask for a whole answer",
                    )
                if place < self._end:
                    piece = self._pieces[place - self._dropped]
                    place += 1
                    self._places[me] = place
                    self._tell()
                    yield piece
                elif self._open:
                    await self._changed.wait()
                elif self._error is not None:
                    raise self._error
                else:
                    return
        finally:
            del self._places[me]
            if not self._places:
                await self.stop()

    async def stop(self) -> None:
        """Ends the call, and returns when it has cleaned up."""
        self._open = False
        self.task.cancel()
        await asyncio.wait((self.task,))

    @property
    def _end(self) -> int:
        return self._dropped + len(self._pieces)

    async def _run(self) -> None:
        try:
            async with contextlib.aclosing(self._start()) as pieces:
                async for piece in pieces:
                    self._keep(piece)
                    await self._until_read()
        except asyncio.CancelledError:
            self._error = Unavailable("the provider service stops", hint="ask again")
            raise
        except BaseException as error:
            self._error = error
        finally:
            self._open = False
            self._tell()

    def _keep(self, piece: T) -> None:
        self._pieces.append(piece)
        if len(self._pieces) > self._most:
            self._pieces.popleft()
            self._dropped += 1
        self._tell()

    async def _until_read(self) -> None:
        while self._places and self._end - max(self._places.values()) >= self._ahead:
            await self._changed.wait()

    def _tell(self) -> None:
        """Wakes whoever waits; who waits from now on waits for the next change."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
