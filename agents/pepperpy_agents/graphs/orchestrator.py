"""The stock agent that runs graphs: each is a task whose children are the graph's tasks."""

from typing import Any

from pepperpy_agents.agent import Agent
from pepperpy_agents.context import Context
from pepperpy_agents.graphs.orchestration import Orchestration
from pepperpy_bus.graphs.graph import TOPIC
from pepperpy_bus.graphs.plan import make_plan
from pepperpy_schemas.errors import error_types
from pepperpy_schemas.graphs import GraphSpec

agent = Agent("orchestrator", version="1.0.0", capabilities=["graphs"])


_PASSING = tuple(one for one in error_types() if one.category == "bus")


# Only what passes is tried again: a graph that fails does so once.
@agent.task(TOPIC, retries=20, retry_delay="1s", retry_on=_PASSING, timeout=None)
async def orchestrate(graph: GraphSpec, ctx: Context) -> Any:
    """Runs a graph of tasks, and returns its output or the results of its last nodes by name."""
    return await Orchestration(make_plan(graph), ctx).run()
