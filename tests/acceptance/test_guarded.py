"""The whole way with roles: an anonymous client, workers that are workers, and no more."""

import asyncio
import contextlib
from collections.abc import Callable

import pytest

from pepperpy import Agent, Client, Context, connect
from pepperpy.stack.broker import Broker
from pepperpy.stack.conf import role_logins
from pepperpy_agents.worker import Worker, WorkerOptions
from pepperpy_bus.streams.provision import stream_names
from pepperpy_bus.trust.principals import ANONYMOUS
from pepperpy_schemas.errors import Conflict

BrokerFactory = Callable[..., Broker]

agent = Agent("echo")


@agent.task("echo")
async def echo(value: int) -> int:
    return value


def guarded(broker_factory: BrokerFactory) -> Broker:
    return broker_factory(logins=role_logins(anonymous=True), anonymous=ANONYMOUS)


async def provision(broker: Broker) -> None:
    async with connect(broker.url_for("operator")):
        pass


async def test_an_anonymous_client_sends_an_id_twice_and_is_told_of_another_body(
    broker_factory: BrokerFactory,
) -> None:
    broker = guarded(broker_factory)
    await provision(broker)
    async with connect(broker.url) as anybody:
        await anybody.submit("echo", 1, id="mine")
        await anybody.submit("echo", 1, id="mine")
        with pytest.raises(Conflict):
            await anybody.submit("echo", 2, id="mine")
        async with connect(broker.url_for("worker")) as client:
            worker = Worker(agent, client, WorkerOptions())
            working = asyncio.create_task(worker.run(), name="worker")
            assert await anybody.run("echo", 1, id="mine", wait="10s") == 1
            with pytest.raises(Conflict):
                await anybody.run("echo", 2, id="mine", wait="10s")
            worker.stop()
            await working


async def test_an_anonymous_client_sends_tasks_with_keys_and_workers_share_their_shards(
    broker_factory: BrokerFactory,
) -> None:
    broker = guarded(broker_factory)
    await provision(broker)
    waiting = Agent("orders")

    @waiting.task("order")
    async def order(seconds: float, ctx: Context) -> str:
        if seconds:
            await ctx.sleep(seconds)
        return ctx.key

    async with contextlib.AsyncExitStack() as stack:
        anybody = await stack.enter_async_context(connect(broker.url))
        workers = []
        for _ in range(2):
            client = await stack.enter_async_context(connect(broker.url_for("worker")))
            workers.append(Worker(waiting, client, WorkerOptions()))
        working = [asyncio.create_task(one.run(), name="worker") for one in workers]
        sent = [await anybody.submit("order", n % 2 / 5, key="otter") for n in range(4)]
        for task in sent:
            assert await anybody.result(task, wait="15s") == "otter"
        for one in workers:
            one.stop()
        await asyncio.gather(*working)


async def test_a_worker_makes_anew_what_a_restarted_broker_kept_in_memory(
    broker_factory: BrokerFactory,
) -> None:
    broker = guarded(broker_factory)
    await provision(broker)
    async with connect(broker.url_for("worker")) as client:
        before = await stream_names(client.connection)
        broker.kill()
        await broker.restart()
        await _until_there(client, {"PP_TOKENS", "KV_pp_registry"})
        assert await stream_names(client.connection) == before


async def test_an_event_that_may_not_be_told_is_dropped_and_not_sent_for_ever(
    broker_factory: BrokerFactory,
) -> None:
    broker = guarded(broker_factory)
    await provision(broker)
    async with connect(broker.url) as anybody, anybody.emitter() as emitter:
        await emitter.emit("task", "completed", scope="echo", id="x", certain=True)
        assert await emitter.flush(5)
        assert emitter.dropped == 1


async def _until_there(client: Client, names: set[str]) -> None:
    await client.connection.wait_connected(10)
    async with asyncio.timeout(10):
        while not names <= await stream_names(client.connection):
            await asyncio.sleep(0.05)
