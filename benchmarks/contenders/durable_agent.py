"""The agent that PepperPy's worker serves in the benchmark of durable tasks."""

from typing import Any

from pepperpy import Agent, Context

agent = Agent("bench", version="1.0.0")


async def step(data: dict[str, Any]) -> dict[str, Any]:
    """Gives back what it was given."""
    return data


@agent.task("durable")
async def durable(task: dict[str, Any], ctx: Context) -> dict[str, Any]:
    """Does so many journaled steps."""
    data: dict[str, Any] = task["data"]
    for _ in range(task["steps"]):
        data = await ctx.step("step", step, data)
    return data
