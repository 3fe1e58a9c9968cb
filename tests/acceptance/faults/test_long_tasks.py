"""Tasks that take many times the broker's patience with a silent worker (R5)."""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pepperpy import Client
from pepperpy.stack.broker import Broker
from pepperpy_bus.streams.jetstream import api
from pepperpy_schemas.subjects import stream_name
from tests.acceptance.chaos import LONG, impatient, until_empty

ACK_WAIT = 30.0 if LONG else 3.0
"""Seconds; 30 is what there is outside of tests."""
TASKS = 100 if LONG else 20
TAKES = 5 * ACK_WAIT
WITHIN = 4 * TAKES

APP = """
import asyncio, hashlib, os, sqlite3, time
from pepperpy import Agent, Context

agent = Agent("long")

def note(task_id, what):
    with sqlite3.connect("long.db", timeout=60) as db:
        db.execute("insert into seen values (?, ?, ?)", (task_id, what, os.getpid()))
    db.close()

def burn(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        hashlib.sha256(bytes(100_000)).hexdigest()

@agent.task("wait", timeout=None, concurrency=100)
async def wait(seconds: float, ctx: Context) -> int:
    note(ctx.task_id, "began")
    await asyncio.sleep(seconds)
    return os.getpid()

@agent.task("burn-thread", timeout=None)
def burn_in_thread(seconds: float, ctx: Context) -> int:
    note(ctx.task_id, "began")
    burn(seconds)
    return os.getpid()

@agent.task("burn-process", timeout=None, where="process")
def burn_in_process(given: list) -> int:
    task_id, seconds = given
    note(task_id, "began")
    burn(seconds)
    return os.getpid()

@agent.task("block", timeout=None)
async def block(seconds: float, ctx: Context) -> str:
    async def effect(what):
        note(ctx.task_id, f"{what} by {ctx.attempt}")
        return ctx.attempt

    first = await ctx.step("before", effect, "before")
    if first == ctx.attempt:
        time.sleep(seconds)  # nothing of this process goes on meanwhile
    second = await ctx.step("after", effect, "after")
    return f"{first} {second} {ctx.attempt}"
"""


class Seen:
    """What the handlers noted."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "long.db"
        with sqlite3.connect(self._path) as made:
            made.execute("create table seen (id text, what text, pid int)")
        made.close()

    def count(self) -> Counter[tuple[str, str]]:
        with sqlite3.connect(self._path) as reading:
            rows = reading.execute("select id, what from seen").fetchall()
        reading.close()
        return Counter(rows)


@pytest.fixture
def seen(tmp_path: Path) -> Seen:
    (tmp_path / "long_app.py").write_text(APP)
    return Seen(tmp_path)


async def test_a_task_that_waits_or_computes_for_long_is_never_delivered_twice(
    client: Client, broker: Broker, workers: Callable[..., Any], seen: Seen
) -> None:
    for topic in ("wait", "burn-thread", "burn-process"):
        await impatient(client, topic, ACK_WAIT)
    for _ in range(2):
        workers(broker.url, "long_app.py:agent")
    waiting = [await client.submit("wait", TAKES) for _ in range(TASKS)]
    burning = [await client.submit("burn-thread", TAKES)]
    burning.append(await client.submit("burn-process", ["burning", TAKES], id="burning"))
    for task_id in (*waiting, *burning):
        await client.result(task_id, wait=WITHIN)
    await until_empty(client, 10)
    again = [await _redelivered(client, topic) for topic in ("wait", "burn-thread", "burn-process")]
    print(f"{TASKS} that wait, 2 that compute, {TAKES:g} s each: {sum(again)} delivered again")
    assert again == [0, 0, 0]
    assert seen.count() == {(one, "began"): 1 for one in (*waiting, *burning)}


async def _redelivered(client: Client, topic: str) -> int:
    """How many deliveries there were beyond the first of each task."""
    stream = stream_name(client.prefix, "TASKS")
    delivered = (await api(client.connection, f"CONSUMER.INFO.{stream}.w_{topic}"))["delivered"]
    results = [
        one async for one in client.events(f"task.started.{topic}", since="1h", until_end=True)
    ]
    return int(delivered["consumer_seq"]) - len({one.id for one in results})


async def test_a_worker_whose_loop_is_blocked_loses_its_task_and_can_change_nothing_of_it(
    client: Client, broker: Broker, workers: Callable[..., Any], seen: Seen
) -> None:
    await impatient(client, "block", ACK_WAIT)
    blocked = workers(broker.url, "long_app.py:agent")
    task_id = await client.submit("block", TAKES / 2)
    while not seen.count():
        await asyncio.sleep(0.01)
    workers(broker.url, "long_app.py:agent")
    answer = await client.result(task_id, wait=WITHIN)
    # What the blocked worker had asked for may be this task's next delivery, too.
    first, second, last = answer.split()
    assert first == "1" < second == last
    await asyncio.to_thread(blocked.wait_for, "task.lost", 1, WITHIN)
    await until_empty(client, 10)
    # The slower copy did its second step, and could not write that.
    assert seen.count() == {
        (task_id, "before by 1"): 1,
        (task_id, f"after by {last}"): 1,
        (task_id, "after by 1"): 1,
    }
    assert await client.result(task_id) == answer
    steps = (await client.explain(task_id)).steps
    assert [(one.name, one.attempt) for one in steps] == [("before", 1), ("after", int(last))]
