"""AutoGen's cancellation tokens: what is awaited ends when somebody cancels one."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Coroutine
from typing import Any, TypeVar

from autogen_core import CancellationToken

T = TypeVar("T")


async def linked(work: Coroutine[Any, Any, T], token: CancellationToken | None) -> T:
    """Returns what a coroutine returns; a token that is canceled ends it."""
    running = asyncio.ensure_future(work)
    if token is not None:
        token.link_future(running)
    return await running


async def linked_each(
    items: AsyncGenerator[T, None], token: CancellationToken | None
) -> AsyncGenerator[T, None]:
    """Yields what an async generator yields; a token that is canceled ends it.

    One callback stands in the token however many pieces there are: it forgets none.
    """
    awaited: asyncio.Future[T] | None = None

    def stop() -> None:
        if awaited is not None:
            awaited.cancel()

    if token is not None:
        token.add_callback(stop)
    async with contextlib.aclosing(items):
        while True:
            if token is not None and token.is_cancelled():
                raise asyncio.CancelledError
            awaited = asyncio.ensure_future(anext(items))
            try:
                item = await awaited
            except StopAsyncIteration:
                return
            finally:
                awaited = None
            yield item
