"""Shards of workers that die or stand still, as processes of their own."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pepperpy import Client, connect
from pepperpy.stack.broker import Broker
from pepperpy_bus.tasks.shards import look_at_shards
from tests.agents.conftest import clear, wait_until
from tests.worker_processes import Start, WorkerProcess

APP = """
import asyncio, os
from pepperpy import Agent, Context

agent = Agent("shop")

@agent.task("order")
async def order(seconds: float, ctx: Context) -> list:
    print("order", ctx.task_id, flush=True)
    if ctx.attempt == 1 or seconds < 10:
        await asyncio.sleep(seconds)
    return [os.getpid(), ctx.attempt, ctx.fence]
"""
PATIENCE = 3.0
QUICK = {"PEPPERPY_SHARDS_HEARTBEAT_INTERVAL": "1s", "PEPPERPY_WORKER_GRACE": "1s"}
SLACK = 1.5
"""Seconds that a busy machine may take on top."""


@pytest.fixture
async def client(broker: Broker, prefix: str, tmp_path: Path) -> AsyncIterator[Client]:
    (tmp_path / "shop.py").write_text(APP)
    async with connect(broker.url, bus__prefix=prefix) as one:
        yield one
        await clear(one)


async def owner_pid(client: Client, key: str) -> int:
    """Sends a task and returns the process that did it."""
    pid, *_ = await client.run("order", 0.0, key=key, wait=20)
    return int(pid)


async def shared_by(client: Client, workers: int) -> None:
    async def enough() -> bool:
        shards = await look_at_shards(client.connection, client.prefix)
        return len({one.owner for one in shards if one.owner}) == workers

    await wait_until(enough, within=15.0)


async def pair(client: Client, workers: Start, url: str) -> dict[int, WorkerProcess]:
    started = [workers(url, "shop.py:agent", env=QUICK) for _ in range(2)]
    await owner_pid(client, "otter")
    await shared_by(client, 2)
    return {one.pid: one for one in started}


async def test_a_killed_owners_shard_is_taken_over_within_its_patience(
    client: Client, workers: Start, broker: Broker
) -> None:
    both = await pair(client, workers, broker.url)
    dead = await owner_pid(client, "otter")
    both[dead].kill()
    began = time.monotonic()
    assert await owner_pid(client, "otter") != dead
    assert time.monotonic() - began < PATIENCE + SLACK


async def test_a_killed_owners_task_goes_to_the_next_owner(
    client: Client, workers: Start, broker: Broker
) -> None:
    both = await pair(client, workers, broker.url)
    dead = await owner_pid(client, "otter")
    task = await client.submit("order", 60.0, key="otter")
    await asyncio.to_thread(both[dead].wait_for, f"order {task}")
    both[dead].kill()
    began = time.monotonic()
    pid, attempt, _ = await client.result(task, wait=20)
    assert (pid != dead, attempt) == (True, 2)
    assert time.monotonic() - began < PATIENCE + SLACK


async def test_an_owner_that_stood_still_neither_completes_nor_changes_anything(
    client: Client, workers: Start, broker: Broker
) -> None:
    both = await pair(client, workers, broker.url)
    still = await owner_pid(client, "otter")
    # Its handler is through as soon as it goes on; the next owner's is not yet then.
    task = await client.submit("order", 1.0, key="otter")
    await asyncio.to_thread(both[still].wait_for, f"order {task}")
    both[still].send(signal.SIGSTOP)
    (other,) = both.keys() - {still}
    await asyncio.to_thread(both[other].wait_for, f"order {task}")
    both[still].send(signal.SIGCONT)
    pid, attempt, _ = await client.result(task, wait=20)
    assert (pid, attempt) == (other, 2)
    both[still].wait_for("task.lost")
    await shared_by(client, 2)  # it is back, and has found out
    assert await owner_pid(client, "otter") in both


async def test_a_draining_worker_hands_over_at_once(
    client: Client, workers: Start, broker: Broker
) -> None:
    both = await pair(client, workers, broker.url)
    leaving = await owner_pid(client, "otter")
    both[leaving].send(signal.SIGTERM)
    began = time.monotonic()
    await asyncio.to_thread(both[leaving].ended)
    assert await owner_pid(client, "otter") != leaving
    assert time.monotonic() - began < PATIENCE
