"""States on the bus: many change them at once, processes die, and no change is lost or doubled."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pepperpy import Client, connect
from pepperpy.stack.broker import Broker
from pepperpy.stack.conf import role_logins
from pepperpy_bus.streams.blobs import Blobs
from pepperpy_bus.streams.kv import Bucket
from pepperpy_capabilities.learning.states import bodies, marks
from pepperpy_schemas.errors import (
    BadExample,
    BadName,
    Conflict,
    PepperError,
    PermissionDenied,
    TooBig,
)
from pepperpy_schemas.learner_state import LEARNED, Marks
from tests.capabilities.learning import collecting
from tests.capabilities.learning.collecting import Collected, keeping, once

ROOT = Path(__file__).parents[3]


def start(broker: Broker, prefix: str, inline: int, words: list[str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", collecting.__name__, broker.url, prefix, "w", str(inline), *words],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


async def go(*processes: "subprocess.Popen[str]") -> None:
    """Lets processes begin, when all of them are ready."""
    for one in processes:
        assert one.stdout is not None
        assert await asyncio.to_thread(one.stdout.readline) == "ready\n"
    for one in processes:
        assert one.stdin is not None
        one.stdin.close()
        one.stdin = None


async def words_of(client: Client, prefix: str, name: str = "w") -> list[str]:
    async with keeping(client.connection, prefix) as keeper:
        return (await keeper.read(name, lambda one: list(one.words))).outcome or []


def adding(word: str) -> Callable[[Collected], int]:
    return lambda one: one.add(word)


async def objects(client: Client, prefix: str) -> int:
    return len(await Blobs(client.connection, prefix, bucket=LEARNED).listed())


@pytest.mark.parametrize("inline", [1 << 16, 8])
async def test_processes_that_learn_at_once_lose_nothing(
    client: Client, broker: Broker, prefix: str, inline: int
) -> None:
    told = [[f"{process}-{n}" for n in range(60)] for process in range(3)]
    processes = [start(broker, prefix, inline, words) for words in told]
    await go(*processes)
    outputs = await asyncio.gather(*(asyncio.to_thread(one.communicate) for one in processes))
    assert [one.returncode for one in processes] == [0, 0, 0]
    heard = await words_of(client, prefix)
    assert sorted(heard) == sorted(word for words in told for word in words)
    # They were really in each other's way: none of them made all versions in a row.
    versions = [{int(line.split()[1]) for line in out.splitlines()} for out, _ in outputs]
    assert any(max(one) - min(one) >= len(one) for one in versions)
    if inline == 8:
        assert await objects(client, prefix) == 1


async def test_a_process_that_is_killed_loses_nothing_acknowledged_and_doubles_nothing(
    client: Client, broker: Broker, prefix: str
) -> None:
    words = [f"w{n}" for n in range(24)]
    acknowledged: set[str] = set()
    for lines in (1, 4, 7, 2):
        process = start(broker, prefix, 8, words)
        await go(process)
        assert process.stdout is not None
        for _ in range(lines):
            line = await asyncio.to_thread(process.stdout.readline)
            acknowledged.add(line.split()[0])
        process.kill()
        process.communicate()
        heard = await words_of(client, prefix)
        assert acknowledged <= set(heard)
        assert len(heard) == len(set(heard))
    last = start(broker, prefix, 8, words)
    await go(last)
    out, _ = await asyncio.to_thread(last.communicate)
    assert [line.split()[2] for line in out.splitlines()].count("True") >= len(acknowledged)
    assert sorted(await words_of(client, prefix)) == sorted(words)


async def test_changes_that_come_together_are_stored_together(client: Client, prefix: str) -> None:
    async with keeping(client.connection, prefix) as keeper:
        words = [f"w{n}" for n in range(100)]
        made = await asyncio.gather(*(keeper.change("w", adding(word)) for word in words))
    assert [one.outcome for one in made] == list(range(1, 101))
    assert made[-1].version < 10


async def test_a_change_that_is_refused_changes_nothing(client: Client, prefix: str) -> None:
    async with keeping(client.connection, prefix) as keeper:
        good, bad = await asyncio.gather(
            keeper.change("w", lambda one: one.add("a")),
            keeper.change("w", lambda one: one.add("")),
            return_exceptions=True,
        )
        assert isinstance(bad, BadExample)
        assert not isinstance(good, BaseException)
        with pytest.raises(BadExample):
            await keeper.change("w", lambda one: one.add(""))
        assert (await keeper.read("w", lambda one: one.words)).version == 1
    assert await words_of(client, prefix) == ["a"]


async def test_a_change_that_breaks_the_learner_is_forgotten_and_the_others_are_made(
    client: Client, prefix: str
) -> None:
    def spoil(one: Collected) -> None:
        one.words.clear()
        raise ZeroDivisionError("half done")

    async with keeping(client.connection, prefix) as keeper:
        outcomes = await asyncio.gather(
            keeper.change("w", lambda one: one.add("a")),
            keeper.change("w", spoil),
            keeper.change("w", lambda one: one.add("b")),
            return_exceptions=True,
        )
    assert isinstance(outcomes[1], ZeroDivisionError)
    assert await words_of(client, prefix) == ["a", "b"]


async def test_a_state_that_would_be_too_large_stays_as_it_was(
    client: Client, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "MAX_STATE", 100)
    async with keeping(client.connection, prefix) as keeper:
        outcomes = await asyncio.gather(
            keeper.change("w", lambda one: one.add("small")),
            keeper.change("w", lambda one: one.add("large" * 30)),
            return_exceptions=True,
        )
        assert isinstance(outcomes[1], TooBig)
        assert await words_of(client, prefix) == ["small"]
        await keeper.change("w", lambda one: one.add("more"))
    assert await words_of(client, prefix) == ["small", "more"]


async def test_a_state_that_cannot_be_saved_is_told_to_who_made_it(
    client: Client, prefix: str
) -> None:
    async with keeping(client.connection, prefix) as keeper:
        outcomes = await asyncio.gather(
            keeper.change("w", adding("a")),
            keeper.change("w", lambda one: one.words.append(b"no JSON")),  # type: ignore[arg-type]
            keeper.change("w", adding("b")),
            return_exceptions=True,
        )
    assert isinstance(outcomes[1], TypeError)
    assert await words_of(client, prefix) == ["a", "b"]


async def test_who_is_cancelled_meanwhile_does_not_stop_the_others(
    client: Client, prefix: str
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slowly(one: Collected) -> int:
        begun.set()
        go_on.wait(10)
        return one.add("slow")

    async with keeping(client.connection, prefix) as keeper:
        slow = asyncio.create_task(keeper.change("w", slowly))
        await asyncio.to_thread(begun.wait, 10)
        waits = asyncio.create_task(keeper.change("w", lambda one: one.add("never")))
        other = asyncio.create_task(keeper.change("w", lambda one: one.add("after")))
        await asyncio.sleep(0)
        slow.cancel()
        waits.cancel()
        await asyncio.gather(slow, waits, return_exceptions=True)
        go_on.set()
        await other
    assert await words_of(client, prefix) == ["slow", "after"]


async def test_names_are_listed_and_what_is_erased_is_gone_with_its_body(
    client: Client, prefix: str
) -> None:
    async with keeping(client.connection, prefix, inline=4) as keeper:
        for name in ("b", "a"):
            await keeper.change(name, lambda one: one.add("word"))
        assert await keeper.names() == ["a", "b"]
        await keeper.erase("a")
        await keeper.erase("never")
        assert await keeper.names() == ["b"]
        assert await objects(client, prefix) == 1
        assert (await keeper.change("a", lambda one: one.add("new"))).outcome == 1
        with pytest.raises(BadName):
            await keeper.change("no.token", lambda one: one.add("word"))


async def test_what_a_replica_that_died_has_left_is_removed_when_it_is_old(
    client: Client, prefix: str
) -> None:
    blobs = Blobs(client.connection, prefix, bucket=LEARNED)
    old = (datetime.now(UTC) - timedelta(hours=2)).isoformat()
    new = datetime.now(UTC).isoformat()
    for put in (old, new):
        await blobs.put(b"left", metadata={"key": "learner.collected.w", "put": put})
    await blobs.put(b"other", metadata={"key": "learner.collected.other", "put": old})
    async with keeping(client.connection, prefix, inline=4) as keeper:
        await keeper.change("w", lambda one: one.add("word"))
    assert await objects(client, prefix) == 3


def test_a_change_is_known_by_its_mark_until_two_generations_later() -> None:
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    kept = Marks()
    count = 2 * marks.GENERATION + 1
    for n in range(count):
        now = begin + timedelta(seconds=n)
        kept = marks.marked(kept, marks.Once(f"c{n}", now, now))
    asked = begin + timedelta(seconds=marks.GENERATION)
    for n in (marks.GENERATION, count - 1):
        assert marks.is_marked(kept, once(f"c{n}", asked=asked + timedelta(seconds=1)))
    assert not marks.is_marked(kept, once("new", asked=begin + timedelta(seconds=count)))
    with pytest.raises(Conflict, match="cannot be told"):
        marks.is_marked(kept, once("c0", asked=begin))
    assert len(kept.newer) + len(kept.older) <= 2 * marks.GENERATION * marks.SIZE


def test_changes_that_all_waited_while_none_was_made_are_made_while_no_mark_is_forgotten() -> None:
    asked = datetime(2026, 1, 1, tzinfo=UTC)
    kept = Marks()
    for n in range(2 * marks.GENERATION):
        one = marks.Once(f"c{n}", asked, asked + timedelta(seconds=1 + n))
        assert not marks.is_marked(kept, one)
        kept = marks.marked(kept, one)
    assert all(marks.is_marked(kept, once(f"c{n}", asked=asked)) for n in (0, n))


async def test_what_is_no_state_is_told_and_can_be_erased(client: Client, prefix: str) -> None:
    async with keeping(client.connection, prefix) as keeper:
        await keeper.change("w", adding("word"))
        bucket = Bucket(client.connection, f"{prefix}_state")
        for body in (b"no JSON", b'{"version":1,"changed":"2026-01-01T00:00:00Z","blob":"gone"}'):
            await bucket.put("learner.collected.w", body)
            with pytest.raises(PepperError) as told:
                await keeper.change("w", adding("more"))
            assert told.value.category == "input"
            with pytest.raises(PepperError):
                await keeper.read("w", lambda one: one.words)
        await keeper.erase("w")
        assert (await keeper.change("w", adding("new"))).outcome == 1


async def test_a_worker_may_keep_large_states_and_who_submits_tasks_may_not(
    broker_factory: Callable[..., Broker],
) -> None:
    roles = broker_factory(logins=role_logins())
    async with (
        connect(roles.url_for("operator")),
        connect(roles.url_for("worker")) as worker,
        connect(roles.url_for("producer")) as producer,
        keeping(worker.connection, "pp", inline=4) as keeper,
    ):
        for word in ("one", "two"):
            await keeper.change("w", adding(word))
        assert (await keeper.read("w", lambda one: list(one.words))).outcome == ["one", "two"]
        assert len(await Blobs(worker.connection, "pp", bucket=LEARNED).listed()) == 1
        with pytest.raises(PermissionDenied):
            await Blobs(producer.connection, "pp", bucket=LEARNED).put(b"evil")
        with pytest.raises(PermissionDenied):
            await Bucket(producer.connection, "pp_state").put("learner.collected.w", b"evil")


async def test_a_look_that_is_canceled_is_over_before_the_next_change(
    client: Client, prefix: str
) -> None:
    looked: list[int] = []
    begun, go_on = threading.Event(), threading.Event()

    def look(one: Collected) -> None:
        begun.set()
        assert go_on.wait(30)
        looked.append(len(one.words))

    async with keeping(client.connection, prefix) as keeper:
        await keeper.change("w", adding("a"))
        reading = asyncio.create_task(keeper.read("w", look), name="reading")
        assert await asyncio.to_thread(begun.wait, 30)
        reading.cancel()
        changing = asyncio.create_task(keeper.change("w", adding("b")), name="changing")
        await asyncio.sleep(0.1)  # a change that does not wait has time to be made
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert (await changing).version == 2
    assert looked == [1]
