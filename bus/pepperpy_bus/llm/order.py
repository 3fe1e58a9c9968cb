"""What makes a streamed answer whole: every number once, no silence, and an end."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Final

from pepperpy_schemas.chat import Ack, ChatItem, Delta, End, KeepAlive, Reset
from pepperpy_schemas.errors import DeadlineExceeded, StreamBroken, Unavailable

PATIENCE: Final = 2.0
"""Seconds after the time-out in which the service may say itself that it was too slow."""


async def in_order(
    items: AsyncIterator[ChatItem], *, idle: float, timeout: float
) -> AsyncGenerator[Delta | Reset | End, None]:
    """Yields what counts of an answer, its end only when nothing follows it.

    Args:
        items: The items as they come.
        idle: Seconds without any after which the answer is given up.
        timeout: Seconds that all of it may take.

    Raises:
        StreamBroken: A number is missing, nothing came for too long, or there was no end.
        DeadlineExceeded: It took too long as a whole.
        Unavailable: Nobody began to answer.
    """
    deadline = asyncio.get_running_loop().time() + timeout + PATIENCE
    order, end = _Order(), None
    while (item := await _next(items, order, idle, deadline)) is not None:
        order.check(item)
        match item:
            case End():
                end = item
            case Delta() | Reset():
                yield item
            case _:
                pass
    if end is None:
        raise StreamBroken("the answer stopped before its end", context={"last": order.last})
    yield end


class _Order:
    """The number of the last item, and what may follow it."""

    def __init__(self) -> None:
        self.last = 0
        self._ended = False

    def check(self, item: ChatItem) -> None:
        """Takes the next item.

        Raises:
            StreamBroken: It is not the one that follows.
        """
        expected = self.last if isinstance(item, KeepAlive) else self.last + 1
        if self._ended or item.n != expected or isinstance(item, Ack) != (self.last == 0):
            kind = type(item).__name__.lower()
            raise StreamBroken(
                f"item {item.n}, {kind}, does not follow item {self.last}",
                context={"last": self.last, "n": item.n},
            )
        self.last = item.n
        self._ended = isinstance(item, End)


async def _next(
    items: AsyncIterator[ChatItem], order: _Order, idle: float, deadline: float
) -> ChatItem | None:
    """The next item; None after the last."""
    left = deadline - asyncio.get_running_loop().time()
    limit = asyncio.timeout(min(idle, left))
    try:
        async with limit:
            return await anext(items, None)
    except TimeoutError:
        if not limit.expired():
            raise
    if left <= idle:
        raise DeadlineExceeded("the answer took longer than its caller waits")
    if not order.last:
        raise Unavailable(f"nobody began to answer for {idle:g} s")
    raise StreamBroken(f"nothing came for {idle:g} s", context={"last": order.last})
