"""A topic that is split: which version does which task."""

import asyncio
from collections import Counter, defaultdict
from datetime import datetime
from functools import partial
from typing import Any

import pytest

from pepperpy import Agent, Client, Context, connect
from pepperpy.stack.broker import Broker
from pepperpy_agents.sharding.assignment import ShardingOptions
from pepperpy_bus.streams.compare_and_set import compare_and_set
from pepperpy_bus.streams.jetstream import api, purge
from pepperpy_bus.streams.kv import Bucket
from pepperpy_bus.streams.reading import read_as_stored
from pepperpy_bus.tasks import lanes
from pepperpy_bus.tasks.lanes import move_task
from pepperpy_bus.tasks.whereabouts import find_task
from pepperpy_bus.units import now
from pepperpy_bus.versions.splits import Splits
from pepperpy_schemas.catalog.tasks import RESULT, TASK, TASK_BARE
from pepperpy_schemas.codec import decode
from pepperpy_schemas.errors import BadConfig, BadName, Canceled, QueueFull, Unavailable
from pepperpy_schemas.headers import ID
from pepperpy_schemas.subjects import stream_name
from tests.agents.conftest import Seen, Working, wait_until
from tests.agents.versions.conftest import Split, versioned


async def done_by(client: Client, ids: list[str]) -> Counter[str]:
    """How many of the tasks each version did."""
    return Counter(await asyncio.gather(*(client.result(one, wait=30) for one in ids)))


async def submit(client: Client, count: int, name: str = "t", **options: Any) -> list[str]:
    ids = [f"{name}{n}" for n in range(count)]
    return list(await asyncio.gather(*(client.submit("triage", n, id=n, **options) for n in ids)))


async def test_a_thousand_tasks_go_to_two_versions_by_weight(
    client: Client, working: Working, split: Split
) -> None:
    async with working(versioned("1.0.0")) as old, working(versioned("1.1.0")) as new:
        await split({"1.0.0": 90, "1.1.0": 10}, old, new)
        done = await done_by(client, await submit(client, 1000))
    assert done.total() == 1000
    assert 80 <= done["1.1.0"] <= 120


async def test_tasks_of_bare_publishers_are_split(
    client: Client, working: Working, split: Split
) -> None:
    subject = TASK_BARE.of(client.prefix, topic="triage")
    async with working(versioned("1.0.0")) as old, working(versioned("1.1.0")) as new:
        await split({"1.0.0": 50, "1.1.0": 50}, old, new)
        acks = [await client.connection.request(subject, b"{}") for _ in range(200)]
        stored = [decode(ack.body, dict[str, Any]) for ack in acks]
        ids = [f"{one['stream']}-{one['seq']}" for one in stored]
        done = await done_by(client, ids)
    assert done.total() == 200
    assert 60 <= done["1.1.0"] <= 140


async def test_weights_change_while_the_versions_run(
    client: Client, working: Working, split: Split
) -> None:
    async with working(versioned("1.0.0")) as old, working(versioned("1.1.0")) as new:
        await split({"1.0.0": 100, "1.1.0": 0}, old, new)
        assert await done_by(client, await submit(client, 50, "a")) == {"1.0.0": 50}
        await split({"1.1.0": 1}, old, new)
        assert await done_by(client, await submit(client, 50, "b")) == {"1.1.0": 50}
        await client.splits.put("triage", {})
        await wait_until(lambda: not old.beside.is_split("triage"))
        assert (await done_by(client, await submit(client, 50, "c"))).total() == 50


async def test_a_version_that_has_gone_gets_nothing_and_its_part_falls_to_the_others(
    client: Client, working: Working, split: Split
) -> None:
    async with working(versioned("1.0.0")) as old, working(versioned("1.1.0")) as newer:
        async with working(versioned("2.0.0")) as newest:
            await split({"1.0.0": 45, "1.1.0": 45, "2.0.0": 10}, old, newer, newest)
            assert len(await done_by(client, await submit(client, 100, "a"))) == 3
        await split({"1.0.0": 45, "1.1.0": 45, "2.0.0": 10}, old, newer)
        done = await done_by(client, await submit(client, 200, "b"))
    assert set(done) == {"1.0.0", "1.1.0"}
    assert 70 <= done["1.1.0"] <= 130


