"""dramatiq with its Redis broker and its Redis result backend."""

import os
import sys
import time
from collections import deque
from typing import Any

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

from benchmarks.contenders import roles

URL = "PEPPERPY_BENCH_REDIS_URL"
THREADS = 8


def _broker(url: str) -> RedisBroker:
    broker = RedisBroker(url=url)  # type: ignore[no-untyped-call]  # dramatiq is half typed
    results = Results(backend=RedisBackend(url=url))  # type: ignore[no-untyped-call]
    broker.add_middleware(results)
    return broker


if __name__ == "__main__":
    os.environ[URL] = sys.argv[2]
dramatiq.set_broker(_broker(os.environ[URL]))


@dramatiq.actor(store_results=True)
def noop(data: dict[str, Any]) -> dict[str, Any]:
    """The task: gives back what it was given."""
    return data


async def run_many(count: int, in_flight: int) -> list[float]:
    """Keeps a window of messages in flight, waiting for the oldest one first."""
    latencies: list[float] = []
    window: deque[tuple[float, dramatiq.Message[Any]]] = deque()
    for _ in range(count):
        if len(window) == in_flight:
            latencies.append(_wait(*window.popleft()))
        window.append((time.perf_counter(), noop.send(roles.PAYLOAD)))
    latencies.extend(_wait(*each) for each in window)
    return latencies


def _wait(sent: float, message: dramatiq.Message[Any]) -> float:
    assert message.get_result(block=True, timeout=30_000) == roles.PAYLOAD
    return time.perf_counter() - sent


def _become_worker() -> None:
    command = [sys.executable, "-m", "dramatiq", __spec__.name, "--processes", "1"]
    os.execv(sys.executable, [*command, "--threads", str(THREADS), "--skip-logging"])


if __name__ == "__main__":
    if sys.argv[1] == "worker":
        _become_worker()
    roles.run(roles.answer_orders(run_many))
