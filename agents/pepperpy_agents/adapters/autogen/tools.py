"""Tools of AutoGen as ours, ours as AutoGen's, and agents on the bus as tools there."""

import asyncio
import re
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

from autogen_core import CancellationToken
from autogen_core.tools import BaseTool, ParametersSchema, ToolSchema
from pydantic import BaseModel, ConfigDict

from pepperpy_agents.adapters.asking import Asking
from pepperpy_agents.adapters.autogen.stopping import linked
from pepperpy_agents.adapters.current import Bus
from pepperpy_agents.adapters.lending import Lent, Needs, borrowed
from pepperpy_agents.tools.resolving import Spec
from pepperpy_agents.tools.scopes import Scope
from pepperpy_agents.tools.tool import DEFAULT_TIMEOUT, Tool, ToolUse
from pepperpy_bus.bodies import to_json
from pepperpy_bus.submission import SubmitOptions
from pepperpy_schemas.errors import ToolFailed

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

    @abstractmethod
    async def _called(self, arguments: dict[str, Any], call_id: str | None) -> str:
        """Calls it; what was wrong is raised."""


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
    instead = 'ask the agent by BusTool("triage", "Sends a ticket to the desk.")'
    lent = Lent(specs, grants, framework="autogen", instead=instead, client=client)
    return [OurTool(one, lent) for one in lent.tools]


class OurTool(SchemaTool):
    """A tool of ours in AutoGen's form; `autogen_tools` makes them.

    Args:
        tool: The tool.
        lent: Runs it.
    """

    def __init__(self, tool: Tool, lent: Lent) -> None:
        super().__init__(tool.alias, tool.description or tool.name, tool.parameters)
        self._lent = lent

    async def _called(self, arguments: dict[str, Any], call_id: str | None) -> str:
        result = await self._lent.run(self.name, arguments, call_id)
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
    needs: Needs = (),
    timeout: float = DEFAULT_TIMEOUT,
) -> Tool:
    """Returns a tool of AutoGen as one of ours; `LLMAgent` takes either.

    Args:
        tool: The tool.
        needs: Scopes that a call needs, or a function of the arguments that returns them.
        timeout: Seconds that a call may take.
    """

    async def call(arguments: dict[str, Any], use: ToolUse) -> str:  # noqa: ARG001 - as all tools
        token = CancellationToken()
        try:
            return tool.return_value_as_string(await tool.run_json(arguments, token))
        except asyncio.CancelledError:
            token.cancel()
            raise

    return borrowed(
        tool.name,
        tool.description,
        tool.schema.get("parameters"),
        call,
        needs=needs,
        timeout=timeout,
    )
