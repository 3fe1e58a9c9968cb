"""The last item comes again while nothing new does."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from pepperpy_memory_svc.remembering.signs_of_life import with_signs_of_life


async def test_the_last_item_is_repeated_until_the_next_one_comes() -> None:
    go_on, closed = asyncio.Event(), asyncio.Event()

    async def work() -> AsyncGenerator[int, None]:
        try:
            yield 1
            await go_on.wait()
            yield 2
            yield 3
        finally:
            closed.set()

    seen = []
    async for one in with_signs_of_life(work(), every=0.01):
        seen.append(one)
        if len(seen) == 3:
            go_on.set()
    assert seen[:3] == [1, 1, 1]
    assert sorted(set(seen)) == [1, 2, 3]
    assert seen[-2:] == [2, 3]
    assert closed.is_set()


async def test_who_leaves_stops_the_work() -> None:
    stopped = asyncio.Event()

    async def work() -> AsyncGenerator[int, None]:
        yield 1
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    items = with_signs_of_life(work(), every=0.01)
    assert [await anext(items), await anext(items)] == [1, 1]
    await items.aclose()
    assert stopped.is_set()


async def test_an_error_comes_through_and_nothing_is_the_end() -> None:
    async def fails() -> AsyncGenerator[int, None]:
        yield 1
        raise ValueError("wrong")

    async def nothing() -> AsyncGenerator[int, None]:
        for one in range(0):
            yield one

    items = with_signs_of_life(fails())
    assert await anext(items) == 1
    with pytest.raises(ValueError, match="wrong"):
        await anext(items)
    assert [one async for one in with_signs_of_life(nothing())] == []
