import asyncio
import signal
from collections.abc import Callable
from typing import Any

from pepperpy import Client
from pepperpy.stack.broker import Broker

ROUNDS = 4
BACKLOG = 100


async def test_rolling_restarts_under_load_lose_nothing_and_repeat_nothing(
    client: Client, broker: Broker, workers: Callable[..., Any], effects: Any, audit: Any
) -> None:
    up = [workers(broker.url, "counting_app.py:agent", ready=False) for _ in range(2)]
    for one in up:
        one.wait_for("worker.ready")
    stop, submitted = asyncio.Event(), {}

    async def load() -> None:
        while not stop.is_set():
            submitted.update(await audit.submit(client, "nap", range(20)))
            while await audit.count(client, "TASKS") > BACKLOG:
                await asyncio.sleep(0.01)

    loading = asyncio.create_task(load())
    for _ in range(ROUNDS):
        fresh = await asyncio.to_thread(workers, broker.url, "counting_app.py:agent")
        old = up.pop(0)
        old.send(signal.SIGTERM)
        assert await asyncio.to_thread(old.ended) == 0
        up.append(fresh)
    stop.set()
    await loading
    await audit.ended(client, len(submitted), within=60)
    assert await audit.results(client) == submitted
    assert set(effects.by_task().values()) == {1}
    assert {row[2] for row in effects.rows()} == {1}
