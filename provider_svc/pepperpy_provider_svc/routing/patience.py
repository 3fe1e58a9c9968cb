"""How long a provider is waited for, inside the caller's deadline."""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable
from typing import Final, TypeVar

from pepperpy_bus.logs import get_log
from pepperpy_bus.timers import Timers, time_limit
from pepperpy_provider_svc.declared.models import Timeouts
from pepperpy_provider_svc.upstreams.upstream import Chunk
from pepperpy_schemas.chat import Usage
from pepperpy_schemas.errors import (
    DeadlineExceeded,
    PepperError,
    StreamBroken,
    UpstreamTimeout,
)

log = get_log("pepperpy.provider")

T = TypeVar("T")

CLOSING: Final = 1.0
"""Seconds that closing a stream may take."""


async def in_time(
    timers: Timers, waiting: Awaitable[T], *, until: float, deadline: float | None, what: str
) -> T:
    """Returns what is waited for.

    Args:
        timers: The timers of the running loop.
        waiting: What is waited for; it is cancelled when it takes too long.
        until: When it must be there, in the loop's time.
        deadline: When the caller wants to hear no more, in the loop's time.
        what: What it is, for the error.

    Raises:
        UpstreamTimeout: It was not there in time.
        DeadlineExceeded: The caller's deadline came before.
    """
    first = until if deadline is None else min(until, deadline)
    limit = time_limit(timers, first - asyncio.get_running_loop().time())
    try:
        with limit:
            return await waiting
    except (TimeoutError, PepperError) as error:
        # A library may make an error of its own of the cancellation.
        if not limit.expired:
            raise
        late = passed(what) if first == deadline else UpstreamTimeout(f"{what} came too late")
        raise late from (error if isinstance(error, PepperError) else None)


def passed(what: str) -> DeadlineExceeded:
    """Returns the error that the caller's deadline has passed."""
    return DeadlineExceeded(f"the caller's deadline passed before {what} came")


class Pieces:
    """The pieces of one streamed call, each of them in time.

    Only waiting for the provider counts: a caller who reads slowly makes no provider late.

    Args:
        timers: The timers of the running loop.
        source: The stream.
        timeouts: How long it may take.
        deadline: The caller's, in the loop's time.

    Attributes:
        usage: Tokens so far, as far as the provider has told them.
        alive: Whether the provider has begun to answer.
    """

    def __init__(
        self,
        timers: Timers,
        source: AsyncIterator[Chunk],
        timeouts: Timeouts,
        deadline: float | None,
    ) -> None:
        self._timers = timers
        self._source = source
        self._timeouts = timeouts
        self._deadline = deadline
        self._clock = asyncio.get_running_loop().time
        self._begin = self._clock()
        self._waited = 0.0
        self.usage: Usage | None = None
        self.alive = False
        self._queued = False
        self._started = False

    async def next(self) -> Chunk:
        """Returns the next piece that says anything.

        Raises:
            UpstreamTimeout: It did not come in time.
            DeadlineExceeded: The caller's deadline has passed.
            StreamBroken: The stream ended without its last piece.
        """
        while True:
            piece = await self._next()
            if self._queued:
                self._begin = self._clock()
            self._queued = piece.queued
            self.alive = not piece.queued
            self.usage = piece.usage or self.usage
            if _says_something(piece):
                self._started = True
                return piece

    async def close(self) -> None:
        """Closes the stream, and with it the provider's socket."""
        close = getattr(self._source, "aclose", None)
        if close is None:
            return
        try:
            async with asyncio.timeout(CLOSING):
                await close()
        except (PepperError, TimeoutError) as error:
            log.info("upstream.not_closed", error=str(error))

    async def _next(self) -> Chunk:
        now = self._clock()
        limit, what = self._limit(now)
        total = now + self._timeouts.total - self._waited
        if total < limit:
            limit, what = total, "the whole answer"
        coming = anext(self._source)
        try:
            return await in_time(
                self._timers, coming, until=limit, deadline=self._deadline, what=what
            )
        except StopAsyncIteration:
            raise StreamBroken("the stream ended without its last piece") from None
        finally:
            self._waited += self._clock() - now

    def _limit(self, now: float) -> tuple[float, str]:
        if self._started:
            return now + self._timeouts.idle, "the next piece of the answer"
        if self._queued:
            return math.inf, "its turn"
        if self.alive:
            return self._begin + self._timeouts.first_token, "the first piece of the answer"
        return self._begin + self._timeouts.first_byte, "the beginning of the answer"


def _says_something(piece: Chunk) -> bool:
    said = piece.text or piece.reasoning or piece.tool_calls or piece.signature or piece.data
    return bool(said or piece.finish)
