"""Tools of AutoGen as ours, ours as AutoGen's, and agents on the bus as tools there.

Ours keep what they are guarded by: a call goes through the same checks, grants, limits and events
as one of an `LLMAgent`. AutoGen's own tools say nothing of scopes; whoever hands one to an agent
may say what it needs.
"""

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, cast
from uuid import uuid4

from autogen_core import CancellationToken
from autogen_core.tools import BaseTool, ParametersSchema, ToolSchema
from pydantic import BaseModel, ConfigDict

from pepperpy_agents.adapters.asking import Asking
from pepperpy_agents.adapters.autogen.stopping import linked
from pepperpy_agents.adapters.current import Bus, client_of, current
from pepperpy_agents.tools.resolving import Spec, resolve_all
from pepperpy_agents.tools.running import Toolbox
from pepperpy_agents.tools.scopes import Grants, Scope
from pepperpy_agents.tools.tool import DEFAULT_TIMEOUT, Arguments, Tool, ToolUse, nothing_needed
from pepperpy_bus.bodies import to_json
from pepperpy_bus.submission import SubmitOptions
from pepperpy_schemas.chat import ToolCall
from pepperpy_schemas.errors import BadConfig, ToolFailed

_NO_NAME: Final = re.compile(r"[^A-Za-z0-9_-]+")
_TEXT: Final = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}


class Given(BaseModel):
    """Arguments of any tool: its schema says more, and is checked by whoever answers."""

    model_config = ConfigDict(extra="allow")


class SchemaTool(BaseTool[Given, Any]):
    """A tool of AutoGen whose arguments a JSON Schema describes.

    Args:
        name: Its name.
        description: What it does, for the model.
        parameters: JSON Schema of its arguments, an object's.
    """

    def __init__(self, name: str, description: str, parameters: Mapping[str, Any]) -> None:
        super().__init__(Given, str, name, description)
        self._parameters = {"properties": {}, "required": [], **parameters}

    @property
    def schema(self) -> ToolSchema:
        """The tool as models are told of it."""
        parameters = cast(ParametersSchema, self._parameters)
        return ToolSchema(name=self.name, description=self.description, parameters=parameters)

    async def run(self, args: Given, cancellation_token: CancellationToken) -> str:
        """Calls it; see `run_json`."""
        return await self.run_json(args.model_dump(), cancellation_token)

    async def run_json(
        self,
        args: Mapping[str, Any],
        cancellation_token: CancellationToken,
        call_id: str | None = None,
    ) -> str:
        """Calls it.

        Args:
            args: Its arguments.
            cancellation_token: Ends the call.
            call_id: The call's id, as the model gave it.

        Raises:
            ToolFailed: What was wrong, as the model is told it.
        """
        return await linked(self._called(dict(args), call_id), cancellation_token)

    async def _called(self, arguments: dict[str, Any], call_id: str | None) -> str:
        raise NotImplementedError


def autogen_tools(
    *specs: Spec, grants: Iterable[str | Scope] = (), client: Bus | None = None
) -> list[BaseTool[Any, Any]]:
    """Returns tools of ours as AutoGen's: for ``AssistantAgent(tools=…)``.

    They share one toolbox. What a call does wrong comes back as an error, which models act upon.

    Args:
        *specs: Tools, functions, or names, as `LLMAgent` takes them: ``"calculator"``,
            ``"files.read:./papers"``; tools of AutoGen, to have them under grants, too.
        grants: Scopes that they may need. Nothing is granted else.
        client: Where tools on the bus are looked up, outside of a task.

    Raises:
        BadConfig: There is no such tool, two have one name, or one waits in the task's journal.
    """
    found, named = resolve_all(specs)
    for one in found:
        if one.journaled:
            raise BadConfig(
                f"{one.name} waits in the journal of its task, and AutoGen has none",
                hint='ask the agent by BusTool("triage", "Sends a ticket to the desk.")',
            )
    toolbox = Toolbox(found, grants=Grants.of(grants) + named)
    return [OurTool(one, toolbox, client) for one in toolbox]


class OurTool(SchemaTool):
    """A tool of ours in AutoGen's form; `autogen_tools` makes them.

    Args:
        tool: The tool.
        toolbox: Runs it.
        client: Where it is looked up, outside of a task.
    """

    def __init__(self, tool: Tool, toolbox: Toolbox, client: Bus | None) -> None:
        super().__init__(tool.alias, tool.description or tool.name, tool.parameters)
        self._toolbox = toolbox
        self._client = client

    async def _called(self, arguments: dict[str, Any], call_id: str | None) -> str:
        task = current()
        if task is not None or self._client is not None:
            await self._toolbox.look_up(client_of(self._client))
        use = ToolUse(
            caller="autogen" if task is None else task.caller,
            grants=self._toolbox.grants,
            ctx=None if task is None else task.ctx,
        )
        call = ToolCall(call_id or f"call_{uuid4().hex}", self.name, to_json(arguments).decode())
        result = await self._toolbox.run(call, use)
        if result.error:
            raise ToolFailed(result.content)
        return result.content


class BusTool(SchemaTool):
    """An agent on the bus as a tool of AutoGen: the arguments are a task's data.

    Whoever stops waiting cancels the task. Within a task of ours the other one is its child, and
    ends with it.

    Args:
        topic: The topic.
        description: What the agent does, for the model.
        name: The tool's name; the topic by default.
        parameters: JSON Schema of the data, an object's; a ``text`` by default.
        client: A connected client; that of the task that runs by default.
        options: What is said of each task; see `SubmitOptions`.
    """

    def __init__(
        self,
        topic: str,
        description: str,
        *,
        name: str = "",
        parameters: Mapping[str, Any] | None = None,
        client: Bus | None = None,
        options: SubmitOptions | None = None,
    ) -> None:
        super().__init__(name or topic, description, parameters or _TEXT)
        self._asking = Asking(topic, client, options)

    async def _called(self, arguments: dict[str, Any], call_id: str | None) -> str:
        result = await self._asking.result(arguments)
        return result if isinstance(result, str) else to_json(result).decode()


def from_autogen(
    tool: BaseTool[Any, Any],
    *,
    needs: Sequence[str] | Callable[[Arguments], Sequence[str]] = (),
    timeout: float = DEFAULT_TIMEOUT,
) -> Tool:
    """Returns a tool of AutoGen as one of ours; `LLMAgent` takes either.

    Args:
        tool: The tool.
        needs: Scopes that a call needs, or a function of the arguments that returns them.
        timeout: Seconds that a call may take.
    """
    parameters = {"type": "object", "properties": {}, **tool.schema.get("parameters", {})}

    async def call(arguments: dict[str, Any], use: ToolUse) -> str:  # noqa: ARG001 - as all tools
        token = CancellationToken()
        try:
            return tool.return_value_as_string(await tool.run_json(arguments, token))
        except asyncio.CancelledError:
            token.cancel()
            raise

    return Tool(
        name=_NO_NAME.sub("_", tool.name)[:64],
        description=tool.description,
        parameters=parameters,
        call=call,
        needs=needs if callable(needs) else _always(tuple(needs)),
        timeout=timeout,
    )


def _always(scopes: tuple[str, ...]) -> Callable[[Arguments], Sequence[str]]:
    return (lambda _: scopes) if scopes else nothing_needed
