"""Live output: pieces of a task that every watcher sees."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from pepperpy import Agent, BlockingContext, Client, Context
from pepperpy.stack.broker import Broker
from pepperpy_bus.opening import connect
from pepperpy_bus.tasks.watch import Update
from pepperpy_schemas.errors import TooLarge

Working = Callable[..., contextlib.AbstractAsyncContextManager[Any]]


def pieces(updates: list[Update]) -> list[tuple[int, int, str]]:
    found = []
    for one in updates:
        assert one.gap is None
        if one.token is not None:
            token = one.token
            said = "END" if token.end else token.t or bytes(token.data).decode()
            found.append((token.attempt, token.seq, said))
    return found


async def test_every_watcher_sees_the_whole_output_live_or_late(
    client: Client, working: Working
) -> None:
    agent, go = Agent("speaks"), asyncio.Event()

    @agent.task("speak")
    async def speak(words: list[Any], ctx: Context) -> int:
        for word in words:
            await ctx.stream(word)
        await go.wait()
        await ctx.stream("last")
        return len(words)

    async with working(agent):
        task_id = await client.submit("speak", ["a", {"b": 1}])
        live = client.watch(task_id)
        seen: list[Update] = []
        while len(pieces(seen)) < 2:
            seen.append(await anext(live))
        go.set()
        seen += [one async for one in live]
    expected = [(1, 1, "a"), (1, 2, '{"b":1}'), (1, 3, "last"), (1, 4, "END")]
    assert pieces(seen) == expected
    assert pieces([one async for one in client.watch(task_id)]) == expected


async def test_an_attempt_that_its_worker_gave_back_speaks_anew(
    client: Client, working: Working
) -> None:
    """It is the same attempt, and may use other words: the two must not be mixed."""
    words = iter([["Half", " an"], ["The", " whole", " answer"]])
    spoken = asyncio.Event()

    def speaking() -> Agent:
        agent = Agent("speaks")

        @agent.task("speak")
        async def speak(_: None, ctx: Context) -> int:
            said = next(words)
            for word in said:
                await ctx.stream(word)
            if len(said) == 2:
                spoken.set()
                await asyncio.Event().wait()
            return ctx.attempt

        return agent

    async with working(speaking(), grace=0.01):
        task_id = await client.submit("speak")
        await spoken.wait()
    async with working(speaking()):
        assert await client.result(task_id, wait=10) == 1
    assert pieces([one async for one in client.watch(task_id)]) == [
        *((1, 1, "Half"), (1, 2, " an")),
        *((2, 1, "The"), (2, 2, " whole"), (2, 3, " answer"), (2, 4, "END")),
    ]


async def test_a_retry_speaks_anew_under_its_own_number(client: Client, working: Working) -> None:
    agent = Agent("stutters")

    @agent.task("stutter", retry_delay=0.01)
    def stutter(_: None, ctx: BlockingContext) -> None:
        ctx.stream("a")
        if ctx.attempt == 1:
            raise ValueError("again")
        ctx.stream("b")

    async with working(agent):
        task_id = await client.submit("stutter")
        found = pieces([one async for one in client.watch(task_id)])
    assert found == [(1, 1, "a"), (2, 1, "a"), (2, 2, "b"), (2, 3, "END")]


async def test_a_piece_that_is_too_large_is_refused(client: Client, working: Working) -> None:
    agent = Agent("shouts")

    @agent.task("shout", retries=0)
    async def shout(_: None, ctx: Context) -> None:
        await ctx.stream("x" * 70_000)

    async with working(agent):
        with pytest.raises(TooLarge, match="at most 65536"):
            await client.run("shout", wait=10)


async def test_output_survives_a_kill_of_the_broker_without_a_gap(
    own_broker: Broker, prefix: str, eventually: Callable[..., Awaitable[Any]]
) -> None:
    from pepperpy_agents.worker import Worker, WorkerOptions

    agent, said = Agent("talks"), 0

    @agent.task("talk")
    async def talk(count: int, ctx: Context) -> None:
        nonlocal said
        for said in range(count):
            await ctx.stream(str(said))
            await asyncio.sleep(0.005)

    async with (
        connect(own_broker.url, bus__prefix=prefix) as bus,
        connect(own_broker.url, bus__prefix=prefix, patient=True) as own,
    ):
        worker = Worker(agent, own, WorkerOptions())
        working = asyncio.create_task(worker.run(), name="worker")
        await eventually(lambda: worker.ready)
        task_id = await bus.submit("talk", 400)
        await eventually(lambda: said > 100)
        own_broker.kill()
        await own_broker.start()
        async with asyncio.timeout(30):
            found = pieces([one async for one in bus.watch(task_id)])
        worker.stop()
        await working
    assert [said for attempt, _, said in found if attempt == 1][:400] == [
        str(n) for n in range(400)
    ]