async def test_what_waits_in_the_lane_of_a_version_goes_to_those_with_a_weight(
    client: Client, working: Working, split: Split
) -> None:
    gate = asyncio.Event()
    stuck = Agent("support", version="1.1.0")

    @stuck.task("triage")
    async def wait(_: Any) -> str:
        await gate.wait()
        return "1.1.0"

    async with working(versioned("1.0.0")) as old, working(stuck, concurrency=2) as new:
        await split({"1.1.0": 1}, old, new)
        ids = await submit(client, 20)
        await wait_until(lambda: new.in_flight == 2)
        await split({"1.0.0": 1}, old, new)
        gate.set()  # its slots are free now: it sees that the rest is not its own any more
        done = await done_by(client, ids)
    assert done == {"1.1.0": 2, "1.0.0": 18}


async def test_an_ended_split_leaves_no_task_behind(
    client: Client, working: Working, split: Split
) -> None:
    async with working(versioned("1.1.0")) as new:
        await split({"1.1.0": 1}, new)
    # Given to a version that is gone before it could do it.
    splits = client.splits
    left = f"{client.prefix}.task.triage-v1_1_0.left"
    await client.connection.request(left, b"{}")
    assert await splits.waiting("triage", "1.1.0")
    after = await splits.put("triage", {})
    assert after.lanes == ["1.1.0"]
    async with working(versioned("3.0.0")):
        assert await client.result("left", wait=20) == "3.0.0"
    assert (await splits.put("triage", {})).lanes == []


async def test_a_version_without_a_weight_works_only_when_no_other_is_up(
    client: Client, working: Working, split: Split
) -> None:
    async with working(versioned("0.9.0")) as other:
        await split({"1.0.0": 1}, other)
        assert await done_by(client, await submit(client, 3, "a")) == {"0.9.0": 3}
        async with working(versioned("1.0.0")) as named:
            await split({"1.0.0": 1}, named, other)
            assert await done_by(client, await submit(client, 50, "b")) == {"1.0.0": 50}


async def test_all_tasks_of_a_key_go_to_one_version(
    client: Client, working: Working, split: Split
) -> None:
    options = ShardingOptions(heartbeat_interval=0.5)
    by_key: dict[str, set[str]] = defaultdict(set)
    async with (
        working(versioned("1.0.0"), sharding=options) as old,
        working(versioned("1.1.0"), sharding=options) as new,
    ):
        await split({"1.0.0": 3, "1.1.0": 1}, old, new)

        async def at_home() -> bool:
            await client.run("triage", 0, key="first", wait=20)
            return (old._keyed.shards, new._keyed.shards) == (24, 8)

        await wait_until(at_home, within=20)
        keys = [f"customer-{n}" for n in range(64)]
        for _ in range(3):
            ran = await asyncio.gather(*(client.run("triage", 0, key=key, wait=30) for key in keys))
            for key, version in zip(keys, ran, strict=True):
                by_key[key].add(version)
    assert all(len(versions) == 1 for versions in by_key.values())
    assert {version for versions in by_key.values() for version in versions} == {"1.0.0", "1.1.0"}


def trying(version: str, ran: list[str]) -> Agent:
    """An agent whose first attempts fail after a step."""
    agent = Agent("support", version=version)

    @agent.task("triage", retries=2, retry_delay=0.1)
    async def handle(_: Any, ctx: Context) -> Any:
        ran.append(version)

        def pay() -> str:
            ran.append("paid")
            return version

        paid = await ctx.step("pay", pay)
        if ctx.attempt < 3:
            raise OSError("again")
        return [paid, version, ctx.attempt]

    return agent


