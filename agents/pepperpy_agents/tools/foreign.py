"""Tools of other frameworks, known by their class and without an import of what they are from."""

import importlib
from typing import Any, Final, Protocol

from pepperpy_agents.tools.tool import Tool

_ADAPTERS: Final = {
    "autogen_core.tools._base.BaseTool": "pepperpy_agents.adapters.autogen.tools:from_autogen",
    "langchain_core.tools.base.BaseTool": "pepperpy_agents.adapters.langchain.tools:from_langchain",
}
"""The class that tools of a framework have, and the function that makes one of them ours."""


class ForeignTool(Protocol):
    """A tool of another framework, as far as all of them are alike."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def description(self) -> str:
        """What it does, for the model."""
        ...


def foreign_tool(given: Any) -> Tool | None:
    """Returns a tool of another framework as one of ours; None for what is none."""
    for kind in type(given).__mro__:
        adapter = _ADAPTERS.get(f"{kind.__module__}.{kind.__qualname__}")
        if adapter is not None:
            module, _, name = adapter.partition(":")
            made = getattr(importlib.import_module(module), name)(given)
            assert isinstance(made, Tool), f"{adapter} makes tools"
            return made
    return None
