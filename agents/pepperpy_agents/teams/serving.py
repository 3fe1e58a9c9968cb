"""A team as an agent of its own: whoever knows its topic can ask it, in any language."""

from collections.abc import Iterator
from typing import Any

from pepperpy_agents.agent import Agent
from pepperpy_agents.context import Context
from pepperpy_agents.teams.steps import TOPIC
from pepperpy_bus.graphs.graph import Graph
from pepperpy_schemas.codec import convert
from pepperpy_schemas.errors import BadConfig
from pepperpy_schemas.graphs import GraphSpec


def served(team: Graph, *, version: str = "0.1.0") -> Agent:
    """Returns an agent whose topic is the team's name, and which gives its tasks to the team.

    Args:
        team: The team.
        version: The agent's semantic version.

    Raises:
        BadName: The team's name is no topic.
        BadConfig: The name is a member's topic too: the team would ask itself for ever.
    """
    if team.name in _topics(team.declared):
        raise BadConfig(
            f"team {team.name} asks itself: a member of it has the same topic",
            hint="give the team another name",
        )
    agent = Agent(team.name, version=version, capabilities=["team"])

    # For the bus alone: what members failed with is never repeated.
    @agent.task(team.name, retries=20, timeout=None)
    async def ask(given: Any, ctx: Context) -> Any:
        """Gives its task to a team of agents."""
        return await ctx.run(team, given)

    return agent


def _topics(spec: GraphSpec) -> Iterator[str]:
    """The topics of a team's members, and of those of teams in it."""
    for node in spec.nodes.values():
        step = node.input if node.topic == TOPIC else {}
        yield node.topic
        if node.graph is not None:
            yield from _topics(node.graph)
        for several in ("rules", "agents", "workers"):
            yield from step.get(several, ())
        for one in ("writer", "critic"):
            member = step.get(one, "")
            yield from [member] if isinstance(member, str) else _topics(convert(member, GraphSpec))
