"""Tools of LangChain as ours, and ours as LangChain's."""

import asyncio
from collections.abc import Iterable
from typing import Any, Final
from uuid import uuid4

from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool, ToolException
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import Field

from pepperpy_agents.adapters.current import Bus, current, waited
from pepperpy_agents.adapters.langchain.values import plain
from pepperpy_agents.adapters.lending import Lent, Needs, borrowed
from pepperpy_agents.tools.resolving import Spec
from pepperpy_agents.tools.scopes import Scope
from pepperpy_agents.tools.tool import DEFAULT_TIMEOUT, Tool, ToolUse
from pepperpy_schemas.errors import ToolFailed

AUDITED: Final = "pepperpy_audited"
"""Marks tools in their metadata whose calls our toolbox guards and tells of itself."""


def from_langchain(
    tool: BaseTool,
    *,
    needs: Needs = (),
    timeout: float = DEFAULT_TIMEOUT,
) -> Tool:
    """Returns a tool of LangChain as one of ours; `LLMAgent` takes either.

    Args:
        tool: The tool.
        needs: Scopes that a call needs, or a function of the arguments that returns them.
        timeout: Seconds that a call may take.
    """
    function = convert_to_openai_tool(tool)["function"]

    async def call(arguments: dict[str, Any], use: ToolUse) -> Any:  # noqa: ARG001 - as all tools
        wanted = {"type": "tool_call", "name": tool.name, "id": uuid4().hex, "args": arguments}
        said = await tool.ainvoke(wanted)
        if not isinstance(said, ToolMessage):
            return plain(said)
        if said.status == "error":
            raise ToolFailed(said.text)
        return said.content if isinstance(said.content, str) else plain(said.content)

    return borrowed(
        tool.name,
        tool.description,
        function.get("parameters"),
        call,
        needs=needs,
        timeout=timeout,
    )


def langchain_tools(
    *specs: Spec, grants: Iterable[str | Scope] = (), client: Bus | None = None
) -> list[BaseTool]:
    """Returns tools of ours as LangChain's: for `create_agent`, `ToolNode`, `bind_tools`.

    They share one toolbox. What a call does wrong comes back as a message with the status
    ``error``, which models act upon.

    Args:
        *specs: Tools, functions, or names, as `LLMAgent` takes them: ``"calculator"``,
            ``"files.read:./papers"``, ``"agent:TOPIC"``.
        grants: Scopes that they may need. Nothing is granted else.
        client: Where tools on the bus are looked up, outside of a task.

    Raises:
        BadConfig: There is no such tool, two have one name, or one waits in the task's journal.
    """
    instead = "ask the agent by BusRunnable(topic).tool(…)"
    lent = Lent(specs, grants, framework="langchain", instead=instead, client=client)
    return [
        OurTool(
            name=one.alias,
            description=one.description or one.name,
            args_schema=one.parameters,
            lent=lent,
        )
        for one in lent.tools
    ]


class OurTool(BaseTool):
    """A tool of ours in LangChain's form; `langchain_tools` makes them.

    Attributes:
        lent: Runs it.
    """

    lent: Any
    handle_tool_error: Any = True
    metadata: dict[str, Any] | None = Field(default_factory=lambda: {AUDITED: True})

    async def _arun(self, **arguments: Any) -> str:
        result = await self.lent.run(self.name, arguments)
        if result.error:
            raise ToolException(result.content)
        return str(result.content)

    def _run(self, **arguments: Any) -> str:
        if current() is None and self.lent.client is None:
            return asyncio.run(self._arun(**arguments))
        return waited(self.lent.client, lambda: self._arun(**arguments))
