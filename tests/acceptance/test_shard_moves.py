"""The order of each key while its shard's owner is killed, stopped, drained and joined by others.

`make chaos` makes it long: 5000 tasks and 50 upsets.
"""

import asyncio
import itertools
import os
import random
import signal
import sqlite3
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

from pepperpy import Client, connect
from pepperpy.stack.broker import Broker
from pepperpy_bus.state.cells import Cells
from pepperpy_schemas.catalog.sharding import SHARD_TABLE
from pepperpy_schemas.sharding import ShardTable
from tests.worker_processes import Start, WorkerProcess

LONG = "CHAOS_TASKS" in os.environ
TASKS, UPSETS = (5000, 50) if LONG else (600, 10)
SEED = int(os.environ.get("CHAOS_SEED", "7"))
KEYS = 20
WORKERS = 3
BEAT = 1.0
STOPPED = 3 * BEAT + 2.0
"""Seconds that a process stands still: longer than the others wait for it."""

APP = """
import asyncio, os, sqlite3
from pepperpy import Agent, Context

agent = Agent("shop")
store = sqlite3.connect("shop.db", isolation_level=None, timeout=60)
store.execute("pragma synchronous = off")

def write(kind: str, n: int, ctx: Context) -> None:
    # A store that refuses whoever does not know that another has his task.
    with store:
        store.execute("begin immediate")
        (highest,) = store.execute(
            "select coalesce(max(fence), 0) from lines where key = ? and kind != 'refused'",
            (ctx.key,),
        ).fetchone()
        told = kind if ctx.fence >= highest else "refused"
        row = (told, ctx.key, n, ctx.attempt, ctx.fence, os.getpid())
        store.execute("insert into lines values (?, ?, ?, ?, ?, ?)", row)

@agent.task("order", retries=50, retry_delay=0.05, concurrency=32)
async def order(n: int, ctx: Context) -> int:
    write("begin", n, ctx)
    if n % 10 == 7 and ctx.attempt == 1:
        raise RuntimeError("once")
    if n % 10 == 3:
        await ctx.sleep(0.2)
    await asyncio.sleep(0.02)
    write("end", n, ctx)
    return n
"""

QUICK = {"PEPPERPY_SHARDS_HEARTBEAT_INTERVAL": f"{BEAT}s", "PEPPERPY_WORKER_GRACE": "2s"}


class Crew:
    """The workers of the test, and what is done to them."""

    def __init__(self, start: Start, url: str) -> None:
        self._start = start
        self._url = url
        self._up: list[WorkerProcess] = []

    def join(self, *, ready: bool = False) -> None:
        self._up.append(self._start(self._url, "shop.py:agent", ready=ready, env=QUICK))

    async def upset(self, kind: str, dice: random.Random) -> None:
        one = dice.choice(self._up)
        match kind:
            case "kill":
                self._up.remove(one)
                one.kill()
                self.join()
            case "stop":
                one.send(signal.SIGSTOP)
                try:
                    await asyncio.sleep(STOPPED)
                finally:
                    one.send(signal.SIGCONT)
            case "drain":
                self._up.remove(one)
                self.join()
                one.send(signal.SIGTERM)
            case "join":
                self.join()
            case "leave" if len(self._up) > 1:
                self._up.remove(one)
                one.send(signal.SIGTERM)


async def moves(client: Client) -> int:
    cells = Cells(client.connection, client.prefix)
    entry = await cells.get(cells.key(SHARD_TABLE, topic="order"))
    table = ShardTable() if entry is None else SHARD_TABLE.decode(entry.value)
    return sum(shard.moves for shard in table.shards)


@asynccontextmanager
async def submitted(client: Client, pause: float) -> AsyncIterator[list[str]]:
    """Submits all tasks at a steady pace beside its body, which ends when they are sent."""
    ids: list[str] = []

    async def submit() -> None:
        for n in range(TASKS):
            ids.append(await client.submit("order", n // KEYS, key=f"customer-{n % KEYS}"))
            await asyncio.sleep(pause)

    sending = asyncio.create_task(submit(), name="submit")
    try:
        yield ids
    finally:
        await sending


def lines(folder: Path) -> list[tuple[str, str, int]]:
    with closing(sqlite3.connect(folder / "shop.db")) as store:
        return list(store.execute("select kind, key, n from lines order by rowid"))


def check_order(written: list[tuple[str, str, int]]) -> int:
    """Looks whether each task began after the one before had ended; returns repeated ends."""
    ended: dict[str, int] = defaultdict(lambda: -1)
    repeats = 0
    for kind, key, n in written:
        if kind == "begin":
            assert n in (ended[key], ended[key] + 1), f"{key}: {n} began after {ended[key]}"
        elif kind == "end":
            assert n in (ended[key], ended[key] + 1), f"{key}: {n} ended after {ended[key]}"
            repeats += n == ended[key]
            ended[key] = n
    assert ended == {f"customer-{k}": TASKS // KEYS - 1 for k in range(KEYS)}
    return repeats


async def test_the_order_of_every_key_outlives_its_owners(
    own_broker: Broker, prefix: str, tmp_path: Path, workers: Start
) -> None:
    (tmp_path / "shop.py").write_text(APP)
    with closing(sqlite3.connect(tmp_path / "shop.db")) as store:
        store.execute("pragma journal_mode = wal")
        store.execute("create table lines (kind, key, n, attempt, fence, pid)")
        store.execute("create index by_key on lines (key, fence)")
        store.commit()
    dice = random.Random(SEED)
    kinds = itertools.cycle(["kill", "drain", "stop", "join", "leave"])
    crew = Crew(workers, own_broker.url)
    for _ in range(WORKERS):
        crew.join(ready=True)
    async with connect(own_broker.url, bus__prefix=prefix) as client:
        async with submitted(client, pause=0.02) as ids:
            for kind in itertools.islice(kinds, UPSETS):
                await asyncio.sleep(dice.uniform(0.5, 1.5))
                await crew.upset(kind, dice)
        ended = [await client.ended(one, wait=60) for one in ids]
        moved = await moves(client)
    assert all(one.result.ok for one in ended)
    assert moved >= UPSETS
    written = lines(tmp_path)
    repeats = check_order(written)
    refused = sum(kind == "refused" for kind, _, _ in written)
    print(f"{TASKS} tasks, {UPSETS} upsets, {moved} moves, {repeats} repeats, {refused} refused")
