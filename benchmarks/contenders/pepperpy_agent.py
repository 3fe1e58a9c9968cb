"""The agent that PepperPy's worker serves in the benchmark."""

import asyncio
from typing import Any

from pepperpy import Agent, Context

agent = Agent("bench", version="1.0.0")


@agent.task("noop")
async def noop(data: dict[str, Any], ctx: Context) -> dict[str, Any]:  # noqa: ARG001
    """Gives back what it was given."""
    return data


@agent.task("wait")
async def wait(data: dict[str, Any], ctx: Context) -> dict[str, Any]:  # noqa: ARG001
    """Waits 50 ms, as a call to a model or a service would."""
    await asyncio.sleep(0.05)
    return data
