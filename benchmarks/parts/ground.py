"""What the parts stand on: one broker, a client of ours and a raw one, timings in turn."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nats.aio.client import Client as RawClient

from benchmarks.brokers import Broker, process, scratch

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60
AGENT = "benchmarks/contenders/runtime_agent.py:agent"

Figures = dict[str, float | str | None]


@dataclass(frozen=True)
class Ground:
    """What a part is given.

    Attributes:
        broker: The broker.
        bus: A client of ours.
        raw: A client of the library below, connected to the same broker.
        samples: Timings to take of what takes milliseconds.
    """

    broker: Broker
    bus: Any
    raw: RawClient
    samples: int


@dataclass(frozen=True)
class Spread:
    """How timings are spread, in the unit in which they were taken."""

    p50: float
    p99: float

    @classmethod
    def of(cls, timings: Sequence[float]) -> "Spread":
        """Returns the spread of timings."""
        ordered = sorted(timings)
        middle, late = (ordered[round(share * (len(ordered) - 1))] for share in (0.5, 0.99))
        return cls(middle, late)


@asynccontextmanager
async def ground(broker: Broker, samples: int) -> AsyncIterator[Ground]:
    """Connects both clients."""
    import nats

    from pepperpy import connect

    raw = await nats.connect(broker.url)
    try:
        async with connect(broker.url) as bus:
            yield Ground(broker, bus, raw, samples)
    finally:
        await raw.close()


async def milliseconds(operation: Callable[[], Awaitable[object]]) -> float:
    """Returns how long one operation takes."""
    began = time.perf_counter()
    await operation()
    return (time.perf_counter() - began) * 1e3


async def in_turn(
    rounds: int, *operations: Callable[[], Awaitable[object]], warm: int = 3
) -> list[Spread]:
    """Times operations one after the other, round by round, so that all have the same machine."""
    timings: list[list[float]] = [[] for _ in operations]
    for turn in range(warm + rounds):
        for operation, found in zip(operations, timings, strict=True):
            took = await milliseconds(operation)
            if turn >= warm:
                found.append(took)
    return [Spread.of(found) for found in timings]


@contextmanager
def python(
    *arguments: str, broker: Broker, environ: dict[str, str] | None = None, **options: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """Runs the interpreter with the broker's address in its environment."""
    with scratch("runtime") as folder:
        env = {**os.environ, "PEPPERPY_NATS_URL": broker.url, **(environ or {})}
        command = [sys.executable, *arguments]
        with process(command, folder / "log", cwd=ROOT, env=env, **options) as started:
            yield started


@contextmanager
def worker(broker: Broker, **environ: str) -> Iterator[subprocess.Popen[bytes]]:
    """Runs a worker of the benchmark's agent."""
    arguments = ("-m", "pepperpy", "worker", AGENT, "-c", "100")
    with python(*arguments, broker=broker, environ=environ) as started:
        yield started


async def until(check: Callable[[], Awaitable[Any]], pause: float = 0.01) -> Any:
    """Returns what the check returns once it is true."""
    async with asyncio.timeout(PATIENCE):
        while not (found := await check()):
            await asyncio.sleep(pause)
        return found
