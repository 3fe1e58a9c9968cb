"""Long work that is seen to go on: what has come last comes again while nothing new does."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Final, TypeVar

T = TypeVar("T")

EVERY: Final = 5.0
"""Seconds between two signs of life."""


async def with_signs_of_life(
    items: AsyncGenerator[T, None], *, every: float = EVERY
) -> AsyncGenerator[T, None]:
    """Yields items, and the last one again whenever none has come for a while.

    Args:
        items: The items; they are closed with this.
        every: Seconds between two signs of life.
    """
    last = await anext(items, None)
    if last is None:
        return
    coming: asyncio.Task[T | None] | None = None
    try:
        while last is not None:
            yield last
            coming = coming or asyncio.create_task(_next(items), name="sign-of-life")
            done, _ = await asyncio.wait({coming}, timeout=every)
            if done:
                last, coming = coming.result(), None
    finally:
        if coming is not None:
            coming.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await coming
        await items.aclose()


async def _next(items: AsyncGenerator[T, None]) -> T | None:
    return await anext(items, None)
