"""Keyed tasks: in order and one at a time for each key, whatever happens in between."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from pepperpy import Agent, Client, Context, connect
from pepperpy.stack.broker import Broker
from pepperpy_agents.sharding.assignment import ShardingOptions
from pepperpy_bus.streams.jetstream import api, store
from pepperpy_bus.streams.topology import SHARDS, shard_of
from pepperpy_bus.tasks.keys import Keys
from pepperpy_schemas.catalog.sharding import SHARD_TABLE
from pepperpy_schemas.catalog.tasks import KEYED_TASK
from pepperpy_schemas.errors import BadHeader, BadName, Unavailable
from pepperpy_schemas.messages import Result
from pepperpy_schemas.sharding import ShardTable
from tests.agents.conftest import Seen, Working

QUICK = ShardingOptions(heartbeat_interval=1.0)
Eventually = Callable[..., Awaitable[Any]]


class Diary:
    """Writes down when which task of which key began and ended, and looks whether that is fine."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, int]] = []
        self.running: dict[str, int] = {}
        self.most = 0

    def begin(self, key: str, n: int) -> None:
        assert key not in self.running, f"{key}: {n} beside {self.running[key]}"
        self.running[key] = n
        self.most = max(self.most, len(self.running))
        self.lines.append(("begin", key, n))

    def end(self, key: str, n: int) -> None:
        assert self.running.pop(key) == n
        self.lines.append(("end", key, n))

    def of(self, key: str) -> list[int]:
        return [n for what, k, n in self.lines if what == "end" and k == key]


def other_key_of_the_shard(key: str) -> str:
    names = (f"other{n}" for n in range(10_000))
    return next(name for name in names if shard_of(name) == shard_of(key))


async def test_tasks_of_a_key_run_one_after_the_other_and_keys_side_by_side(
    client: Client, working: Working
) -> None:
    diary = Diary()
    agent = Agent("orders")

    @agent.task("order")
    async def order(n: int, ctx: Context) -> int:
        diary.begin(ctx.key, n)
        await asyncio.sleep(0.002)
        diary.end(ctx.key, n)
        return n

    keys = [f"customer-{n}" for n in range(12)]
    async with working(agent), working(agent):
        ids = [await client.submit("order", n, key=key) for n in range(10) for key in keys]
        for one in ids:
            await client.result(one, wait=15)
    assert {key: diary.of(key) for key in keys} == {key: list(range(10)) for key in keys}
    assert diary.most > 1


async def test_a_task_that_asks_holds_its_key_and_no_other(
    client: Client, working: Working, seen: Seen
) -> None:
    done: list[str] = []
    agent = Agent("orders")

    @agent.task("order")
    async def order(what: str, ctx: Context) -> str:
        if what == "asks":
            done.append(str(await ctx.ask("Go on?")))
        done.append(what)
        return what

    neighbour = other_key_of_the_shard("otter")
    async with working(agent):
        first = await client.submit("order", "asks", key="otter")
        await seen.named(first, "task.input_required")
        later = [await client.submit("order", f"later {n}", key="otter") for n in range(5)]
        assert await client.run("order", "neighbour", key=neighbour, wait=10) == "neighbour"
        assert done == ["neighbour"]
        await client.answer(first, "yes")
        for one in later:
            await client.result(one, wait=15)
        assert await client.run("order", "last", key="otter", wait=10) == "last"
    assert done[1:] == ["yes", "asks", *(f"later {n}" for n in range(5)), "last"]


async def test_what_waits_for_a_key_may_wait_again(
    client: Client, working: Working, seen: Seen
) -> None:
    done: list[int] = []
    agent = Agent("orders")

    @agent.task("order")
    async def order(n: int, ctx: Context) -> None:
        await ctx.sleep(0.3)
        done.append(n)

    async with working(agent):
        ids = [await client.submit("order", n, key="otter") for n in range(4)]
        for one in ids:
            await client.result(one, wait=20)
    assert done == [0, 1, 2, 3]


