"""Another version of an agent beside the live one."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from pepperpy import Agent, Client, Context
from pepperpy_agents.shadowing.comparison import Comparison
from pepperpy_agents.shadowing.differences import differences
from pepperpy_agents.shadowing.hearing import LiveInput
from pepperpy_agents.shadowing.shadow import Shadow
from pepperpy_bus.streams.jetstream import api
from pepperpy_bus.streams.topology import Limits, streams
from pepperpy_schemas.errors import BadConfig

Working = Callable[..., contextlib.AbstractAsyncContextManager[Any]]
Eventually = Callable[..., Awaitable[Any]]


async def kept(client: Client) -> dict[str, int]:
    """How many messages each stream has had."""
    names = [one["name"] for one in streams(client.prefix, Limits())]
    found = [await api(client.connection, f"STREAM.INFO.{name}") for name in names]
    return {name: one["state"]["last_seq"] for name, one in zip(names, found, strict=True)}


async def settled(client: Client) -> dict[str, int]:
    """The same when nothing more comes: events follow their task's end."""
    before: dict[str, int] = {}
    while before != (now := await kept(client)):
        before = now
        await asyncio.sleep(0.3)
    return now


async def compared(shadow: Shadow) -> Comparison:
    async with asyncio.timeout(10):
        return await shadow.next()


async def test_equal_and_different_results_are_told_by_path(
    client: Client, working: Working
) -> None:
    live, other = Agent("live"), Agent("other", version="2.0.0")

    @live.task("price")
    async def price(n: int) -> dict[str, Any]:
        return {"amount": n * 2, "lines": [{"n": n}], "unit": "eur"}

    @other.task("price")
    def new_price(n: int) -> dict[str, Any]:
        return {"amount": n + 2, "lines": [{"n": n}], "unit": "eur"}

    async with working(live), Shadow(client, other, "price") as shadow:
        same = await client.submit("price", 2)
        first = await compared(shadow)
        not_same = await client.submit("price", 5)
        second = await compared(shadow)
        summary = shadow.summary()
    assert (first.task_id, first.verdict, first.differences) == (same, "equal", [])
    assert (second.task_id, second.verdict) == (not_same, "different")
    (place,) = second.differences
    assert (place.path, place.live, place.shadow) == ("$.data.amount", 10, 7)
    assert (second.live, second.shadow) == ("completed", "completed")
    assert first.live_ms is not None
    assert first.shadow_ms is not None
    assert first.ratio == first.shadow_ms / first.live_ms
    assert (summary.equal, summary.different, summary.ok) == (1, 1, False)
    assert summary.live_p50_ms is not None
    assert await client.result(not_same) == {"amount": 10, "lines": [{"n": 5}], "unit": "eur"}


async def test_a_shadow_publishes_nothing_and_does_no_step(
    client: Client, working: Working
) -> None:
    live, other, effects = Agent("live"), Agent("other"), []

    @live.task("child")
    async def child(n: int) -> int:
        return n * 3

    async def charge(amount: int) -> int:
        effects.append(amount)
        return amount + 1

    async def order(n: int, ctx: Context) -> int:
        await ctx.progress(0.1)
        await ctx.emit("order.seen")
        await ctx.stream("piece")
        await ctx.submit("child", n)
        return await ctx.step("charge", charge, n)

    live.task("order")(order)
    other.task("order")(order)

    async def had(before: dict[str, int]) -> dict[str, int]:
        return {name: seq - before[name] for name, seq in (await settled(client)).items()}

    async with working(live):
        before = await settled(client)
        await client.run("order", 4, wait=10)
        alone = await had(before)
        async with Shadow(client, other, "order") as shadow:
            before = await settled(client)
            await client.run("order", 5, wait=10)
            one = await compared(shadow)
            registry = f"KV_{client.prefix}_registry"
            beside = await had(before)
    assert one.verdict == "equal", one
    assert effects == [4, 5]
    assert {**beside, registry: 0} == {**alone, registry: 0}


