"""PepperPy: the message bus that AI agents live on.

What a user needs is here by name, and imported when it is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pepperpy_agents import Agent, BlockingContext, Context, RetryPolicy, teams
    from pepperpy_agents.templates import Template, Templates
    from pepperpy_agents.thinking import Limits, LLMAgent
    from pepperpy_agents.tools import Tool, ToolUse, tool
    from pepperpy_bus.client import Client
    from pepperpy_bus.events import Heard
    from pepperpy_bus.graphs.graph import Graph
    from pepperpy_bus.opening import connect
    from pepperpy_bus.routing import Group
    from pepperpy_bus.sync import connect_sync
    from pepperpy_bus.tasks.watch import Update
    from pepperpy_schemas.errors import PepperError, Rejected

_MODULES = {"teams": "pepperpy_agents.teams"}
_HOMES = {
    "Agent": "pepperpy_agents",
    "BlockingContext": "pepperpy_agents",
    "Client": "pepperpy_bus.client",
    "Context": "pepperpy_agents",
    "Graph": "pepperpy_bus.graphs.graph",
    "Group": "pepperpy_bus.routing",
    "Heard": "pepperpy_bus.events",
    "LLMAgent": "pepperpy_agents.thinking",
    "Limits": "pepperpy_agents.thinking",
    "PepperError": "pepperpy_schemas.errors",
    "Rejected": "pepperpy_schemas.errors",
    "RetryPolicy": "pepperpy_agents",
    "Template": "pepperpy_agents.templates",
    "Templates": "pepperpy_agents.templates",
    "Tool": "pepperpy_agents.tools",
    "ToolUse": "pepperpy_agents.tools",
    "Update": "pepperpy_bus.tasks.watch",
    "connect": "pepperpy_bus.opening",
    "connect_sync": "pepperpy_bus.sync",
    "tool": "pepperpy_agents.tools",
}

__all__ = [
    "Agent",
    "BlockingContext",
    "Client",
    "Context",
    "Graph",
    "Group",
    "Heard",
    "LLMAgent",
    "Limits",
    "PepperError",
    "Rejected",
    "RetryPolicy",
    "Template",
    "Templates",
    "Tool",
    "ToolUse",
    "Update",
    "connect",
    "connect_sync",
    "teams",
    "tool",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("pepperpy")
    if name in _MODULES:
        return import_module(_MODULES[name])
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, *_MODULES})
