"""LangChain and LangGraph, both ways: theirs as agents on the bus, ours in their programs.

| theirs on the bus | ours in their programs |
| --- | --- |
| `langchain_agent`, `runnable_handler`: a runnable or a graph | `BusRunnable`: an agent |
| `from_langchain`: a tool | `langchain_tools`: tools, under our grants |
| `Checkpoints`, `BusSaver`: a graph's steps kept on the bus | `ChatPepperPy`: a model |
| | `MemoryRetriever`: the memory |
"""

from typing import TYPE_CHECKING, Any

from pepperpy_bus.installing import install
from pepperpy_schemas.errors import BadConfig

try:
    import langchain_core  # noqa: F401 - to say what is missing
except ModuleNotFoundError as error:
    raise BadConfig(
        "the adapters of LangChain need the package langchain-core",
        hint=f"install it: {install('langchain')}",
    ) from error

from pepperpy_agents.adapters.langchain.agents import langchain_agent, runnable_handler
from pepperpy_agents.adapters.langchain.memory import MemoryRetriever
from pepperpy_agents.adapters.langchain.messages import conversation, theirs
from pepperpy_agents.adapters.langchain.model import ChatPepperPy
from pepperpy_agents.adapters.langchain.runnable import BusRunnable
from pepperpy_agents.adapters.langchain.tools import from_langchain, langchain_tools

if TYPE_CHECKING:
    from pepperpy_agents.adapters.langchain.checkpoints import BusSaver
    from pepperpy_agents.adapters.langchain.graphs import Checkpoints

__all__ = [
    "BusRunnable",
    "BusSaver",
    "ChatPepperPy",
    "Checkpoints",
    "MemoryRetriever",
    "conversation",
    "from_langchain",
    "langchain_agent",
    "langchain_tools",
    "runnable_handler",
    "theirs",
]


def __getattr__(name: str) -> Any:
    # LangGraph takes a second to import, and runnables of LangChain alone do not need it.
    if name == "BusSaver":
        from pepperpy_agents.adapters.langchain.checkpoints import BusSaver

        return BusSaver
    if name == "Checkpoints":
        from pepperpy_agents.adapters.langchain.graphs import Checkpoints

        return Checkpoints
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