async def test_waits_end_in_a_shadow_as_they_did_in_the_live_task(
    client: Client, working: Working, eventually: Eventually
) -> None:
    live, other = Agent("live"), Agent("other")

    @live.task("child")
    async def child(n: int) -> int:
        if n == 0:
            raise ValueError("nothing to triple")
        return n * 3

    async def order(n: int, ctx: Context) -> list[Any]:
        await ctx.sleep("1ms")
        tripled = await ctx.run("child", n)
        ids = [await ctx.submit("child", 1)]
        first = await ctx.first(*ids)
        failed = await ctx.gather(await ctx.submit("child", 0), type=int, return_exceptions=True)
        answer = await ctx.ask("Go on?", choices=["yes", "no"])
        return [tripled, len(first), str(failed[0])[:5], answer]

    live.task("order")(order)
    other.task("order")(order)
    async with working(live), Shadow(client, other, "order") as shadow:
        task_id = await client.submit("order", 4)
        await eventually(lambda: client.question(task_id))
        await client.answer(task_id, "yes")
        one = await compared(shadow)
    assert await client.result(task_id) == [12, 1, "child", "yes"]
    assert one.verdict == "equal", one
    assert one.live_ms is None  # its last attempt alone would say nothing


async def test_what_the_live_task_did_not_do_is_a_divergence_not_an_effect(
    client: Client, working: Working
) -> None:
    live, effects = Agent("live"), []

    @live.task("pay")
    async def pay(way: str, ctx: Context) -> Any:
        return await ctx.step("charge", lambda: "paid")

    async def ways(way: str, ctx: Context) -> Any:
        paid = await ctx.step("charge", effects.append, "charge")
        match way:
            case "step":
                await ctx.step("mail", effects.append, "mail")
            case "ask":
                await ctx.ask("Sure?")
            case "child":
                await ctx.run("other")
            case "state":
                await ctx.state.get("seen")
            case "group":
                async with asyncio.TaskGroup() as group:
                    group.create_task(ctx.step("mail", effects.append, "mail"))
        return paid

    other = Agent("other")
    other.task("pay")(ways)
    found = {}
    async with working(live), Shadow(client, other, "pay") as shadow:
        for way in ("none", "step", "ask", "child", "state", "group"):
            await client.submit("pay", way)
            one = await compared(shadow)
            found[way] = (one.verdict, one.reason)
        assert effects == []
    assert found.pop("none") == ("equal", "")
    assert {verdict for verdict, _ in found.values()} == {"diverged"}
    assert found["step"][1] == found["group"][1]
    assert "step 'mail', which the live task did not do" in found["step"][1]
    assert "ctx.state" in found["state"][1]
    async with working(live), Shadow(client, other, "pay", does_steps=True) as shadow:
        await client.submit("pay", "step")
        assert (await compared(shadow)).verdict == "equal"
    assert effects == ["mail"]


async def test_errors_and_time_outs_are_outcomes_like_others(
    client: Client, working: Working
) -> None:
    live, other = Agent("live"), Agent("other")

    @live.task("flaky", retries=0)
    async def flaky(way: str) -> str:
        if way == "both":
            raise ValueError("both fail")
        return way

    @other.task("flaky", timeout=0.05)
    def flaky_too(way: str) -> str:
        if way == "slow":
            import time

            time.sleep(0.3)
        if way != "none":
            raise ValueError("both fail" if way == "both" else "this one fails")
        return way

    async with working(live), Shadow(client, other, "flaky") as shadow:
        found = {}
        for way in ("none", "both", "one", "slow"):
            await client.submit("flaky", way)
            found[way] = await compared(shadow)
    assert [found[way].verdict for way in found] == ["equal", "equal", "different", "different"]
    assert found["both"].live == found["both"].shadow == "handler_error"
    assert [(one.path, one.only) for one in found["one"].differences] == [
        ("$.data", "live"),
        ("$.error", "shadow"),
    ]
    assert found["slow"].shadow == "timeout"


