import asyncio
import time
from collections.abc import Callable
from typing import Any

from pepperpy import Client, connect
from pepperpy.stack.broker import Broker

BACK_WITHIN = 2.0
"""Seconds from the restart to the first result."""


async def test_every_acknowledged_submit_ends_although_the_broker_is_killed(
    own_broker: Broker, prefix: str, workers: Callable[..., Any], effects: Any, audit: Any
) -> None:
    async with connect(own_broker.url, bus__prefix=prefix) as client:
        await audit.impatient(client, "count", 3.0)
        for one in [workers(own_broker.url, "counting_app.py:agent", ready=False) for _ in "ab"]:
            one.wait_for("worker.ready")
        stop, submitted = asyncio.Event(), {}

        async def load(lane: int) -> None:
            n = lane
            while not stop.is_set():
                task_id = await client.submit("count", n)
                submitted[task_id] = n
                n += 4
                await asyncio.sleep(0.002)  # a steady load, not the most there can be

        lanes = [asyncio.create_task(load(lane)) for lane in range(4)]
        for _ in range(2):
            await _more(audit, client, 300)
            own_broker.kill()
            await own_broker.start()
            back = await _first_answer(client)
            print(f"first result {back:.2f} s after the restart")
            assert back < BACK_WITHIN
        await _more(audit, client, 300)
        stop.set()
        await asyncio.gather(*lanes)
        await audit.ended(client, len(submitted), within=60)
        results = await audit.results(client)
    assert {task_id: results.get(task_id) for task_id in submitted} == submitted
    repeats = sum(effects.by_task().values()) - len(effects.by_task())
    print(f"{len(submitted)} tasks, {repeats} repeats")


async def _more(audit: Any, client: Client, count: int) -> None:
    target = await audit.count(client, "RESULTS") + count
    async with asyncio.timeout(30):
        while await audit.count(client, "RESULTS") < target:
            await asyncio.sleep(0.02)


async def _first_answer(client: Client) -> float:
    began = time.monotonic()
    await client.run("count", -1, priority="high", wait=20)  # not behind the backlog
    return time.monotonic() - began
