"""A broker that is away for long, at the workers' start and while they work (R9)."""

import asyncio
import time
from collections.abc import Callable

from pepperpy import Client, connect
from pepperpy.stack.broker import Broker
from tests.acceptance.chaos import (
    LONG,
    Workers,
    check,
    impatient,
    messages,
    submit_all,
    until_empty,
    until_ended,
)

TASKS = 500 if LONG else 200
AWAY = 150.0 if LONG else 4.0
RESUMES_WITHIN = 5.0


async def test_workers_wait_for_a_broker_that_is_away_and_go_on_soon_after(
    own_broker: Broker, prefix: str, chains: Callable[..., Workers]
) -> None:
    async with connect(own_broker.url, bus__prefix=prefix, patient=True) as client:
        await impatient(client, "chain", 4.0)
        submitted: dict[str, int] = {}
        await submit_all(client, TASKS // 2, submitted)
        own_broker.kill()
        workers = chains(own_broker.url, 2, STEP_SECONDS="0.05")
        first = await _return_of(own_broker, client, 0)
        await until_ended(client, len(submitted), 60)
        submitting = asyncio.create_task(submit_all(client, TASKS, submitted), name="submit")
        await until_ended(client, TASKS * 3 // 4, 60)
        await submitting
        done = await messages(client, "RESULTS")
        own_broker.kill()
        second = await _return_of(own_broker, client, done)
        await until_ended(client, len(submitted), 60)
        await until_empty(client, 60)
        again, executions = await check(client, workers, submitted)
    print(
        f"{len(submitted)} tasks, away {AWAY:g} s twice: results {first:.1f} s and {second:.1f} s "
        f"after its return, {executions:.3f} executions/task, {again} steps again"
    )
    assert [one.poll() for one in workers.running] == [None, None]
    assert max(first, second) <= RESUMES_WITHIN


async def _return_of(broker: Broker, client: Client, results: int) -> float:
    """Returns the seconds from the broker's return to the next result."""
    await asyncio.sleep(AWAY)
    await broker.start()
    began = time.monotonic()
    await until_ended(client, results + 1, 60)
    return time.monotonic() - began