async def test_a_long_back_off_holds_its_key_and_no_other(
    client: Client, working: Working, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pepperpy_bus.tasks.keys.MAX_WAIT", 0.5)
    done: list[str] = []
    agent = Agent("orders")

    @agent.task("order", retries=2, retry_delay=1.5)
    async def order(what: str, ctx: Context) -> str:
        if what == "fails" and ctx.attempt == 1:
            raise RuntimeError("once")
        done.append(what)
        return what

    neighbour = other_key_of_the_shard("otter")
    async with working(agent):
        first = await client.submit("order", "fails", key="otter")
        await seen.named(first, "task.retry")
        later = await client.submit("order", "later", key="otter")
        await client.run("order", "neighbour", key=neighbour, wait=10)
        await client.result(later, wait=15)
    assert done == ["neighbour", "fails", "later"]


async def test_a_short_back_off_keeps_the_order(client: Client, working: Working) -> None:
    done: list[tuple[int, int]] = []
    agent = Agent("orders")

    @agent.task("order", retries=3, retry_delay=0.05)
    async def order(n: int, ctx: Context) -> None:
        done.append((n, ctx.attempt))
        if ctx.attempt < 3:
            raise RuntimeError("not yet")

    async with working(agent):
        ids = [await client.submit("order", n, key="otter") for n in range(3)]
        for one in ids:
            await client.result(one, wait=15)
    assert done == [(n, attempt) for n in range(3) for attempt in (1, 2, 3)]


async def test_the_fence_rises_with_every_attempt_and_task_of_a_key(
    client: Client, working: Working, seen: Seen
) -> None:
    fences: list[int] = []
    agent = Agent("orders")

    @agent.task("order", retry_delay=0.02)
    async def order(what: str, ctx: Context) -> None:
        fences.append(ctx.fence)
        if what == "fails" and ctx.attempt == 1:
            raise RuntimeError("once")
        if what == "sleeps":
            await ctx.sleep(0.2)

    async with working(agent):
        kinds = ("fails", "sleeps", "waits")
        sent = [await client.submit("order", what, key="otter") for what in kinds]
        await client.result(sent[-1], wait=15)
        await client.run("order", "no key", wait=10)
    assert fences[-1] == 0
    assert len(fences) == 6
    assert fences[:-1] == sorted(set(fences[:-1]))


async def test_a_canceled_holder_frees_its_key(
    client: Client, working: Working, seen: Seen
) -> None:
    agent = Agent("orders")

    @agent.task("order")
    async def order(what: str, ctx: Context) -> str:
        return str(await ctx.ask("Go on?")) if what == "asks" else what

    async with working(agent, sharding=QUICK):
        first = await client.submit("order", "asks", key="otter")
        await seen.named(first, "task.input_required")
        later = await client.submit("order", "later", key="otter")
        gone = await client.submit("order", "gone", key="otter")
        last = await client.submit("order", "last", key="otter")
        await client.cancel(gone)
        await client.cancel(first)
        assert await client.result(later, wait=15) == "later"
        assert await client.result(last, wait=15) == "last"


async def test_a_key_may_be_any_text(client: Client, working: Working) -> None:
    agent = Agent("orders")

    @agent.task("order")
    async def order(_: None, ctx: Context) -> str:
        return ctx.key

    async with working(agent):
        for key in ("otter", "ana@example.com", "Straße 5/7"):
            assert await client.run("order", key=key, wait=10) == key
        with pytest.raises(BadName, match="key '' is not valid"):
            await client.submit("order", key="")
        with pytest.raises(BadName, match="is not valid"):
            await client.submit("order", key="two\nlines")


async def test_what_would_overtake_is_refused(client: Client) -> None:
    with pytest.raises(BadHeader, match="priority 'high', which would overtake"):
        await client.submit("order", key="otter", priority="high")
    with pytest.raises(BadHeader, match="is given delay"):
        await client.submit("order", key="otter", delay="1h")
    with pytest.raises(BadHeader, match="Pp-Key is not set among the headers"):
        await client.submit("order", headers={"pp-key": "otter"})


async def test_anybody_may_send_a_keyed_task(client: Client, working: Working) -> None:
    agent = Agent("orders")

    @agent.task("order")
    async def order(n: int, ctx: Context) -> str:
        return f"{ctx.key} {n}"

    subject = KEYED_TASK.of(client.prefix, topic="order", key="otter", id="mine")
    async with working(agent):
        await client.connection.publish(subject, b"7")
        assert await client.result("mine", wait=10) == "otter 7"
        with pytest.raises(Unavailable, match="nobody listens"):
            await store(client.connection, subject.rpartition(".")[0], b"7", timeout=1)


async def test_what_was_sent_before_the_worker_is_done(client: Client, working: Working) -> None:
    agent = Agent("orders")
    done: list[int] = []

    @agent.task("order")
    async def order(n: int) -> None:
        done.append(n)

    ids = [await client.submit("order", n, key="otter") for n in range(5)]
    async with working(agent):
        for one in ids:
            await client.result(one, wait=10)
    assert done == list(range(5))


async def test_a_topic_without_keyed_tasks_has_no_shards(client: Client, working: Working) -> None:
    agent = Agent("orders")

    @agent.task("order")
    async def order(n: int) -> int:
        return n

    async with working(agent):
        assert await client.run("order", 1, wait=10) == 1
        names = (await api(client.connection, f"CONSUMER.NAMES.{stream(client)}"))["consumers"]
        assert not names


async def test_the_same_id_runs_once_and_another_body_is_refused(
    client: Client, working: Working
) -> None:
    agent = Agent("orders")
    done: list[int] = []

    @agent.task("order")
    async def order(n: int) -> int:
        done.append(n)
        return n

    async with working(agent):
        for _ in range(2):
            assert await client.run("order", 1, key="otter", id="one", wait=10) == 1
    assert done == [1]


# --- owners -------------------------------------------------------------------------------------


def stream(client: Client) -> str:
    return f"{client.prefix.upper()}_KEYED"


async def table(client: Client, topic: str = "order") -> ShardTable | None:
    from pepperpy_bus.state.cells import Cells

    cells = Cells(client.connection, client.prefix)
    entry = await cells.get(cells.key(SHARD_TABLE, topic=topic))
    return None if entry is None else SHARD_TABLE.decode(entry.value)


async def owners(client: Client) -> dict[str, int]:
    found = await table(client)
    names = [] if found is None else [shard.owner for shard in found.shards]
    return {name: names.count(name) for name in set(names)}


async def test_workers_that_come_and_go_share_the_shards(
    client: Client, working: Working, eventually: Eventually, seen: Seen
) -> None:
    agent = Agent("orders")

    @agent.task("order")
    async def order(n: int) -> int:
        return n

    async def shared(members: int) -> bool:
        now = await owners(client)
        fair = all(abs(count - SHARDS / members) < SHARDS * 0.2 for count in now.values())
        return len(now) == members and "" not in now and fair

    async with working(agent, sharding=QUICK) as first:
        await client.run("order", 1, key="otter", wait=10)
        await eventually(lambda: shared(1))
        async with working(agent, sharding=QUICK):
            await eventually(lambda: shared(2), within=15.0)
            await eventually(lambda: 0 < first._keyed.shards < SHARDS, within=5.0)
            moved = [one for one in await seen.events("shard.*.order.*") if one.verb == "moved"]
            assert moved
        # It has handed over: nobody waits until it is missed.
        assert await shared(1)
        assert await client.run("order", 2, key="otter", wait=5) == 2


async def test_a_paused_worker_gives_its_shards_away(
    client: Client, working: Working, eventually: Eventually
) -> None:
    agent = Agent("orders")

    @agent.task("order")
    async def order(n: int) -> int:
        return n

    async with working(agent, sharding=QUICK) as worker:
        assert await client.run("order", 1, key="otter", wait=10) == 1
        await worker._obey("pause")
        assert await owners(client) == {"": SHARDS}
        waiting = await client.submit("order", 2, key="otter")
        await worker._obey("resume")
        assert await client.result(waiting, wait=10) == 2


async def test_a_called_task_whose_caller_died_is_called_again(
    client: Client, working: Working, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker dies between naming the next holder and waking it."""
    agent = Agent("orders")

    @agent.task("order")
    async def order(what: str, ctx: Context) -> str:
        return str(await ctx.ask("Go on?")) if what == "asks" else what

    calls: list[str] = []
    call = Keys._call

    async def dies(self: Keys, topic: str, task_id: str, parked: Any) -> None:
        calls.append(task_id)
        if len(calls) > 1:
            await call(self, topic, task_id, parked)

    monkeypatch.setattr(Keys, "_call", dies)
    async with working(agent, sharding=QUICK):
        first = await client.submit("order", "asks", key="otter")
        await seen.named(first, "task.input_required")
        later = await client.submit("order", "later", key="otter")
        await client.run("order", "neighbour", key=other_key_of_the_shard("otter"), wait=10)
        await client.answer(first, "yes")
        assert await client.result(later, wait=15) == "later"
    assert calls == [later, later]


async def test_a_result_from_elsewhere_frees_the_key_too(
    client: Client, working: Working, seen: Seen
) -> None:
    agent = Agent("orders")

    @agent.task("order")
    async def order(what: str, ctx: Context) -> str:
        return str(await ctx.ask("Go on?")) if what == "asks" else what

    async with working(agent, sharding=QUICK):
        first = await client.submit("order", "asks", key="otter")
        await seen.named(first, "task.input_required")
        later = await client.submit("order", "later", key="otter")
        await client.results.put(first, Result(ok=True), attempt=9, headers={"Pp-Topic": "order"})
        assert await client.result(later, wait=15) == "later"


async def test_a_replayed_task_keeps_its_key(
    client: Client, working: Working, seen: Seen, eventually: Eventually
) -> None:
    agent = Agent("orders")
    keys: list[tuple[str, str]] = []

    @agent.task("order", retries=0)
    async def order(_: None, ctx: Context) -> None:
        keys.append((ctx.key, ctx.task_id))
        raise RuntimeError("never")

    async with working(agent):
        await client.ended(await client.submit("order", key="Straße 5"), wait=10)
        subject = KEYED_TASK.of(client.prefix, topic="order", key="bare", id="bare")
        await client.connection.publish(subject, b"null")
        await client.ended("bare", wait=10)
        for filed in await seen.letters("order"):
            await client.ended(await client.dead_letters.replay(filed), wait=10)
    assert [key for key, _ in keys] == ["Straße 5", "bare", "Straße 5", "bare"]
    assert len({task_id for _, task_id in keys}) == 4


async def test_a_worker_runs_no_more_keyed_tasks_than_its_capacity(
    client: Client, working: Working
) -> None:
    diary = Diary()
    agent = Agent("orders")

    @agent.task("order")
    async def order(n: int, ctx: Context) -> None:
        diary.begin(ctx.key, n)
        await asyncio.sleep(0.02)
        diary.end(ctx.key, n)

    narrow = ShardingOptions(capacity=2, min_free_capacity=0, heartbeat_interval=1.0)
    async with working(agent, sharding=narrow):
        ids = [await client.submit("order", n, key=f"k{n}") for n in range(30)]
        for one in ids:
            await client.result(one, wait=20)
    assert diary.most == 2


async def test_the_order_of_a_key_outlives_the_broker(
    own_broker: Broker, prefix: str, working: Working
) -> None:
    done: list[int] = []
    agent = Agent("orders")

    @agent.task("order", retries=20, retry_delay=0.05)
    async def order(n: int, ctx: Context) -> None:
        if n % 5 == 3:
            await ctx.sleep(0.1)
        await asyncio.sleep(0.02)
        done.append(n)

    async with (
        connect(own_broker.url, bus__prefix=prefix, patient=True) as client,
        working(agent, url=own_broker.url, sharding=QUICK),
    ):
        ids = [await client.submit("order", n, key="otter") for n in range(20)]
        await client.result(ids[2], wait=10)
        own_broker.kill()
        await own_broker.start()
        ids += [await client.submit("order", n, key="otter") for n in range(20, 30)]
        for one in ids:
            await client.result(one, wait=40)
    assert sorted(set(done)) == list(range(30))
    assert done == sorted(done)
