"""Workers whose machine's clock is wrong: what counts is the broker's (R14)."""

import asyncio
import importlib.util
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pepperpy import Client
from pepperpy.stack.broker import Broker
from pepperpy_schemas.errors import DeadlineExceeded
from tests.acceptance.chaos import LONG, until_empty
from tests.requirements import missing

TASKS = 1000 if LONG else 60
CLOCKS = ("+1h", "-1h", "-10d")
EXACT = 1.0
"""Seconds that anything may be early or late."""

APP = """
import asyncio, os, time
from pepperpy import Agent, Context

me = os.environ["FAKE_TOPIC"]
agent = Agent(me)

@agent.task(f"{me}-nap", timeout=None)
async def nap(seconds: float) -> float:
    await asyncio.sleep(seconds)
    return time.time()

@agent.task(f"{me}-sleep", timeout=None)
async def sleep(seconds: float, ctx: Context) -> None:
    await ctx.sleep(seconds)

@agent.task(f"{me}-ask", timeout=None)
async def ask(seconds: float, ctx: Context) -> str:
    return await ctx.ask("Well?", deadline=seconds, default="nobody")

@agent.task(f"{me}-later", timeout=None)
async def later(seconds: float, ctx: Context) -> float:
    return await ctx.run(f"{me}-nap", 0, delay=seconds)

@agent.task(f"{me}-lease", timeout=None)
async def lease(seconds: float, ctx: Context) -> list[float]:
    # Renewed twice while it is held; the monotonic clock is the same for all processes.
    async with ctx.resources.acquire("press", ttl="1s"):
        began = time.monotonic()
        await asyncio.sleep(seconds)
        return [began, time.monotonic()]
"""


@pytest.fixture
def misled(tmp_path: Path, broker: Broker, workers: Callable[..., Any]) -> None:
    """One worker for each wrong clock, with topics of its own."""
    found = importlib.util.find_spec("libfaketime")
    if found is None or found.origin is None:
        missing("libfaketime is not installed: it is on Linux, with the developers' packages")
    library = Path(found.origin).parent / "vendor/libfaketime/src/libfaketime.so.1"
    (tmp_path / "clock_app.py").write_text(APP)
    started = [
        workers(
            broker.url,
            "clock_app.py:agent",
            ready=False,
            env={
                "LD_PRELOAD": str(library),
                "FAKETIME": clock,
                # Timers go by the monotonic clock, which no one sets.
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                "FAKE_TOPIC": _topic(clock),
            },
        )
        for clock in CLOCKS
    ]
    for one in started:
        one.wait_for("worker.ready")


def _topic(clock: str) -> str:
    return f"c{CLOCKS.index(clock)}"


async def test_deadlines_waits_leases_and_heartbeats_go_by_the_brokers_clock(
    client: Client, misled: None
) -> None:
    await client.resources.define("press", capacity=1)
    each = max(1, TASKS // 20)
    off = await asyncio.gather(*(_one_clock(client, clock, each) for clock in CLOCKS))
    turns = await asyncio.gather(
        *(client.run(f"{_topic(clock)}-lease", 1.5, wait=30) for clock in CLOCKS)
    )
    for (_, ended), (began, _) in zip(sorted(turns)[:-1], sorted(turns)[1:], strict=True):
        assert began >= ended, "two held the one press"
    assert len(await client.registry.instances()) == len(CLOCKS)
    await until_empty(client, 10)
    print(f"{3 * 5 * each + 3} tasks, at most {max(off):.2f} s early or late")
    assert max(off) <= EXACT


async def _one_clock(client: Client, clock: str, each: int) -> float:
    """Returns by how many seconds anything was early or late."""
    topic = _topic(clock)
    (wrong,) = {
        round((await client.run(f"{topic}-nap", 0, timeout="20s", wait=20) - time.time()) / 3600)
    }
    assert wrong == {"+1h": 1, "-1h": -1, "-10d": -240}[clock]
    off = await asyncio.gather(
        *(_took(client, f"{topic}-sleep", 1.0) for _ in range(each)),
        *(_took(client, f"{topic}-ask", 1.0) for _ in range(each)),
        *(_took(client, f"{topic}-later", 1.0) for _ in range(each)),
        *(_cut_off(client, f"{topic}-nap") for _ in range(each)),
        *(_not_cut_off(client, f"{topic}-nap") for _ in range(each)),
    )
    return max(off)


async def _took(client: Client, topic: str, seconds: float) -> float:
    began = time.monotonic()
    await client.run(topic, seconds, timeout="30s", wait=30)
    return abs(time.monotonic() - began - seconds)


async def _cut_off(client: Client, topic: str) -> float:
    began = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        await client.run(topic, 30, timeout="1s", wait=30)
    return abs(time.monotonic() - began - 1.0)


async def _not_cut_off(client: Client, topic: str) -> float:
    began = time.monotonic()
    await client.run(topic, 0.5, timeout="10s", wait=30)
    return abs(time.monotonic() - began - 0.5)
