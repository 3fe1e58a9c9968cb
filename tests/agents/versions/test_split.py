"""Two versions of one topic side by side, in the proportion that was set."""

import asyncio
from collections import Counter
from typing import Any

from pepperpy import Agent, Client, Context
from pepperpy_bus.versions.splits import Splits
from tests.agents.conftest import Working, wait_until


def versioned(version: str, topic: str = "triage") -> Agent:
    """An agent whose tasks come to its version."""
    agent = Agent("support", version=version)

    @agent.task(topic, retries=0)
    async def handle(data: Any) -> str:
        return version

    return agent


async def split(client: Client, topic: str, **weights: int) -> None:
    """Sets weights: ``v1_0_0=90``."""
    told = {name[1:].replace("_", "."): weight for name, weight in weights.items()}
    await Splits(client.connection, client.prefix).set(topic, told)


async def counted(client: Client, ids: list[str]) -> Counter[str]:
    """How many of the tasks each version did."""
    done = await asyncio.gather(*(client.result(one, wait=30) for one in ids))
    return Counter(done)


async def test_a_thousand_tasks_go_to_two_versions_by_weight(
    client: Client, working: Working
) -> None:
    async with working(versioned("1.0.0")) as old, working(versioned("1.1.0")) as new:
        await split(client, "triage", v1_0_0=90, v1_1_0=10)
        await wait_until(lambda: old._beside.is_split("triage") and new._beside.is_split("triage"))
        await wait_until(lambda: len(old._beside.weights("triage")) == 2)
        await wait_until(lambda: len(new._beside.weights("triage")) == 2)
        ids = [await client.submit("triage", n, id=f"t{n}") for n in range(1000)]
        done = await counted(client, ids)
    print(done)
    assert done["1.0.0"] + done["1.1.0"] == 1000
    assert 70 <= done["1.1.0"] <= 130
