"""What the processes of every contender share: the workload, the loop, the client's orders.

A client process reads one order a line from standard input, `COUNT IN_FLIGHT` and what else its
module takes, runs that many tasks end to end and answers with one JSON line. The measuring process
reads the CPU times of broker, workers and client around exactly that window.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any

PAYLOAD: dict[str, Any] = {"text": "x" * 222, "customer": "c42", "n": 7}
BODY = json.dumps(PAYLOAD, separators=(",", ":")).encode()
assert len(BODY) == 256, len(BODY)

IN_FLIGHT = 100

RunOne = Callable[[], Awaitable[object]]
RunMany = Callable[..., Awaitable[list[float]]]
"""Takes the numbers of an order: `COUNT IN_FLIGHT`, and what else the contender is told."""


def main(
    worker: Callable[[str], Coroutine[Any, Any, None]],
    client: Callable[[str], AbstractAsyncContextManager[RunOne]],
) -> None:
    """Runs the role named on the command line, `worker URL` or `client URL`."""
    role, url = sys.argv[1:3]
    run(worker(url) if role == "worker" else obey(client(url)))


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    """Runs a coroutine on uvloop where it is installed: the same loop for every contender."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(coroutine)


async def answer_orders(run_many: RunMany) -> None:
    """Answers each order on standard input until it is closed."""
    loop = asyncio.get_running_loop()
    print(json.dumps({"ready": True}), flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        numbers = map(int, line.split())
        started = time.perf_counter()
        latencies = await run_many(*numbers)
        seconds = time.perf_counter() - started
        print(json.dumps({"seconds": seconds, "latencies": _summary(latencies)}), flush=True)


async def forever() -> None:
    """Waits until the process is ended."""
    await asyncio.Event().wait()


async def obey(session: AbstractAsyncContextManager[RunOne]) -> None:
    async with session as run_one:

        async def run_many(count: int, in_flight: int) -> list[float]:
            latencies: list[float] = []
            shares = [count // in_flight + (i < count % in_flight) for i in range(in_flight)]
            async with asyncio.TaskGroup() as group:
                for share in shares:
                    group.create_task(_repeat(run_one, share, latencies))
            return latencies

        await answer_orders(run_many)


async def _repeat(run_one: RunOne, count: int, latencies: list[float]) -> None:
    for _ in range(count):
        started = time.perf_counter()
        await run_one()
        latencies.append(time.perf_counter() - started)


def _summary(latencies: list[float]) -> dict[str, float]:
    ordered = sorted(latencies)
    pick = {"p50": 0.50, "p99": 0.99}
    return {name: ordered[int(share * (len(ordered) - 1))] * 1e3 for name, share in pick.items()}


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
