"""Stores whose server is killed under load: what was acknowledged is there, and in whole calls."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection

from pepperpy_schemas.errors import PepperError, Unavailable
from tests.memory_svc.stores.making import NOW, Filled, entry

BACK = 5.0
"""Seconds after which a server that runs again has to be written to."""
_WRITERS, _KILLS = 3, 2


async def written_under_kills(
    memory: Filled, kill: Callable[[], None], start: Callable[[], Awaitable[None]] | None = None
) -> set[str]:
    """Writes calls of three rows while the server is killed twice; returns the ids that are there.

    Args:
        memory: The store; each writer's number stands in ``metadata.writer``.
        kill: Ends the server without a word.
        start: Starts it again, where nobody does that by himself.
    """
    store = memory.store
    acknowledged: set[str] = set()
    refused: list[PepperError] = []
    done = asyncio.Event()

    async def write(writer: int) -> None:
        number = 0
        while not done.is_set():
            ids = [f"w{writer}-{number}-{part}" for part in range(3)]
            made = [entry(id_, metadata={"writer": writer}) for id_ in ids]
            rows = [memory.row(one, [1, 0, 0, 0], ["word"]) for one in made]
            try:
                await store.put("ours", rows, now=NOW)
                acknowledged.update(ids)
                number += 1
            except Unavailable as error:
                refused.append(error)
                await asyncio.sleep(0.01)

    writers = [asyncio.create_task(write(each)) for each in range(_WRITERS)]
    for _ in range(_KILLS):
        await more(acknowledged, 30)
        kill()
        await more(refused, 1)
        if start is not None:
            await start()
        since = time.monotonic()
        await more(acknowledged, 1)
        assert time.monotonic() - since < BACK
    done.set()
    await asyncio.gather(*writers)
    there = {each.id for each in await store.scan("ours", now=NOW, limit=10_000)}
    assert acknowledged <= there
    parts = [id_.rpartition("-")[0] for id_ in there]
    assert {parts.count(each) for each in parts} == {3}
    return there


async def more(things: Collection[object], number: int) -> None:
    """Returns when so many more have come."""
    wanted = len(things) + number
    async with asyncio.timeout(30):
        while len(things) < wanted:
            await asyncio.sleep(0.01)
