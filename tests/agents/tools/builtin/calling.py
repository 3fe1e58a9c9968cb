"""Calls as a model makes them, through a toolbox."""

import json
from collections.abc import Iterable
from typing import Any

from pepperpy_agents.tools import Tool, Toolbox, ToolUse
from pepperpy_schemas.chat import ToolCall


class Caller:
    """Calls tools under grants; ``code`` has the code of the last error, empty without one."""

    def __init__(self, tools: Iterable[Tool], grants: Iterable[str]) -> None:
        self._toolbox = Toolbox(tools, grants=list(grants))
        self.code = ""
        self.said = ""

    async def __call__(self, name: str, **arguments: Any) -> Any:
        call = ToolCall("c1", name, json.dumps(arguments))
        result = await self._toolbox.run(call, ToolUse(caller="tester"))
        self.said = result.content
        self.code = result.content.partition(":")[0] if result.error else ""
        return None if result.error else json.loads(result.content)
