"""Tasks that come much faster than they are done (R11)."""

import asyncio
import os
import time
from collections.abc import Callable
from typing import Any

import psutil

from pepperpy import Client
from pepperpy.stack.broker import Broker
from pepperpy_bus.streams.jetstream import api
from pepperpy_schemas.errors import QueueFull
from pepperpy_schemas.subjects import stream_name
from tests.acceptance.chaos import LONG, messages, until_empty

TASKS = 50_000 if LONG else 4000
ROOM = 1000 if LONG else 200
"""Tasks that the queue takes before it refuses more."""
MEMORY = 100 * 1024 * 1024
LANES = 200


async def test_a_full_queue_refuses_tasks_and_drops_none_that_it_took(
    client: Client, broker: Broker, workers: Callable[..., Any], effects: Any, audit: Any
) -> None:
    await _limit(client, ROOM)
    worker = workers(broker.url, "counting_app.py:agent", env={"PEPPERPY_WORKER_CONCURRENCY": "4"})
    processes = [psutil.Process(os.getpid()), psutil.Process(worker.pid)]
    before = [one.memory_info().rss for one in processes]
    grown = 0
    taken: dict[str, int] = {}
    refused = 0
    began = time.monotonic()

    async def lane(numbers: range) -> None:
        nonlocal refused, grown
        for n in numbers:
            try:
                taken[await client.submit("nap", n)] = n
            except QueueFull:
                refused += 1
            if n % 1000 == 0:
                now = [one.memory_info().rss for one in processes]
                grown = max(grown, *(a - b for a, b in zip(now, before, strict=True)))

    await asyncio.gather(*(lane(range(start, TASKS, LANES)) for start in range(LANES)))
    seconds = time.monotonic() - began
    waiting = await messages(client, "TASKS")
    assert waiting <= ROOM
    await until_empty(client, 120 + TASKS / 50)
    assert await audit.results(client) == taken
    assert set(effects.by_task()) == set(taken)
    print(
        f"{TASKS} tasks at {TASKS / seconds:.0f}/s: {len(taken)} taken, {refused} refused, "
        f"memory grew by {grown / 1e6:.0f} MB"
    )
    assert refused + len(taken) == TASKS
    assert refused > len(taken)
    assert grown <= MEMORY


async def _limit(client: Client, tasks: int) -> None:
    """Makes the queue small, as an operator may."""
    name = stream_name(client.prefix, "TASKS")
    config = (await api(client.connection, f"STREAM.INFO.{name}"))["config"]
    await api(client.connection, f"STREAM.UPDATE.{name}", {**config, "max_msgs": tasks})
