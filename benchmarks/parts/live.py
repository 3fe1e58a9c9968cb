"""How soon watchers in another process see the first piece of a task's output."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from benchmarks.brokers import Broker
from benchmarks.contenders.runtime_agent import GO
from benchmarks.parts.ground import PATIENCE, ROOT, Figures, Ground, Spread, worker
from pepperpy_schemas.tokens import new_id

READERS = 900
"""The server has room for 1000 readers of a stream, and those that have gone count for a while."""


async def first_pieces(ground: Ground, *, watchers: int) -> Figures:
    """Times the first piece from `ctx.stream` to each watcher, and a bare publish beside it.

    Args:
        ground: What it stands on.
        watchers: How many watch.
    """
    samples = min(4 * ground.samples, READERS // watchers - 1)
    with worker(ground.broker):
        await ground.bus.run("child", 0)  # it hears who says go to it now
        async with _watching(ground.broker) as process:
            pieces, bare = await _watched(ground, process, watchers, samples)
    return {
        f"first_chunk_{watchers}_p50_ms": pieces.p50,
        f"first_chunk_{watchers}_p99_ms": pieces.p99,
        f"first_chunk_{watchers}_vs_core": pieces.p50 / bare.p50,
    }


async def _watched(
    ground: Ground, watchers: Process, count: int, samples: int
) -> tuple[Spread, Spread]:
    pieces: list[float] = []
    bare: list[float] = []
    for turn in range(1 + samples):
        task_id = new_id()
        await ground.bus.submit("speak", id=task_id)
        assert watchers.stdin is not None
        watchers.stdin.write(f"{task_id} {count}\n".encode())
        await _said(watchers, "watching")
        first = await _told(ground, watchers, task_id, "first")
        plainly = await _told(ground, watchers, task_id, "bare")
        if turn:  # the first time everything is cold
            pieces += first
            bare += plainly
    return Spread.of(pieces), Spread.of(bare)


async def _told(ground: Ground, watchers: Process, task_id: str, what: str) -> list[float]:
    """Says go to the task, and returns how long what it does then took to each watcher."""
    await ground.raw.publish(f"{GO}.{task_id}")
    found: list[float] = await _said(watchers, what)
    return found


async def _said(watchers: Process, what: str) -> Any:
    assert watchers.stdout is not None
    async with asyncio.timeout(PATIENCE):
        line = await watchers.stdout.readline()
    if not line:
        raise SystemExit("the watchers ended")
    return json.loads(line)[what]


@asynccontextmanager
async def _watching(broker: Broker) -> AsyncIterator[Process]:
    arguments = ("-m", "benchmarks.contenders.watchers", broker.url)
    watchers = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, cwd=ROOT, stdin=PIPE, stdout=PIPE
    )
    try:
        await _said(watchers, "ready")
        yield watchers
    finally:
        if watchers.returncode is None:
            watchers.terminate()
        await watchers.wait()
