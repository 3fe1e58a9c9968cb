"""Workers that are told to stop while tasks of several steps run (R7)."""

import asyncio
import re
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable

from pepperpy import Client
from pepperpy.stack.broker import Broker
from tests.acceptance.chaos import (
    LONG,
    STEPS,
    Workers,
    check,
    impatient,
    messages,
    submit_all,
    until_empty,
    until_ended,
)
from tests.links import Proxy

ROUNDS = 20 if LONG else 4
TASKS = 20_000 if LONG else 240
"""Tasks that are done at the least."""
BACKLOG = 100
GRACE = 0.1
STEP_SECONDS = 0.02 if LONG else 0.1


async def test_rolling_restarts_repeat_no_more_than_was_unfinished_at_the_stop(
    client: Client, broker: Broker, chains: Callable[..., Workers]
) -> None:
    """The grace is shorter than what runs: it goes on at its first unfinished step elsewhere."""
    workers = chains(
        broker.url, 2, STEP_SECONDS=f"{STEP_SECONDS}", PEPPERPY_WORKER_GRACE=f"{GRACE}s"
    )
    await workers.ready(2)
    submitted: dict[str, int] = {}
    stop = asyncio.Event()
    loading = asyncio.create_task(_load(client, submitted, stop), name="load")
    for n in range(ROUNDS):
        await until_ended(client, await messages(client, "RESULTS") + TASKS // ROUNDS, 120)
        workers.start()
        await workers.ready(3 + n)
        oldest = workers.running.pop(0)
        oldest.terminate()
        assert await asyncio.to_thread(oldest.wait, 10) == 0
    stop.set()
    await loading
    await until_empty(client, 60)
    again, executions = await check(client, workers, submitted)
    unfinished = sum(int(one) for one in re.findall(r"released\W+(\d+)", workers.logs))
    print(
        f"{len(submitted)} tasks, {ROUNDS} restarts, {unfinished} unfinished at them, "
        f"{again} steps again, {executions:.3f} executions/task"
    )
    assert unfinished
    assert again <= unfinished


async def _load(client: Client, submitted: dict[str, int], stop: asyncio.Event) -> None:
    while not stop.is_set():
        await submit_all(client, 20, submitted)
        while await messages(client, "TASKS") > BACKLOG:
            await asyncio.sleep(0.01)


async def test_a_second_signal_ends_the_worker_at_once_and_its_steps_are_kept(
    client: Client, broker: Broker, chains: Callable[..., Workers]
) -> None:
    await impatient(client, "chain", 2.0)
    workers = chains(broker.url, STEP_SECONDS="0.4")
    await workers.ready()
    submitted: dict[str, int] = {}
    await submit_all(client, 16, submitted)
    while await messages(client, "STEPS") < 3 * 16:
        await asyncio.sleep(0.01)
    (hasty,) = workers.running
    workers.start()
    hasty.terminate()
    began = time.monotonic()
    while "process.stopping" not in workers.logs:
        await asyncio.sleep(0.01)
    hasty.terminate()
    assert await asyncio.to_thread(hasty.wait, 5) == 128 + signal.SIGTERM
    assert time.monotonic() - began < 2
    await until_empty(client, 30)
    again, _ = await check(client, workers, submitted)
    assert again <= 16 < 16 * STEPS


async def test_an_idle_worker_stops_at_once_and_over_a_silent_link_in_seconds(
    client: Client,
    broker: Broker,
    proxy_to: Callable[[str], Awaitable[Proxy]],
    chains: Callable[..., Workers],
) -> None:
    link = await proxy_to(broker.url)
    workers = chains(link.url, 2)
    await workers.ready(2)
    first, second = workers.running
    assert await _stops(first) <= 2
    link.freeze()
    assert await _stops(second) <= 10


async def _stops(worker: "subprocess.Popen[bytes]") -> float:
    began = time.monotonic()
    worker.terminate()
    assert await asyncio.to_thread(worker.wait, 40) == 0
    return time.monotonic() - began
