"""Versions of one agent beside each other."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from pepperpy import Agent, Client
from pepperpy_agents.worker import Worker
from pepperpy_bus.registry import Registry
from tests.agents.conftest import wait_until

Split = Callable[..., Awaitable[None]]


def versioned(version: str, topic: str = "triage") -> Agent:
    """An agent that returns its version."""
    agent = Agent("support", version=version)

    @agent.task(topic, retries=0)
    async def handle(_: Any) -> str:
        return version

    return agent


@pytest.fixture
def split(client: Client) -> Split:
    """`await split({"1.0.0": 90, "1.1.0": 10}, worker, …)` returns when the workers know it."""

    async def set_(weights: dict[str, int], *workers: Worker, topic: str = "triage") -> None:
        await client.splits.put(topic, weights, by="test")
        up = {worker.agent.version for worker in workers}
        registry = Registry(client.connection, client.prefix)

        async def all_up() -> bool:
            return up <= {one.version for one in await registry.instances(topic=topic)}

        await wait_until(all_up)
        wanted = {version: n for version, n in weights.items() if n and version in up}
        await wait_until(lambda: all(one.beside.weights(topic) == wanted for one in workers))

    return set_
