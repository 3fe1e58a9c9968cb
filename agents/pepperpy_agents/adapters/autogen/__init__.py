"""AutoGen 0.7, both ways: its agents and teams on the bus, ours in its programs.

| theirs on the bus | ours in their programs |
| --- | --- |
| `autogen_agent`, `runner_handler`: agents, teams | `BusChatCompletionClient`, `BusTool`: agents |
| `from_autogen`: a tool | `autogen_tools`: tools, under our grants |
| | `PepperPyChatCompletionClient`: a model |
"""

from pepperpy_bus.installing import install
from pepperpy_schemas.errors import BadConfig

try:
    import autogen_agentchat  # noqa: F401 - to say what is missing
except ModuleNotFoundError as error:
    raise BadConfig(
        "the adapters of AutoGen need the package autogen-agentchat",
        hint=f"install it: {install('autogen')}",
    ) from error

from pepperpy_agents.adapters.autogen.agents import autogen_agent, runner_handler
from pepperpy_agents.adapters.autogen.asked import BusChatCompletionClient
from pepperpy_agents.adapters.autogen.messages import conversation
from pepperpy_agents.adapters.autogen.model import PepperPyChatCompletionClient
from pepperpy_agents.adapters.autogen.tools import BusTool, autogen_tools, from_autogen

__all__ = [
    "BusChatCompletionClient",
    "BusTool",
    "PepperPyChatCompletionClient",
    "autogen_agent",
    "autogen_tools",
    "conversation",
    "from_autogen",
    "runner_handler",
]
