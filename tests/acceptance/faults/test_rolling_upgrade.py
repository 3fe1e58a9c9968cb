"""Workers of an earlier commit beside those of this one, and back again (R15)."""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pepperpy import Client
from pepperpy.stack.broker import Broker
from tests.acceptance.chaos import LONG, impatient, messages, until_empty
from tests.requirements import missing

ROOT = Path(__file__).parents[3]
ROUNDS = 5 if LONG else 1
RATE = 100.0
"""Tasks per second."""
PACKAGES = ("schemas", "bus", "agents", "pepperpy")

APP = """
import asyncio, os, pepperpy_agents
from pepperpy import Agent, Context

agent = Agent("upgraded")

async def double(n: int) -> int:
    await asyncio.sleep(0.02)
    return 2 * n

@agent.task("work", retries=5, retry_delay=0.2)
async def work(n: int, ctx: Context) -> list[str]:
    if os.environ["WITH_STEPS"]:
        assert await ctx.step("first", double, n) == 2 * n
    await asyncio.sleep(0.03)
    if ctx.attempt == 1 and n % 5 == 0:
        raise ValueError("the first attempt fails")  # another version may have the second one
    if os.environ["WITH_STEPS"]:
        assert await ctx.step("second", double, n) == 2 * n
    return [str(n), pepperpy_agents.__file__]
"""

COMMITS = {
    "before there were steps": ("5ed2ab62f47bda82c7e70684a3abc06164a4c207", ""),
    "with steps": ("f381fe67c0e64b84e7fe3212ec0ca4ba269a133d", "yes"),
}


def _checked_out(commit: str, folder: Path) -> str:
    """The import path of an earlier commit; skips when the clone does not reach so far."""
    git = ("git", "-C", str(ROOT))
    look = [*git, "cat-file", "-e", f"{commit}^{{commit}}"]
    there = subprocess.run(look, capture_output=True, check=False)
    if there.returncode:
        missing(f"commit {commit} is not in this clone: git fetch --unshallow")
    folder.mkdir()
    archive = subprocess.run(
        [*git, "archive", commit, *PACKAGES], capture_output=True, check=True
    ).stdout
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive, check=True)
    return os.pathsep.join(str(folder / one) for one in ("", *PACKAGES[:-1]))


@pytest.mark.parametrize(("commit", "steps"), COMMITS.values(), ids=COMMITS.keys())
async def test_an_upgrade_under_load_and_its_rollback_lose_and_fail_nothing(
    client: Client,
    broker: Broker,
    workers: Callable[..., Any],
    tmp_path: Path,
    commit: str,
    steps: str,
) -> None:
    (tmp_path / "upgrade_app.py").write_text(APP)
    old = {"PYTHONPATH": _checked_out(commit, tmp_path / "old"), "WITH_STEPS": steps}
    new = {"WITH_STEPS": steps}

    def start(environment: dict[str, str]) -> Any:
        return workers(
            broker.url, "upgrade_app.py:agent", env={"PEPPERPY_WORKER_GRACE": "0.02s"} | environment
        )

    # Workers of the first commit could leave a delivery behind when they stopped.
    await impatient(client, "work", 5.0)
    up = [await asyncio.to_thread(start, old) for _ in range(2)]
    took: dict[int, float] = {}
    ran_by: dict[int, str] = {}
    stop = asyncio.Event()
    loading = asyncio.create_task(_load(client, stop, took, ran_by), name="load")
    for version in [*(new, new, old, old) * (ROUNDS - 1), new, new, old, new]:
        # Each version has some of the work to itself before the next one comes.
        done = len(took)
        while len(took) < done + 20:
            await asyncio.sleep(0.01)
        fresh = await asyncio.to_thread(start, version)
        leaving = up.pop(0)
        leaving.send(signal.SIGTERM)
        assert await asyncio.to_thread(leaving.ended) == 0
        up.append(fresh)
    stop.set()
    await loading
    await until_empty(client, 30)
    assert await messages(client, "RESULTS") == len(took)
    assert await messages(client, "DLQ") == 0
    by_old = sum(str(tmp_path) in one for one in ran_by.values())
    ordered = sorted(took.values())
    p50, p99 = ordered[len(took) // 2] * 1e3, ordered[len(took) * 99 // 100] * 1e3
    print(
        f"{len(took)} tasks, {by_old} ended by workers of {commit[:7]}, none failed; "
        f"p50 {p50:.0f} ms, p99 {p99:.0f} ms, at most {ordered[-1]:.1f} s"
    )
    assert 0 < by_old < len(took)


async def _load(
    client: Client, stop: asyncio.Event, took: dict[int, float], ran_by: dict[int, str]
) -> None:
    """Submits at a steady rate; every task must end well."""

    async def one(n: int) -> None:
        began = time.monotonic()
        answer, ran_by[n] = await client.run("work", n, wait=60)
        assert answer == str(n)
        took[n] = time.monotonic() - began

    async with asyncio.TaskGroup() as group:
        n = 0
        while not stop.is_set():
            group.create_task(one(n))
            n += 1
            await asyncio.sleep(1 / RATE)
