"""Tasks that fail, kill their worker or never end, among good ones (R6)."""

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from pepperpy import Client
from pepperpy.stack.broker import Broker
from pepperpy_bus.streams.jetstream import store
from pepperpy_schemas.catalog.tasks import TASK
from tests.acceptance.chaos import LONG, impatient, messages, until_empty

GOOD = 5000 if LONG else 400
EACH = 28 if LONG else 2
"""Poisonous tasks of each kind; of those that hang their worker half as many."""
ACK_WAIT = 2.0
DELIVERIES = 3
MAX_STALL = "1500ms"
WORKERS = 3
WITHIN = 600 if LONG else 90

APP = """
import asyncio, ctypes, os, pathlib, signal
from pepperpy import Agent

agent = Agent("tasters")

@agent.task("good")
async def good(n: int) -> int:
    await asyncio.sleep(0.005)
    return n

@agent.task("raises", retries=2, retry_delay=0.05)
async def raises(n: int) -> int:
    if not pathlib.Path("mended").exists():
        raise ValueError(f"no {n}")
    return n

@agent.task("exits")
async def exits(n: int) -> int:
    os._exit(3)

@agent.task("crashes")
async def crashes(n: int) -> int:
    signal.signal(signal.SIGSEGV, signal.SIG_DFL)
    return ctypes.string_at(0)

@agent.task("hangs")
async def hangs(n: int) -> int:
    while True:
        pass

@agent.task("hangs-in-process", where="process", timeout=1, retries=0)
def hangs_in_process(n: int) -> int:
    while True:
        pass

@agent.task("exits-in-process", where="process", retries=1, retry_delay=0.05)
def exits_in_process(n: int) -> int:
    os._exit(3)
"""

REASONS = {
    "raises": {"handler_error"},
    "exits": {"crash_loop"},
    "crashes": {"crash_loop"},
    "hangs": {"crash_loop"},
    "hangs-in-process": {"timeout", "unavailable"},
    # Killed with one that overran, or by itself: both end its process.
    "exits-in-process": {"unavailable"},
    "good": {"bad_payload"},
}


@contextlib.asynccontextmanager
async def _kept_up(start: Callable[[], Any]) -> AsyncIterator[list[Any]]:
    """Starts another worker for each one that died."""
    deaths: list[Any] = []
    running = [start() for _ in range(WORKERS)]

    async def keep() -> None:
        while True:
            await asyncio.sleep(0.1)
            for dead in [one for one in running if one.code is not None]:
                running.remove(dead)
                deaths.append(dead)
                running.append(await asyncio.to_thread(start))

    for one in running:
        await asyncio.to_thread(one.wait_for, "worker.ready")
    keeping = asyncio.create_task(keep(), name="keep-up")
    try:
        yield deaths
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


