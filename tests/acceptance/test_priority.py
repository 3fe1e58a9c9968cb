"""A high-priority task does not wait behind a long backlog, be it new or going on after a wait."""

import time
from collections.abc import Callable
from typing import Any

from pepperpy import Client
from pepperpy.stack.broker import Broker

BACKLOG = 10_000


async def test_a_high_task_starts_within_a_second_behind_ten_thousand(
    client: Client, broker: Broker, workers: Callable[..., Any], effects: Any, audit: Any
) -> None:
    await audit.submit(client, "nap", range(BACKLOG))
    workers(broker.url, "counting_app.py:agent", "-c", "4")
    for _ in range(3):
        began = time.monotonic()
        task_id = await client.submit("nap", -1, priority="high")
        assert await client.result(task_id, wait=10) == -1
        took = time.monotonic() - began
        waiting = await audit.count(client, "TASKS")
        print(f"a high task took {took:.3f} s with {waiting} waiting")
        assert waiting > BACKLOG / 2
        assert took < 1.0
    assert effects.by_task()[task_id] == 1
