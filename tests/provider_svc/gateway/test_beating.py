"""Pieces with signs of life between them: they end whatever happens to what makes them."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

import pytest

from pepperpy_provider_svc.gateway.streaming import Piece, beating
from pepperpy_provider_svc.upstreams.upstream import Chunk
from pepperpy_schemas.errors import Unavailable


async def endless() -> AsyncGenerator[Piece, None]:
    yield Chunk(text="a")
    await asyncio.Event().wait()


async def many(count: int) -> AsyncGenerator[Piece, None]:
    for _ in range(count):
        yield Chunk(text="a")


async def read(pieces: AsyncGenerator[Piece, None], until: asyncio.Event | None = None) -> int:
    """Counts the pieces, all of them or those before an event."""
    count = 0
    async with contextlib.aclosing(beating(pieces, 60)) as items:
        async for _ in items:
            count += 1
            if until is not None:
                await until.wait()
    return count


def pump() -> asyncio.Task[None]:
    [task] = [one for one in asyncio.all_tasks() if one.get_name() == "provider-stream"]
    return task


@pytest.mark.parametrize("count", [0, 3, 1000])
async def test_pieces_without_an_end_are_an_error(count: int) -> None:
    with pytest.raises(Unavailable):
        await asyncio.wait_for(read(many(count)), 5)


@pytest.mark.parametrize("pieces", [endless, lambda: many(10_000)], ids=["empty", "full"])
async def test_a_reader_hears_that_its_source_was_cancelled(pieces: object) -> None:
    assert callable(pieces)
    go_on = asyncio.Event()
    reading = asyncio.create_task(read(pieces(), go_on))
    await asyncio.sleep(0)
    for _ in range(1000):
        await asyncio.sleep(0)
    pump().cancel()
    go_on.set()
    with pytest.raises(Unavailable):
        await asyncio.wait_for(reading, 5)


async def test_a_second_cancellation_waits_for_what_the_first_one_began() -> None:
    closing, closed = asyncio.Event(), asyncio.Event()
    done = False

    async def pieces() -> AsyncGenerator[Piece, None]:
        nonlocal done
        try:
            yield Chunk(text="a")
            await asyncio.Event().wait()
        finally:
            closing.set()
            await closed.wait()
            done = True

    reading = asyncio.create_task(read(pieces()))
    for _ in range(10):
        await asyncio.sleep(0)
    reading.cancel()
    await closing.wait()
    reading.cancel()
    for _ in range(10):
        await asyncio.sleep(0)
    assert not reading.done()
    closed.set()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert done
