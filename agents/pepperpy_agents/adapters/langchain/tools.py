"""Tools of LangChain as ours, and ours as LangChain's.

Ours keep what they are guarded by: a call from a graph goes through the same checks, grants, limits
and events as one of an `LLMAgent`. LangChain's own tools say nothing of scopes; whoever hands one
to an agent may say what it needs.
"""

import asyncio
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final
from uuid import uuid4

from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool, ToolException
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import Field

from pepperpy_agents.adapters.current import Bus, client_of, current, waited
from pepperpy_agents.adapters.langchain.values import plain
from pepperpy_agents.tools.resolving import Spec, resolve_all
from pepperpy_agents.tools.running import Toolbox
from pepperpy_agents.tools.scopes import Grants, Scope
from pepperpy_agents.tools.tool import DEFAULT_TIMEOUT, Arguments, Tool, ToolUse, nothing_needed
from pepperpy_bus.bodies import to_json
from pepperpy_schemas.chat import ToolCall
from pepperpy_schemas.errors import BadConfig, ToolFailed

AUDITED: Final = "pepperpy_audited"
"""Marks tools in their metadata whose calls our toolbox guards and tells of itself."""

_NO_NAME: Final = re.compile(r"[^A-Za-z0-9_-]+")


def from_langchain(
    tool: BaseTool,
    *,
    needs: Sequence[str] | Callable[[Arguments], Sequence[str]] = (),
    timeout: float = DEFAULT_TIMEOUT,
) -> Tool:
    """Returns a tool of LangChain as one of ours; `LLMAgent` takes either.

    Args:
        tool: The tool.
        needs: Scopes that a call needs, or a function of the arguments that returns them.
        timeout: Seconds that a call may take.
    """
    function = convert_to_openai_tool(tool)["function"]
    parameters = {"type": "object", "properties": {}, **(function.get("parameters") or {})}

    async def call(arguments: dict[str, Any], use: ToolUse) -> Any:  # noqa: ARG001 - as all tools
        wanted = {"type": "tool_call", "name": tool.name, "id": uuid4().hex, "args": arguments}
        said = await tool.ainvoke(wanted)
        if not isinstance(said, ToolMessage):
            return plain(said)
        if said.status == "error":
            raise ToolFailed(said.text)
        return said.content if isinstance(said.content, str) else plain(said.content)

    return Tool(
        name=_NO_NAME.sub("_", tool.name)[:64],
        description=tool.description,
        parameters=parameters,
        call=call,
        needs=needs if callable(needs) else _always(tuple(needs)),
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
    found, named = resolve_all(specs)
    for one in found:
        if one.journaled:
            raise BadConfig(
                f"{one.name} waits in the journal of its task, and a graph has none",
                hint="ask the agent by BusRunnable(topic).tool(…)",
            )
    toolbox = Toolbox(found, grants=Grants.of(grants) + named)
    return [
        OurTool(
            name=one.alias,
            description=one.description or one.name,
            args_schema=one.parameters,
            toolbox=toolbox,
            client=client,
        )
        for one in toolbox
    ]


class OurTool(BaseTool):
    """A tool of ours in LangChain's form; `langchain_tools` makes them.

    Attributes:
        toolbox: Runs it.
        client: Where it is looked up, outside of a task.
    """

    toolbox: Any
    client: Any = None
    handle_tool_error: Any = True
    metadata: dict[str, Any] | None = Field(default_factory=lambda: {AUDITED: True})

    async def _arun(self, **arguments: Any) -> str:
        task = current()
        if task is not None or self.client is not None:
            await self.toolbox.look_up(client_of(self.client))
        use = ToolUse(
            caller="langchain" if task is None else task.caller,
            grants=self.toolbox.grants,
            ctx=None if task is None else task.ctx,
        )
        call = ToolCall(f"call_{uuid4().hex}", self.name, to_json(arguments).decode())
        result = await self.toolbox.run(call, use)
        if result.error:
            raise ToolException(result.content)
        return str(result.content)

    def _run(self, **arguments: Any) -> str:
        if current() is None and self.client is None:
            return asyncio.run(self._arun(**arguments))
        return waited(self.client, lambda: self._arun(**arguments))


def _always(scopes: tuple[str, ...]) -> Callable[[Arguments], Sequence[str]]:
    return (lambda _: scopes) if scopes else nothing_needed