async def test_keyed_high_and_bare_tasks_are_looked_at_too(
    client: Client, working: Working, eventually: Eventually
) -> None:
    live, other, gate = Agent("live"), Agent("other"), asyncio.Event()

    async def echo(text: str) -> str:
        await gate.wait()
        return text

    @other.task("echo")
    async def echo_too(text: str) -> str:
        return text

    live.task("echo")(echo)
    async with working(live), Shadow(client, other, "echo") as shadow:
        await client.submit("echo", "high", priority="high")
        await client.submit("echo", "keyed", key="k 1")
        bare = await client.connection.request(f"{client.prefix}.task.echo", b'"bare"')
        assert b'"seq":' in bare.body
        # A bare task's id is read from the queue: it must be seen before its worker is done.
        await eventually(lambda: shadow.waiting == 3)
        gate.set()
        ones = [await compared(shadow) for _ in range(3)]
    assert [one.verdict for one in ones] == ["equal"] * 3
    assert sum(one.task_id.startswith(f"{client.prefix.upper()}_TASKS-") for one in ones) == 1


async def test_a_sample_takes_its_share_and_the_same_tasks_each_time(
    client: Client, working: Working
) -> None:
    live, other = Agent("live"), Agent("other")
    ids = [f"task-{n}" for n in range(60)]
    chosen = {one for one in ids if LiveInput("many", one, "", b"", {}).sampled(0.3)}
    assert 10 <= len(chosen) <= 26

    @live.task("many")
    @other.task("many")
    async def many(n: int) -> int:
        return n

    async with working(live), Shadow(client, other, "many", sample=0.3) as shadow:
        for n, task_id in enumerate(ids):
            await client.submit("many", n, id=task_id)
        assert {(await compared(shadow)).task_id for _ in chosen} == chosen
        assert shadow.waiting == 0


async def test_a_task_that_was_canceled_is_skipped(client: Client, working: Working) -> None:
    live, other = Agent("live"), Agent("other")

    @live.task("long")
    async def long(_: None) -> None:
        await asyncio.sleep(60)

    @other.task("long")
    async def quick(_: None) -> None:
        return

    async with working(live), Shadow(client, other, "long") as shadow:
        task_id = await client.submit("long")
        await client.cancel(task_id)
        one = await compared(shadow)
    assert (one.verdict, "canceled" in one.reason) == ("skipped", True)


async def test_hooks_run_around_the_shadow_and_an_unknown_topic_is_refused(
    client: Client,
) -> None:
    other, seen = Agent("other"), []
    other.on_start(lambda: seen.append("start"))
    other.on_stop(lambda: seen.append("stop"))

    @other.task("known")
    async def known(_: None) -> None:
        return

    async with Shadow(client, other, "known"):
        assert seen == ["start"]
    assert seen == ["start", "stop"]
    with pytest.raises(BadConfig, match="no task 'unknown'") as refused:
        Shadow(client, other, "unknown")
    assert "known" in refused.value.hint


@pytest.mark.parametrize(
    ("live", "shadow", "paths"),
    [
        ({"a": 1}, {"a": 1.0}, []),
        ({"a": 1}, {"a": True}, ["$.a"]),
        ({"a": None}, {}, ["$.a"]),
        ([1, 2], [1, 2, 3], ["$[2]"]),
        ([{"a": [1]}], [{"a": [2]}], ["$[0].a[0]"]),
        ("x", ["x"], ["$"]),
        (list(range(99)), list(range(1, 100)), [f"$[{n}]" for n in range(50)]),
    ],
)
def test_json_values_differ_at_paths(live: Any, shadow: Any, paths: list[str]) -> None:
    assert [one.path for one in differences(live, shadow)] == paths
