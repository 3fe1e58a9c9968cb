"""A queue of tasks that is full keeps nobody waiting but those who submit."""

import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from pepperpy import Agent, Client, Context
from pepperpy_bus.streams import consumers
from pepperpy_bus.streams.jetstream import api
from pepperpy_bus.streams.provision import ensure_topic
from pepperpy_bus.streams.pull import Puller
from pepperpy_schemas.errors import ChildFailed, CrashLoop, QueueFull
from pepperpy_schemas.subjects import stream_name

Working = Callable[..., contextlib.AbstractAsyncContextManager[Any]]
Eventually = Callable[..., Awaitable[Any]]


async def fill(client: Client) -> None:
    """Leaves the queue full of tasks that nobody does."""
    stream = stream_name(client.prefix, "TASKS")
    info = await api(client.connection, f"STREAM.INFO.{stream}")
    config = {**info["config"], "max_msgs": info["state"]["messages"] + 1}
    await api(client.connection, f"STREAM.UPDATE.{stream}", config)
    await client.submit("nobody", 1)
    with pytest.raises(QueueFull):
        await client.submit("nobody", 2)


async def test_waiting_tasks_go_on_while_the_queue_is_full(
    client: Client, working: Working, eventually: Eventually
) -> None:
    family, leaves = Agent("family"), Agent("leaves")

    @family.task("fan")
    async def fan(_: None, ctx: Context) -> Any:
        return await ctx.gather(*[await ctx.submit("leaf", n) for n in range(3)])

    @family.task("ask")
    async def ask(_: None, ctx: Context) -> Any:
        return await ctx.ask("Well?")

    @family.task("nap")
    async def nap(_: None, ctx: Context) -> str:
        await ctx.sleep(1.0)
        return "rested"

    @leaves.task("leaf")
    async def leaf(n: int) -> int:
        return n

    async def all_wait() -> bool:
        name = f"STREAM.INFO.{stream_name(client.prefix, 'TASKS')}"
        return int((await api(client.connection, name))["state"]["messages"]) == 3

    async with working(family):
        fans, asks, naps = [await client.submit(one) for one in ("fan", "ask", "nap")]
        await eventually(lambda: client.question(asks))
        await eventually(all_wait)  # the leaves are left, which nobody does yet
        await fill(client)
        await client.answer(asks, "yes")
        assert await client.result(asks, wait=10) == "yes"
        assert await client.result(naps, wait=10) == "rested"
        async with working(leaves):
            assert await client.result(fans, wait=10) == [0, 1, 2]


async def test_a_crash_loop_of_a_child_ends_though_the_queue_is_full(
    client: Client, working: Working, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "MAX_DELIVER", 1)
    monkeypatch.setattr(consumers, "ACK_WAIT", 0.5)
    await ensure_topic(client.connection, client.prefix, "poison")
    agent, taken = Agent("parents"), list[Any]()

    @agent.task("parent", retries=0)
    async def parent(_: None, ctx: Context) -> Any:
        return await ctx.run("poison")

    stream = stream_name(client.prefix, "TASKS")
    dying = Puller(client.connection, stream, "w_poison", slots=1, on_delivery=taken.append)
    async with working(agent):
        task_id = await client.submit("parent")

        async def waits() -> bool:
            name = f"CONSUMER.INFO.{stream}.w_parent"
            return not (await api(client.connection, name))["num_ack_pending"]

        await eventually(waits)
        await fill(client)
        async with dying:
            with pytest.raises(ChildFailed) as failed:
                await client.result(task_id, wait=15)
    assert isinstance(failed.value.__cause__, CrashLoop)
