"""Agents of Microsoft Agent Framework as agents on the bus: `agent_framework_agent`."""

from pepperpy_bus.installing import install
from pepperpy_schemas.errors import BadConfig

try:
    import agent_framework  # noqa: F401 - to say what is missing
except ModuleNotFoundError as error:
    raise BadConfig(
        "the adapter of Agent Framework needs the package agent-framework-core",
        hint=f"install it: {install('agent-framework')}",
    ) from error

from pepperpy_agents.adapters.agent_framework.agents import agent_framework_agent, run_handler

__all__ = ["agent_framework_agent", "run_handler"]
