"""How soon the shards of a killed worker are served again, and how soon a new one has its share."""

import asyncio
import time
from collections import Counter
from contextlib import AbstractContextManager
from itertools import count
from statistics import median
from subprocess import Popen

from benchmarks.parts.ground import Figures, Ground, until, worker
from pepperpy_bus.state.cells import Cells
from pepperpy_bus.streams.topology import SHARDS, shard_of
from pepperpy_schemas.catalog.sharding import SHARD_TABLE
from pepperpy_schemas.sharding import MISSED_BEATS, ShardTable

TOPIC = "keyed"
HEARTBEAT = 1
"""Seconds between the heartbeats here, the least that is allowed; the default is 5."""
WORK_MS = 50
EVEN = 0.2
"""The default of `shards.rebalance_threshold`."""


async def shards(ground: Ground) -> Figures:
    """Times the kill of one of two workers, and the coming of another one.

    The one that is killed has a task of each of its shards in hand or before it; its shards count
    as served when each has run a task that was submitted after the kill.
    """
    takeovers, rebalances = [], []
    for _ in range(max(1, ground.samples // 20)):
        with _member(ground):
            await _run_each(ground)
            with _member(ground) as victim:
                await until(lambda: _is_even(ground))
                takeovers.append(await _taken_over(ground, victim))
            # What has just come to a worker stays there for a time.
            await asyncio.sleep((MISSED_BEATS + 1) * HEARTBEAT)
            with _member(ground):
                await until(lambda: _has_members(ground, 2), pause=0.05)
                joined = time.monotonic_ns()
                await until(lambda: _is_even(ground))
                rebalances.append((time.monotonic_ns() - joined) / 1e9)
                await _run_each(ground)
        await until(lambda: _has_members(ground, 0))
    return {"shard_takeover_s": median(takeovers), "shard_rebalance_s": median(rebalances)}


async def _taken_over(ground: Ground, victim: "Popen[bytes]") -> float:
    busy = [asyncio.create_task(_run(ground, key, WORK_MS), name=key) for key in KEYS]
    await asyncio.sleep(WORK_MS / 2e3)
    killed = time.monotonic_ns()
    victim.kill()
    began = await _run_each(ground)
    await asyncio.gather(*busy)
    return (max(began) - killed) / 1e9


async def _run_each(ground: Ground) -> list[int]:
    """Runs a task of each shard, and returns when they began."""
    return await asyncio.gather(*(_run(ground, key, 0) for key in KEYS))


async def _run(ground: Ground, key: str, work_ms: int) -> int:
    return int(await ground.bus.run(TOPIC, work_ms, key=key, wait=60))


def _member(ground: Ground) -> "AbstractContextManager[Popen[bytes]]":
    return worker(ground.broker, PEPPERPY_SHARDS_HEARTBEAT_INTERVAL=f"{HEARTBEAT}s")


async def _table(ground: Ground) -> ShardTable:
    cells = Cells(ground.bus.connection, ground.bus.prefix)
    entry = await cells.get(cells.key(SHARD_TABLE, topic=TOPIC))
    return ShardTable() if entry is None else SHARD_TABLE.decode(entry.value)


async def _has_members(ground: Ground, number: int) -> bool:
    return len((await _table(ground)).members) == number


async def _is_even(ground: Ground) -> bool:
    table = await _table(ground)
    owned = Counter(shard.owner for shard in table.shards)
    if set(owned) != set(table.members) or len(owned) < 2:
        return False
    return max(owned.values()) - min(owned.values()) <= EVEN * SHARDS / len(owned)


def _key_of_each_shard() -> list[str]:
    found: dict[int, str] = {}
    names = (f"customer-{n}" for n in count())
    while len(found) < SHARDS:
        name = next(names)
        found.setdefault(shard_of(name), name)
    return list(found.values())


KEYS = _key_of_each_shard()
