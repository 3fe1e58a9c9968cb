"""A graph of ten steps whose orchestrator is killed with -9 at every one of them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from pepperpy import Agent, Client, Context, Graph, connect
from pepperpy.stack.broker import Broker
from pepperpy_agents.worker import Worker, WorkerOptions
from pepperpy_bus.streams.consumers import resume_consumer
from pepperpy_bus.streams.provision import ensure_consumer
from pepperpy_bus.tasks.wakes import wake
from pepperpy_schemas.catalog.tasks import RESULT
from pepperpy_schemas.errors import GraphFailed
from pepperpy_schemas.messages import Resume
from pepperpy_schemas.subjects import stream_name

STEPS = 10
ORCHESTRATOR = "pepperpy_agents.graphs.orchestrator:agent"


@contextlib.asynccontextmanager
async def working(agent: Agent, url: str, prefix: str) -> AsyncIterator[None]:
    async with connect(url, bus__prefix=prefix) as own:
        worker = Worker(agent, own, WorkerOptions(concurrency=4, grace=5.0))
        running = asyncio.create_task(worker.run(), name="worker")
        try:
            yield
        finally:
            worker.stop()
            await running


async def impatient(client: Client, audit: Any) -> None:
    """Hands over what a killed orchestrator held within a second."""
    await audit.impatient(client, "orchestrate", 1.0)
    config = resume_consumer(client.prefix, "orchestrate")
    config["ack_wait"] = 1_000_000_000
    await ensure_consumer(client.connection, stream_name(client.prefix, "RESUME"), config)


@pytest.mark.parametrize("fails", [False, True], ids=["completes", "is-undone"])
async def test_a_plan_whose_orchestrator_is_killed_at_every_step_does_each_step_once(
    client: Client,
    broker: Broker,
    prefix: str,
    workers: Callable[..., Any],
    audit: Any,
    fails: bool,
) -> None:
    await impatient(client, audit)
    done: list[tuple[str, int]] = []
    orchestrators = [workers(broker.url, ORCHESTRATOR)]
    agent, before = Agent("steps"), [""]

    async def disturb(ctx: Context) -> None:
        """Kills the orchestrator, wakes the next one in vain, and tells an old result again."""
        orchestrators[-1].kill()
        orchestrators.append(workers(broker.url, ORCHESTRATOR, ready=False))
        waking = Resume("child", n=1, child="nobody")
        await wake(client.connection, prefix, topic="orchestrate", task_id="plan", resume=waking)
        if before[0]:
            again = RESULT.of(prefix, id=before[0])
            await client.connection.publish(again, b'{"ok":true,"data":"late"}')
        before[0] = ctx.task_id

    @agent.task("step", retries=0)
    async def step(n: int, ctx: Context) -> int:
        done.append(("step", n))
        await disturb(ctx)
        if fails and n == STEPS - 1:
            raise ValueError("the last one")
        return n

    @agent.task("undo", retries=0)
    async def undo(given: dict[str, int], ctx: Context) -> None:
        done.append(("undo", given["result"]))
        if given["result"] % 3 == 0:
            await disturb(ctx)

    g = Graph("plan")
    last: Any = None
    for n in range(STEPS):
        last = g.task("step", n, name=f"s{n}", after=[last] if last else [], compensate="undo")
    async with working(agent, broker.url, prefix):
        await client.submit(g, id="plan")
        if fails:
            with pytest.raises(GraphFailed, match=r"node s9 failed: .*the last one") as failed:
                await client.result("plan", wait=55)
            undone = failed.value.context["compensated"]
            assert undone == [f"s{n}" for n in reversed(range(STEPS - 1))]
        else:
            assert await client.result("plan", wait=55) == {"s9": 9}
    steps = [("step", n) for n in range(STEPS)]
    undos = [("undo", n) for n in reversed(range(STEPS - 1))] if fails else []
    assert done == steps + undos
    assert len(orchestrators) > STEPS
