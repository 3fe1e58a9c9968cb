"""A new generation, made beside the one that is current, and made current when it is whole."""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from typing import Final

from pepperpy_bus.logs import get_log
from pepperpy_memory_svc.stores.rows import Filling, Generation, Kind
from pepperpy_memory_svc.stores.store import Store
from pepperpy_schemas.memory import Entry

log = get_log("pepperpy.memory")

_ROUNDS: Final = 8
"""How often the rest is made before the new generation is taken without the last few."""
_FEW: Final = 64
"""Entries that searches may miss for the moment that they take to make."""


async def make_current(
    store: Store,
    made: Generation,
    fillings: Callable[[Sequence[Entry]], Awaitable[list[Filling]]],
    clock: Callable[[], datetime],
    *,
    at_once: int,
    instead_of: int,
) -> AsyncIterator[tuple[int, int]]:
    """Fills a generation and makes it current; yields how many were made, and about how many left.

    One that was killed is gone on with, also when it was current already. Other replicas write on
    into the one that is current. Where they always do, so that something is missing whenever it is
    looked, the last few are made after the change.

    Args:
        store: The store.
        made: The generation.
        fillings: Makes what is filled in for entries.
        clock: The time that entries expire by.
        at_once: Entries that are made together.
        instead_of: The generation that it replaces: if another one has, it is left as it is.
    """
    done = left = 0
    if made.state == "current":
        async for done in fill_rest(store, made, fillings, clock, at_once=at_once):
            yield done, 0
        return
    for rounds in itertools.count():
        if not await _is_current(store, instead_of):
            log.warning("memory.generation_left", name=made.name)
            return
        hurried = rounds > _ROUNDS and left <= _FEW
        left = missing = await store.flip(made.number, now=clock(), partial=hurried)
        if not missing:
            return
        yield done, left
        before = done
        async for filled in fill_rest(store, made, fillings, clock, at_once=at_once):
            done = before + filled
            yield done, max(0, missing - filled)
        if hurried:
            return


async def fill_rest(
    store: Store,
    made: Generation,
    fillings: Callable[[Sequence[Entry]], Awaitable[list[Filling]]],
    clock: Callable[[], datetime],
    *,
    at_once: int,
) -> AsyncIterator[int]:
    """Fills what a generation lacks, as `make_current`; yields how many were made."""
    done = 0
    while some := await store.unfilled(made.number, now=clock(), limit=at_once):
        await store.fill(made.number, await fillings(some))
        done += len(some)
        yield done


async def _is_current(store: Store, number: int) -> bool:
    there = await store.generations()
    return any((one.number, one.state) == (number, "current") for one in there)


async def drop_kept(store: Store, kind: Kind, *, but: int) -> None:
    """Drops what was current before, but for the way back.

    Args:
        store: The store.
        kind: Of vectors or of words.
        but: The generation that is the way back.
    """
    for one in await store.generations():
        if (one.kind, one.state) == (kind, "kept") and one.number != but:
            await store.drop(one.number)
            log.info("memory.generation_dropped", kind=kind, name=one.name)