async def test_a_task_is_tried_again_by_the_version_that_began_with_it(
    client: Client, working: Working, split: Split
) -> None:
    ran: list[str] = []
    async with (
        working(trying("1.0.0", ran)) as old,
        working(trying("1.1.0", ran)) as new,
    ):
        await split({"1.0.0": 50, "1.1.0": 50}, old, new)
        for n in range(6):
            ran.clear()
            paid, version, attempt = await client.run("triage", 0, id=f"try{n}", wait=20)
            assert (paid, attempt) == (version, 3)
            assert ran == [version, "paid", version, version]


def asking(version: str) -> Agent:
    """An agent whose tasks ask, and tell the versions before and after."""
    agent = Agent("support", version=version)

    @agent.task("triage")
    async def handle(_: Any, ctx: Context) -> Any:
        began = await ctx.step("began", lambda: version)
        await ctx.ask("Well?")
        return [began, version]

    return agent


async def test_suspended_tasks_of_a_key_go_on_with_the_version_of_the_key(
    client: Client, working: Working, split: Split
) -> None:
    options = ShardingOptions(heartbeat_interval=0.5)
    async with (
        working(asking("1.0.0"), sharding=options) as old,
        working(asking("1.1.0"), sharding=options) as new,
    ):
        await split({"1.0.0": 1, "1.1.0": 1}, old, new)
        await client.submit("triage", 0, key="first")
        await wait_until(lambda: (old._keyed.shards, new._keyed.shards) == (16, 16), within=20)
        keys = [f"customer-{n}" for n in range(8)]
        ids = [await client.submit("triage", 0, key=key) for key in keys for _ in range(2)]
        for first, second in zip(ids[::2], ids[1::2], strict=True):
            ran: set[str] = set()
            for one in (first, second):  # the second is called when the first has ended
                await wait_until(partial(client.question, one), within=20)
                await client.answer(one, "yes")
                ran.update(await client.result(one, wait=20))
            assert len(ran) == 1


async def test_a_suspended_task_goes_on_with_its_version_when_the_weights_have_changed(
    client: Client, working: Working, split: Split
) -> None:
    async with working(asking("1.0.0")) as old, working(asking("1.1.0")) as new:
        await split({"1.0.0": 50, "1.1.0": 50}, old, new)
        ids = await submit(client, 10)
        for one in ids:
            await wait_until(partial(client.question, one))
        await split({"1.1.0": 1}, old, new)
        for one in ids:
            await client.answer(one, "yes")
        done = [await client.result(one, wait=20) for one in ids]
    assert all(began == version for began, version in done)
    assert {version for _, version in done} == {"1.0.0", "1.1.0"}


async def test_what_is_moved_keeps_its_priority_its_deadline_and_its_attempts(
    client: Client, working: Working, split: Split, seen: Seen
) -> None:
    def telling(version: str) -> Agent:
        agent = Agent("support", version=version)

        @agent.task("triage")
        async def handle(_: Any, ctx: Context) -> Any:
            assert ctx.deadline is not None
            return [ctx.attempt, ctx.deadline.isoformat()]

        return agent

    async with working(telling("1.0.0")) as old, working(telling("1.1.0")) as new:
        await split({"1.1.0": 1}, old, new)
        before = now()
        task_id = await client.submit("triage", 0, priority="high", timeout="5m")
        attempt, deadline = await client.result(task_id, wait=20)
        assert attempt == 1
        assert abs((datetime.fromisoformat(deadline) - before).total_seconds() - 300) < 10
        (started,) = await seen.named(task_id, "task.started")
        assert started.event.priority == "high"