async def test_poison_ends_as_one_dead_letter_each_and_good_tasks_complete(
    client: Client, broker: Broker, workers: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "poison_app.py").write_text(APP)
    for topic in ("exits", "crashes", "hangs"):
        await impatient(client, topic, ACK_WAIT, deliveries=DELIVERIES)
    for topic in ("good", "raises", "hangs-in-process", "exits-in-process"):
        await impatient(client, topic, ACK_WAIT)
    environment = {"PEPPERPY_WORKER_MAX_STALL": MAX_STALL}

    def start() -> Any:
        return workers(broker.url, "poison_app.py:agent", ready=False, env=environment)

    poison: dict[str, str] = {}
    async with _kept_up(start) as deaths:
        calm = await _run_good(client, GOOD // 4)
        upset: list[float] = []
        # By themselves: beside the others they would be killed by those.
        others = [one for one in REASONS if one != "hangs"]
        for topics, each in ((others, EACH), (["hangs"], EACH // 2)):
            running = asyncio.create_task(_run_good(client, GOOD // 2), name="good")
            for topic in random.Random(7).sample(topics * each, len(topics) * each):
                poison[await _submit(client, topic, len(poison))] = topic
            upset += await running
            for task_id in poison:
                await client.ended(task_id, wait=WITHIN)
        await until_empty(client, WITHIN)
        codes = Counter(one.code for one in deaths)
        letters = await _check_letters(client, poison)
        assert await messages(client, "RESULTS") == len(calm) + len(upset) + len(poison)
        (tmp_path / "mended").touch()
        await _check_replay(client, letters["raises"])
    print(
        f"{len(upset)} good and {len(poison)} bad, workers' ends {dict(codes)}; good ones' p99 "
        f"{_p99(calm) * 1e3:.0f} ms before, {_p99(upset) * 1e3:.0f} ms meanwhile"
    )
    # Which of those that wait beside each other ends their worker first is chance.
    assert 70 in codes
    assert {70} < set(codes) <= {3, -11, 70}


async def _submit(client: Client, topic: str, n: int) -> str:
    if topic != "good":
        return await client.submit(topic, n)
    task_id = f"bad-{n}"
    subject = TASK.of(client.prefix, topic=topic, id=task_id)
    await store(client.connection, subject, b"{", msg_id=task_id)
    return task_id


async def _run_good(client: Client, count: int) -> list[float]:
    """Returns the seconds that each took from its submission."""
    took: list[float] = []

    async def lane(numbers: range) -> None:
        for n in numbers:
            began = time.monotonic()
            assert await client.run("good", n, wait=WITHIN) == n
            took.append(time.monotonic() - began)

    await asyncio.gather(*(lane(range(start, count, 10)) for start in range(10)))
    return took


def _p99(seconds: list[float]) -> float:
    return sorted(seconds)[len(seconds) * 99 // 100]


async def _check_letters(client: Client, poison: dict[str, str]) -> dict[str, list[Any]]:
    """Each has a failed result and one letter, with the reason and the attempts."""
    filed = [one async for one in client.dead_letters.find()]
    assert sorted(one.letter.task_id for one in filed) == sorted(poison)
    by_topic: dict[str, list[Any]] = {topic: [] for topic in REASONS}
    for one in filed:
        letter = one.letter
        topic = poison[letter.task_id]
        by_topic[topic].append(one)
        ended = await client.ended(letter.task_id)
        assert not ended.result.ok
        assert ended.result.error is not None
        assert ended.result.error.code == letter.reason
        assert letter.reason in REASONS[topic], letter
        assert letter.attempts, letter
        if letter.reason == "crash_loop":
            assert letter.deliveries == DELIVERIES
        if topic == "raises":
            failed = [a.error.code for a in letter.attempts if a.error is not None]
            assert failed == ["handler_error"] * 3
    return by_topic


async def _check_replay(client: Client, letters: list[Any]) -> None:
    """What was mended is done when its letter is sent again; then the letter can go."""
    for one in letters:
        task_id = await client.dead_letters.replay(one)
        assert f"no {await client.result(task_id, wait=30)}" in one.letter.error.message
        await client.dead_letters.drop(one.seq)
    assert [one async for one in client.dead_letters.find(topic="raises")] == []


async def test_a_worker_ends_itself_when_a_handler_blocks_it_for_too_long_and_not_before(
    client: Client, broker: Broker, workers: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "block_app.py").write_text(
        "import time\nfrom pepperpy import Agent\nagent = Agent('a')\n"
        "@agent.task('block')\nasync def block(seconds: float) -> str:\n"
        "    time.sleep(seconds)\n    return 'woke'\n"
    )
    worker = workers(broker.url, "block_app.py:agent", env={"PEPPERPY_WORKER_MAX_STALL": "3s"})
    assert await client.run("block", 1.5, wait=10) == "woke"
    assert worker.code is None
    await client.submit("block", 60)
    assert await asyncio.to_thread(worker.ended, 15) == 70
    assert "worker.stands_still" in worker.log
    assert "block_app.py, line 6" in worker.log
