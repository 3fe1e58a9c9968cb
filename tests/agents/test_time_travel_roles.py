"""Who may look back, run again and run beside, asked of a real server with all roles."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from pepperpy import Agent, Client, Context, connect
from pepperpy.stack.broker import Broker
from pepperpy.stack.conf import role_logins
from pepperpy_agents.shadowing.shadow import Shadow
from pepperpy_agents.worker import Worker, WorkerOptions
from pepperpy_bus.config import Settings, load
from pepperpy_bus.trust.principals import ANONYMOUS
from pepperpy_schemas.errors import NotFound, PermissionDenied
from tests.agents.conftest import wait_until


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker with all roles and the anonymous one."""
    folder: Path = tmp_path_factory.mktemp("guarded")
    logins = role_logins(anonymous=True)
    with Broker(folder, logins=logins, anonymous=ANONYMOUS) as broker:
        yield broker


def settings_of(broker: Broker, role: str) -> Settings:
    url = broker.url if role == ANONYMOUS else broker.url_for(role)
    return load(flags={"nats.url": url}).settings


def shop() -> Agent:
    agent = Agent("shop")

    @agent.task("order", retries=0)
    async def order(fail: bool, ctx: Context) -> str:
        await ctx.step("reserve", lambda: 1)
        if fail:
            raise ValueError("no luck")
        return "sold"

    @agent.task("plain", retries=0)
    async def plain(_: None) -> None:
        raise ValueError("no luck")

    return agent


@contextlib.asynccontextmanager
async def working(broker: Broker) -> AsyncIterator[None]:
    async with connect(settings=settings_of(broker, "operator")):
        pass  # makes the streams, which a worker may not
    async with connect(settings=settings_of(broker, "worker")) as own:
        worker = Worker(shop(), own, WorkerOptions())
        running = asyncio.create_task(worker.run(), name="worker")
        try:
            await wait_until(lambda: worker.ready or running.done())
            yield
        finally:
            worker.stop()
            await running


async def failed(bus: Client, topic: str, data: Any) -> str:
    task_id = await bus.submit(topic, data)
    assert not (await bus.ended(task_id, wait=10)).result.ok
    return task_id


@pytest.mark.parametrize("role", ["producer", ANONYMOUS, "worker", "operator"])
async def test_who_submits_may_explain_and_rerun(guarded: Broker, role: str) -> None:
    reads_letters = role == "operator"
    async with working(guarded), connect(settings=settings_of(guarded, role)) as bus:
        old = await failed(bus, "order", True)
        began = time.monotonic()
        story = await bus.explain(old)
        assert time.monotonic() - began < 3
        assert (story.state, story.steps[0].name) == ("failed", "reserve")
        assert bool(story.letter) == reads_letters
        new = await bus.rerun(old, unfinished=True, changes={})
        assert not (await bus.ended(new, wait=10)).result.ok
        plain = await failed(bus, "plain", None)
        if reads_letters:
            assert not (await bus.ended(await bus.rerun(plain), wait=10)).result.ok
        else:
            with pytest.raises(NotFound, match="in its dead letter alone"):
                await bus.rerun(plain)


async def test_a_monitor_explains_and_submits_nothing(guarded: Broker) -> None:
    async with working(guarded):
        async with connect(settings=settings_of(guarded, "producer")) as bus:
            old = await failed(bus, "order", True)
        async with connect(settings=settings_of(guarded, "monitor")) as bus:
            assert (await bus.explain(old)).letter
            with pytest.raises(PermissionDenied):
                await bus.rerun(old)


async def test_workers_and_operators_run_shadows_and_producers_hear_no_inputs(
    guarded: Broker,
) -> None:
    other = Agent("other")

    @other.task("order")
    async def order(fail: bool) -> str:
        return "sold"

    async with working(guarded), connect(settings=settings_of(guarded, "producer")) as producer:
        for role in ("worker", "operator"):
            async with (
                connect(settings=settings_of(guarded, role)) as bus,
                Shadow(bus, other, "order") as shadow,
            ):
                await producer.submit("order", False)
                async with asyncio.timeout(10):
                    assert (await shadow.next()).verdict == "equal"
        with pytest.raises(PermissionDenied):
            async with Shadow(producer, other, "order"):
                pass
