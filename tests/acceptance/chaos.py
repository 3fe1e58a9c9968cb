"""Workers and brokers killed at random while tasks of several steps run, and what must hold after.

The promise: every task ends once, no finished step is done again, and whoever lost a task changes
nothing any more. The effects of the steps are counted outside the bus, in SQLite.
"""

import asyncio
import contextlib
import os
import random
import sqlite3
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import msgspec

from pepperpy import Client
from pepperpy_bus.streams.consumers import resume_consumer, task_consumer
from pepperpy_bus.streams.follow import follow
from pepperpy_bus.streams.jetstream import api
from pepperpy_bus.streams.provision import ensure_consumer
from pepperpy_schemas.catalog.tasks import RESULT, RESUME, STEP, TASK
from pepperpy_schemas.errors import PepperError
from pepperpy_schemas.messages import ClaimEntry, StepEntry
from pepperpy_schemas.subjects import stream_name

LONG = "CHAOS_TASKS" in os.environ
"""Whether the long forms are asked for: `make chaos`."""
STEPS = 4
ACK_WAIT = 4.0
"""Seconds after which the tasks of a killed worker go to another."""

APP = f"""
import asyncio, os, sqlite3
from pepperpy import Agent, Context

agent = Agent("chain")
effects = sqlite3.connect("chain.db", isolation_level=None, timeout=60)
effects.execute("pragma synchronous = off")

@agent.task("chain", retries=20, retry_delay=0.1)
async def chain(n: int, ctx: Context) -> int:
    async def effect(step: int) -> int:
        row = (ctx.task_id, step, ctx.attempt, os.getpid())
        effects.execute("insert into effects values (?, ?, ?, ?)", row)
        await asyncio.sleep(float(os.environ.get("STEP_SECONDS", 0)))
        return n + step

    total = 0
    for step in range({STEPS}):
        total += await ctx.step(f"step{{step}}", effect, step)
    return total
"""


class Report(msgspec.Struct):
    """What a run came to."""

    tasks: int
    seconds: float
    worker_kills: int
    broker_kills: int
    executions_per_task: float
    steps_done_again: int
    """Effects whose worker was killed, or fenced, before they were in the journal."""


