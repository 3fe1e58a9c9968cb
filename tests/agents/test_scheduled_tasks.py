import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from pepperpy import Agent, Client, Context
from pepperpy_bus.streams.jetstream import store
from pepperpy_schemas import headers as h
from pepperpy_schemas.catalog.tasks import TASK

Working = Callable[..., contextlib.AbstractAsyncContextManager[Any]]


async def test_a_handler_knows_its_schedule_and_each_firing_has_a_result_of_its_own(
    client: Client, working: Working
) -> None:
    agent = Agent("clock", version="1.0.0")
    ticks: asyncio.Queue[tuple[str, str]] = asyncio.Queue()

    @agent.task("tick")
    async def tick(text: str, ctx: Context) -> str:
        ticks.put_nowait((ctx.task_id, ctx.headers["pp-schedule-id"]))
        return text.upper()

    async with working(agent):
        schedule_id = await client.submit("tick", "tick", every="1s")
        async with asyncio.timeout(15):
            found = [await ticks.get() for _ in range(2)]
        for task_id, schedule in found:
            assert schedule == schedule_id
            assert task_id.startswith(f"{client.prefix.upper()}_TASKS-")
            assert await client.result(task_id, wait=5) == "TICK"
    assert found[0] != found[1]


async def test_a_scheduled_task_that_the_queue_is_given_twice_runs_once(
    client: Client, working: Working
) -> None:
    agent = Agent("once", version="1.0.0")
    runs: list[str] = []

    @agent.task("once", concurrency=1)
    async def once(text: str) -> str:
        runs.append(text)
        return text

    async with working(agent):
        task_id = await client.submit("once", "mine", delay=0)
        assert await client.result(task_id, wait=15) == "mine"
        # As a source gives it again that had not been acknowledged when the broker died.
        subject = TASK.of(client.prefix, topic="once", id=task_id)
        again = {h.ID: task_id}
        await store(client.connection, subject, b'"mine"', msg_id="copy", headers=again)
        assert await client.run("once", "later", wait=15) == "later"
    assert runs == ["mine", "later"]
