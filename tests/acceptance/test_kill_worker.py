import asyncio
from collections.abc import Callable
from typing import Any

from pepperpy import Client
from pepperpy.stack.broker import Broker

COUNT = 600


async def test_a_killed_worker_loses_nothing_and_its_attempts_are_visible(
    client: Client, broker: Broker, workers: Callable[..., Any], effects: Any, audit: Any
) -> None:
    await audit.impatient(client, "nap", 2.0)
    three = [workers(broker.url, "counting_app.py:agent", "-c", "4", ready=False) for _ in range(3)]
    for one in three:
        one.wait_for("worker.ready")
    submitting = asyncio.create_task(audit.submit(client, "nap", range(COUNT)))
    async with asyncio.timeout(20):
        while await audit.count(client, "RESULTS") < COUNT // 10:
            await asyncio.sleep(0.01)
    three[1].kill()
    submitted = await submitting
    await audit.ended(client, COUNT, within=60)
    assert await audit.results(client) == submitted
    repeated = {task_id for task_id, times in effects.by_task().items() if times > 1}
    assert repeated, "the killed worker held tasks"
    for task_id in repeated:
        found = client.events(f"task.*.nap.{task_id}", since="1h", until_end=True)
        told = [(one.verb, one.event.attempt) async for one in found]
        assert ("started", 1) in told
        assert ("started", 2) in told
        assert told[-1] == ("completed", 2)
    # One that was delivered and not begun when its worker died counts as an attempt, too.
    again = {row[0] for row in effects.rows() if row[2] > 1}
    assert repeated <= again
    assert len(again) <= 4  # its slots
