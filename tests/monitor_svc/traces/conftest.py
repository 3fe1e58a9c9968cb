"""What tests of traces share: real workers, a provider service and a memory service."""

from collections import deque
from collections.abc import AsyncIterator

import pytest

from pepperpy import Agent, Client, Context
from pepperpy.stack.broker import Broker
from pepperpy_bus.tracing.reading import read_trace
from pepperpy_bus.tracing.spans import Trace
from tests.agents.conftest import (  # noqa: F401 - fixtures
    Working,
    client,
    eventually,
    wait_until,
    working,
)
from tests.agents.thinking.speaking import says
from tests.memory_svc.memory_service import remembering
from tests.provider_svc.asking import Planned
from tests.provider_svc.gateway.conftest import Serving, planned, serving  # noqa: F401 - fixtures


@pytest.fixture
async def services(serving: Serving, broker: Broker, prefix: str) -> AsyncIterator[Planned]:  # noqa: F811
    """A provider service that says `Fine.`, and a memory service."""
    async with serving() as offer, remembering(broker.url, prefix):
        model = planned(offer)
        model.plan = deque([says("Fine.")])
        yield model


@pytest.fixture
def office() -> Agent:
    """An agent whose report fails once, asks a model, remembers, and has a child that does too."""
    agent = Agent("office")

    @agent.task("child")
    async def child(n: int, ctx: Context) -> int:
        await ctx.client.llm.chat("How are you, child?")
        return n * 2

    @agent.task("report", retries=1, retry_delay=0.01)
    async def report(about: str, ctx: Context) -> str:
        async def think() -> str:
            await ctx.client.memory.put("Otters hold hands.")
            return (await ctx.client.llm.chat("How are you?")).text

        async def look() -> str:
            await ctx.client.llm.chat("Look.")
            if ctx.attempt == 1:
                raise ValueError("no luck")
            return "seen"

        text = await ctx.step("think", think)
        await ctx.step("look", look)
        await ctx.progress(0.5, "half")
        doubled = await ctx.run("child", 4)
        return f"{about} {text} {doubled}"

    return agent


async def whole(client: Client, task_id: str, spans: int) -> Trace:  # noqa: F811
    """The trace once the events of services, which are told beside the way, are there."""

    async def enough() -> Trace | None:
        trace = await read_trace(client, task_id)
        return trace if len(trace.spans) >= spans else None

    found: Trace = await wait_until(enough)
    return found
