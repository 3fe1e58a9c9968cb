"""A team as an agent of its own: whoever knows its topic can ask it, in any language."""

from typing import Any

from pepperpy_agents.agent import Agent
from pepperpy_agents.context import Context
from pepperpy_bus.graphs.graph import Graph


def served(team: Graph, *, version: str = "0.1.0") -> Agent:
    """Returns an agent whose topic is the team's name, and which gives its tasks to the team.

    Args:
        team: The team.
        version: The agent's semantic version.

    Raises:
        BadName: The team's name is no topic.
    """
    agent = Agent(team.name, version=version, capabilities=["team"])

    # For the bus alone: what members failed with is never repeated.
    @agent.task(team.name, retries=20, timeout=None)
    async def ask(given: Any, ctx: Context) -> Any:
        """Gives its task to a team of agents."""
        return await ctx.run(team, given)

    return agent