class Workers:
    """Worker processes, of which one dies now and then.

    Args:
        folder: Where they run, log and count.
        url: The broker.
        prefix: The deployment.
        count: How many are started at once.
        environment: More variables for them.
    """

    def __init__(self, folder: Path, url: str, prefix: str, count: int, **environment: str) -> None:
        (folder / "chain_app.py").write_text(APP)
        with sqlite3.connect(folder / "chain.db") as made:
            made.execute("pragma journal_mode = wal")
            made.execute("create table effects (id text, step int, attempt int, pid int)")
        made.close()
        self._folder = folder
        self._environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("PEPPERPY_")},
            "PEPPERPY_NATS_URL": url,
            "PEPPERPY_BUS_PREFIX": prefix,
            **environment,
        }
        self._running: list[subprocess.Popen[bytes]] = []
        self._started = 0
        self.kills = 0
        for _ in range(count):
            self.start()

    def start(self, **environment: str) -> "subprocess.Popen[bytes]":
        """Starts one more."""
        self._started += 1
        with (self._folder / f"chain{self._started}.log").open("wb") as log:
            one = subprocess.Popen(
                [sys.executable, "-m", "pepperpy", "worker", "chain_app.py:agent"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                env={**self._environment, **environment},
            )
        self._running.append(one)
        return one

    def kill_one(self, chance: random.Random) -> None:
        """Kills any of them, and starts another."""
        victim = chance.choice(self._running)
        victim.kill()
        victim.wait()
        self._running.remove(victim)
        self.kills += 1
        self.start()

    @property
    def running(self) -> list["subprocess.Popen[bytes]"]:
        """Those that were not killed, the oldest first."""
        return self._running

    @property
    def logs(self) -> str:
        """What all of them wrote."""
        return "".join(one.read_text() for one in sorted(self._folder.glob("chain*.log")))

    async def ready(self, count: int = 1, within: float = 30.0) -> None:
        """Returns when so many have become ready since the beginning."""
        async with asyncio.timeout(within):
            while self.logs.count("worker.ready") < count:
                await asyncio.sleep(0.02)

    def stop(self) -> None:
        for one in self._running:
            one.terminate()
        for one in self._running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                one.wait(15)
            one.kill()
            one.wait()

    def effects(self) -> list[tuple[str, int, int, int]]:
        with sqlite3.connect(self._folder / "chain.db") as reading:
            rows = reading.execute("select id, step, attempt, pid from effects").fetchall()
        reading.close()
        return rows


async def run_chaos(
    client: Client,
    workers: Workers,
    *,
    tasks: int,
    kill_every: float,
    broker_kills: int,
    kill_broker: Callable[[], Awaitable[None]],
    seed: int,
    within: float,
) -> Report:
    """Submits the tasks, kills at random until all have ended, and checks what the bus kept."""
    chance, began = random.Random(seed), time.monotonic()
    await impatient(client, "chain", ACK_WAIT)
    submitted: dict[str, int] = {}
    async with _killing(workers, chance, kill_every):
        submitting = asyncio.create_task(submit_all(client, tasks, submitted), name="submit")
        for n in range(1, broker_kills + 1):
            await until_ended(client, tasks * n // (broker_kills + 1), within)
            await kill_broker()
        await submitting
        await until_ended(client, tasks, within)
    seconds = time.monotonic() - began
    again, executions = await check(client, workers, submitted)
    return Report(
        tasks, round(seconds, 1), workers.kills, broker_kills, round(executions, 3), again
    )


async def submit_all(client: Client, tasks: int, submitted: dict[str, int]) -> None:
    """Submits that many tasks, twenty at a time, and notes their ids and numbers."""

    async def lane(numbers: range) -> None:
        for n in numbers:
            submitted[await client.submit("chain", n)] = n

    await asyncio.gather(*(lane(range(start, tasks, 20)) for start in range(20)))


@contextlib.asynccontextmanager
async def _killing(workers: Workers, chance: random.Random, every: float) -> AsyncIterator[None]:
    async def kill() -> None:
        while True:
            await asyncio.sleep(every)
            await asyncio.to_thread(workers.kill_one, chance)

    killing = asyncio.create_task(kill(), name="kill")
    try:
        yield
    finally:
        killing.cancel()
        await asyncio.gather(killing, return_exceptions=True)


async def until_ended(client: Client, results: int, within: float) -> None:
    """Returns when there are that many results; a broker that is away is waited for."""
    name = stream_name(client.prefix, "RESULTS")
    async with asyncio.timeout(within):
        while True:
            with contextlib.suppress(PepperError):
                info = await api(client.connection, f"STREAM.INFO.{name}")
                if info["state"]["messages"] >= results:
                    return
            await asyncio.sleep(0.1)


async def impatient(client: Client, topic: str, seconds: float, *, deliveries: int = 0) -> None:
    """Makes the consumers of a topic hand the tasks of dead workers over soon, or not so often."""
    for suffix, config in (
        (TASK.stream, task_consumer(client.prefix, topic)),
        (TASK.stream, task_consumer(client.prefix, topic, high=True)),
        (RESUME.stream, resume_consumer(client.prefix, topic)),
    ):
        config["ack_wait"] = int(seconds * 1e9)
        config["max_deliver"] = deliveries or config["max_deliver"]
        await ensure_consumer(client.connection, stream_name(client.prefix, suffix), config)


async def messages(client: Client, suffix: str) -> int:
    """Returns how many messages a stream of the deployment has."""
    name = stream_name(client.prefix, suffix)
    return int((await api(client.connection, f"STREAM.INFO.{name}"))["state"]["messages"])


async def until_empty(client: Client, within: float) -> None:
    """Returns when no task is left in the queue."""
    async with asyncio.timeout(within):
        while await messages(client, "TASKS"):
            await asyncio.sleep(0.05)


async def check(client: Client, workers: Workers, submitted: dict[str, int]) -> tuple[int, float]:
    """Checks that every task ended once, with what its steps give; see `_check_journals`."""
    results = await _results(client)
    assert {one: results.get(one) for one in submitted} == {
        one: STEPS * n + sum(range(STEPS)) for one, n in submitted.items()
    }
    assert len(results) == len(submitted)
    return await _check_journals(client, workers.effects(), len(submitted))


async def _read(client: Client, suffix: str, pattern: str) -> AsyncIterator[tuple[str, bytes]]:
    stream = stream_name(client.prefix, suffix)
    async with follow(client.connection, stream, [pattern]) as follower:
        async for delivery in follower.until_end():
            yield delivery.subject, delivery.body


async def _results(client: Client) -> dict[str, int]:
    found: dict[str, int] = {}
    async for subject, body in _read(client, "RESULTS", RESULT.pattern(client.prefix)):
        task_id, result = RESULT.parse(client.prefix, subject)["id"], RESULT.decode(body)
        assert task_id not in found, f"{task_id} has two results"
        assert result.ok, (task_id, result.error)
        found[task_id] = int(bytes(result.data))
    return found


async def _check_journals(
    client: Client, effects: list[tuple[str, int, int, int]], tasks: int
) -> tuple[int, float]:
    """Checks that no step was done again after it was journaled, and that no zombie wrote.

    Returns:
        How many steps were done again because their first effect was not journaled, and how many
        executions a task had on average.
    """
    done: dict[tuple[str, int], int] = {}
    latest: dict[str, int] = defaultdict(lambda: 1)
    async for subject, body in _read(client, "STEPS", STEP.pattern(client.prefix)):
        task_id, entry = STEP.parse(client.prefix, subject)["id"], STEP.decode(body)
        attempt = getattr(entry, "attempt", None)
        if attempt is not None:
            assert attempt >= latest[task_id], f"{task_id}: attempt {attempt} wrote after its end"
            latest[task_id] = attempt
        if isinstance(entry, ClaimEntry):
            latest[task_id] = entry.attempt
        if isinstance(entry, StepEntry):
            place = (task_id, entry.n - 1)
            assert place not in done, f"{place} is in the journal twice"
            done[place] = entry.attempt
    assert len(done) == tasks * STEPS
    counts: dict[tuple[str, int], list[int]] = defaultdict(list)
    for task_id, step, attempt, _ in effects:
        counts[task_id, step].append(attempt)
    for place, attempts in counts.items():
        assert done[place] in attempts
        late = [one for one in attempts if one > done[place]]
        assert not late, f"{place} was done again by {late}, after attempt {done[place]}"
        # A crashed broker takes what it delivered for new. Who comes second as a first attempt is
        # fenced by the journal's first entry, which is written while the first step is done.
        twice = len(set(attempts)) < len(attempts)
        assert not twice or place[1] == 0, f"{place} was done twice in one attempt"
    assert set(counts) == set(done)
    again = sum(len(attempts) - 1 for attempts in counts.values())
    executions = {(task_id, attempt, pid) for task_id, _, attempt, pid in effects}
    return again, len(executions) / tasks