async def test_a_full_queue_does_not_stop_a_split_topic(
    client: Client, working: Working, split: Split
) -> None:
    gate = asyncio.Event()
    old_agent, new_agent = (Agent("support", version=one) for one in ("1.0.0", "1.1.0"))
    for agent in (old_agent, new_agent):

        @agent.task("triage")
        async def handle(_: Any) -> str:
            await gate.wait()
            return "done"

    stream = stream_name(client.prefix, "TASKS")
    async with working(old_agent, concurrency=4) as old, working(new_agent) as new:
        await split({"1.0.0": 50, "1.1.0": 50}, old, new)
        info = await api(client.connection, f"STREAM.INFO.{stream}")
        await api(client.connection, f"STREAM.UPDATE.{stream}", {**info["config"], "max_msgs": 12})
        ids: list[str] = []

        async def fill() -> None:
            for n in range(100):
                ids.append(await client.submit("triage", n, id=f"full{n}"))

        with pytest.raises(QueueFull):
            await fill()
        gate.set()
        assert (await done_by(client, ids)).total() == len(ids) >= 8


async def test_a_task_is_no_repeat_of_itself_while_it_lies_in_two_places(
    client: Client, working: Working, split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its id stood for another task, whose journal is left; who moves it is slow to settle it."""

    def stepping(version: str) -> Agent:
        agent = Agent("support", version=version)

        @agent.task("triage", retries=0)
        async def handle(n: int, ctx: Context) -> int:
            return int(await ctx.step("copy", lambda: n))

        return agent

    settled = asyncio.Event()

    async def slow(*args: Any, **kwargs: Any) -> int:
        moved = await compare_and_set(*args, **kwargs)
        await settled.wait()
        return moved

    async with working(stepping("1.0.0")) as old, working(stepping("1.1.0")) as new:
        await split({"1.1.0": 1}, old, new)
        assert await client.result(await client.submit("triage", 1, id="mine"), wait=10) == 1
        results = stream_name(client.prefix, "RESULTS")
        await purge(client.connection, results, RESULT.of(client.prefix, id="mine"))
        monkeypatch.setattr(lanes, "compare_and_set", slow)
        subject = TASK.of(client.prefix, topic="triage", id="mine")
        await client.connection.request(subject, b"2", headers={ID: "mine"})
        try:
            assert await client.result("mine", wait=10) == 2
        finally:
            settled.set()


async def test_a_task_that_is_as_large_as_can_be_is_done_where_it_is(
    client: Client, working: Working, split: Split
) -> None:
    """Moved, it would have more headers; bare publishers have no other way for large bodies."""
    async with working(versioned("1.0.0")) as old, working(versioned("1.1.0")) as new:
        await split({"1.1.0": 1}, old, new)
        body = b'"' + b"x" * (1024 * 1024 - 10) + b'"'
        ack = await client.connection.request(TASK_BARE.of(client.prefix, topic="triage"), body)
        told = decode(ack.body, dict[str, Any])
        done = await client.result(f"{told['stream']}-{told['seq']}", wait=20)
    assert done in ("1.0.0", "1.1.0")


async def test_weights_that_cannot_be_are_refused(client: Client) -> None:
    splits = client.splits
    for weights in ({"1.0": 1}, {"1.0.0": -1}, {"1.0.0": 0, "1.1.0": 0}):
        with pytest.raises(BadConfig):
            await splits.put("triage", weights)
    with pytest.raises(BadName, match="too long"):
        await splits.put("t" * 60, {"1.0.0": 1})
    assert await splits.get("triage") is None


async def test_each_task_runs_once_while_weights_change_and_versions_come_and_go(
    client: Client, working: Working, split: Split
) -> None:
    ran: Counter[str] = Counter()

    def counting(version: str) -> Agent:
        agent = Agent("support", version=version)

        @agent.task("triage")
        async def handle(_: Any, ctx: Context) -> str:
            ran[ctx.task_id] += 1
            await asyncio.sleep(0.005)
            return version

        return agent

    ids: list[str] = []

    async def publish() -> None:
        for n in range(600):
            high = "high" if n % 7 == 0 else "normal"
            ids.append(await client.submit("triage", n, id=f"t{n}", priority=high))

    def ran_or_published(count: int) -> bool:
        return len(ran) > count or publishing.done()

    async with working(counting("1.0.0")) as old:
        await split({"1.0.0": 50, "1.1.0": 50}, old)
        publishing = asyncio.create_task(publish())
        weights = client.splits
        for n in range(6):
            async with working(counting("1.1.0")), working(counting("1.2.0")):
                await weights.put("triage", {"1.0.0": n, "1.1.0": 5 - n, "1.2.0": 1})
                await wait_until(partial(ran_or_published, 90 * n))
            await weights.put("triage", {} if n % 2 else {"1.1.0": 1})
        await publishing
        done = await done_by(client, ids)
    assert done.total() == 600
    assert ran == dict.fromkeys(ids, 1)


async def test_a_task_in_a_lane_is_found_and_canceled(
    client: Client, working: Working, split: Split
) -> None:
    gate = asyncio.Event()
    agent = Agent("support", version="1.1.0")

    @agent.task("triage")
    async def wait(_: Any) -> str:
        await gate.wait()
        return "done"

    async with working(versioned("1.0.0")) as old, working(agent, concurrency=1) as new:
        await split({"1.1.0": 1}, old, new)
        first = await client.submit("triage", 0)
        await wait_until(lambda: new.in_flight == 1)
        ack = await client.connection.request(TASK_BARE.of(client.prefix, topic="triage"), b"{}")
        told = decode(ack.body, dict[str, Any])
        bare = f"{told['stream']}-{told['seq']}"

        async def moved() -> bool:
            found = await find_task(client.connection, client.prefix, bare, read_as_stored)
            return found is not None and "triage-v1_1_0" in found.kept[0].message.subject

        await wait_until(moved)
        found = await find_task(client.connection, client.prefix, bare, read_as_stored)
        assert found is not None
        assert found.topic == "triage"
        await client.cancel(bare)
        with pytest.raises(Canceled):
            await client.result(bare, wait=10)
        gate.set()
        assert await client.result(first, wait=10) == "done"
        splits = client.splits
        await wait_until(lambda: not_waiting(splits))


async def not_waiting(splits: Splits) -> bool:
    return not await splits.waiting("triage", "1.1.0")


async def test_a_split_outlives_a_broker_that_is_killed(
    own_broker: Broker, working: Working, prefix: str
) -> None:
    async with (
        connect(own_broker.url, bus__prefix=prefix, patient=True) as client,
        working(versioned("1.0.0"), url=own_broker.url) as old,
        working(versioned("1.1.0"), url=own_broker.url) as new,
    ):
        splits = client.splits
        await splits.put("triage", {"1.0.0": 50, "1.1.0": 50})
        await wait_until(lambda: len(old.beside.weights("triage")) == 2)
        await wait_until(lambda: len(new.beside.weights("triage")) == 2)
        ids = await submit(client, 100, "before")
        own_broker.kill()
        await own_broker.start()
        ids += await submit(client, 100, "after")
        done = await asyncio.gather(*(client.result(one, wait=60) for one in ids))
    assert 60 <= done.count("1.1.0") <= 140


async def test_what_cannot_be_moved_just_now_comes_again(
    client: Client, working: Working, split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: set[str] = set()

    async def at_the_second_time(*arguments: Any) -> None:
        task_id = arguments[3]
        if task_id not in refused:
            refused.add(task_id)
            raise Unavailable("the stream elects its leader")
        await move_task(*arguments)

    monkeypatch.setattr("pepperpy_agents.versions.passing_on.move_task", at_the_second_time)
    async with working(versioned("1.0.0")) as old, working(versioned("1.1.0")) as new:
        await split({"1.0.0": 50, "1.1.0": 50}, old, new)
        ids = await submit(client, 20)
        assert (await done_by(client, ids)).total() == 20
    assert refused == set(ids)


async def test_a_split_that_cannot_be_read_hides_no_other(
    client: Client, working: Working, split: Split
) -> None:
    bucket = Bucket(client.connection, f"{client.prefix}_state")
    await bucket.put("split.other", b"[]")
    async with working(versioned("1.0.0")) as old:
        await split({"1.0.0": 1}, old)
        assert await client.run("triage", 0, wait=10) == "1.0.0"
    assert set(await client.splits.all()) == {"triage"}
