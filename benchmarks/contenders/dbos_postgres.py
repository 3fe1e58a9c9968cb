"""DBOS on PostgreSQL: a queued workflow of journaled steps, both polling intervals at 20 ms."""

import asyncio
import sys
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

from dbos import DBOS, DBOSClient, DBOSConfig
from sqlalchemy.exc import OperationalError

from benchmarks.contenders import roles

QUEUE, WORKFLOW = "bench", "durable"
POLLING_SECONDS = 0.02
SUBMITTERS = 8
START_SECONDS = 45
VERSION = "1"


async def step(data: dict[str, Any]) -> dict[str, Any]:
    """Gives back what it was given."""
    return data


async def work(data: dict[str, Any], steps: int) -> dict[str, Any]:
    """The task: so many journaled steps."""
    for _ in range(steps):
        data = await DBOS.run_step_async({"name": "step"}, step, data)
    return data


async def worker(url: str) -> None:
    """Serves the workflows, a hundred at once."""
    config: DBOSConfig = {
        "name": "bench",
        "system_database_url": url,
        "application_version": VERSION,
        "log_level": "ERROR",
        "sys_db_pool_size": 40,
    }
    DBOS(config=config)
    DBOS.workflow(name=WORKFLOW)(work)
    DBOS.launch()
    await DBOS.register_queue_async(
        QUEUE, worker_concurrency=roles.IN_FLIGHT, polling_interval_sec=POLLING_SECONDS
    )
    await roles.forever()


def client(url: str) -> roles.RunMany:
    """Keeps a window of workflows in flight, waiting for the oldest of each submitter first."""
    dbos = _connect(url)
    pool = ThreadPoolExecutor(SUBMITTERS)

    def submit(count: int, in_flight: int, steps: int) -> list[float]:
        latencies: list[float] = []
        window: deque[tuple[float, Any]] = deque()

        def wait() -> None:
            began, handle = window.popleft()
            result = handle.get_result(polling_interval_sec=POLLING_SECONDS)
            assert result == roles.PAYLOAD
            latencies.append(time.perf_counter() - began)

        for _ in range(count):
            if len(window) == in_flight:
                wait()
            options: Any = {
                "queue_name": QUEUE,
                "workflow_name": WORKFLOW,
                "workflow_id": uuid4().hex,
                "app_version": VERSION,
            }
            began = time.perf_counter()
            window.append((began, dbos.enqueue(options, roles.PAYLOAD, steps)))
        while window:
            wait()
        return latencies

    async def run_many(count: int, in_flight: int, steps: int = 1) -> list[float]:
        loop = asyncio.get_running_loop()
        submitters = min(SUBMITTERS, in_flight, count)
        shares = [count // submitters + (n < count % submitters) for n in range(submitters)]
        jobs = [
            loop.run_in_executor(pool, submit, share, max(1, in_flight // submitters), steps)
            for share in shares
        ]
        return [one for part in await asyncio.gather(*jobs) for one in part]

    return run_many


def _connect(url: str) -> DBOSClient:
    """Connects as soon as the worker has made the database."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            return DBOSClient(system_database_url=url)
        except OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


if __name__ == "__main__":
    role, address = sys.argv[1:3]
    if role == "worker":
        roles.run(worker(address))
    else:
        roles.run(roles.answer_orders(client(address)))
