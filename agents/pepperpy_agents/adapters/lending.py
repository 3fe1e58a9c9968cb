"""Tools across the border: ours that a framework calls, and theirs that we call.

Ours keep what they are guarded by: a call goes through the same checks, grants, limits and events
as one of an `LLMAgent`. Theirs say nothing of scopes; whoever hands one to an agent may say what it
needs.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final
from uuid import uuid4

from pepperpy_agents.adapters.current import Bus, client_of, current
from pepperpy_agents.tools.resolving import Spec, resolve_all
from pepperpy_agents.tools.running import Toolbox
from pepperpy_agents.tools.scopes import Grants, Scope
from pepperpy_agents.tools.tool import Arguments, Tool, ToolUse, nothing_needed
from pepperpy_bus.bodies import to_json
from pepperpy_schemas.chat import ToolCall, ToolResult
from pepperpy_schemas.errors import BadConfig

Needs = Sequence[str] | Callable[[Arguments], Sequence[str]]
"""Scopes that a call needs, or a function of the arguments that returns them."""

_NO_NAME: Final = re.compile(r"[^A-Za-z0-9_-]+")


class Lent:
    """Tools of ours in the hands of a framework; they share one toolbox.

    Args:
        specs: Tools, functions, or names, as `LLMAgent` takes them.
        grants: Scopes that they may need. Nothing is granted else.
        framework: Who calls them outside of a task, in what is told of a call.
        instead: How an agent is asked there, for whoever lends one as a tool.
        client: Where tools on the bus are looked up, outside of a task.

    Raises:
        BadConfig: There is no such tool, two have one name, or one waits in the task's journal.
    """

    def __init__(
        self,
        specs: Iterable[Spec],
        grants: Iterable[str | Scope],
        *,
        framework: str,
        instead: str,
        client: Bus | None,
    ) -> None:
        found, named = resolve_all(specs)
        for one in found:
            if one.journaled:
                raise BadConfig(
                    f"{one.name} waits in the journal of its task, and {framework} has none",
                    hint=instead,
                )
        self.tools = Toolbox(found, grants=Grants.of(grants) + named)
        self.client = client
        self._framework = framework

    async def run(
        self, alias: str, arguments: Mapping[str, Any], call_id: str | None = None
    ) -> ToolResult:
        """Runs a call; what it does wrong is in its result.

        Args:
            alias: The tool's name, as models have it.
            arguments: Its arguments.
            call_id: The call's id, where the model gave it one.
        """
        task = current()
        if task is not None or self.client is not None:
            await self.tools.look_up(client_of(self.client))
        use = ToolUse(
            caller=self._framework if task is None else task.caller,
            grants=self.tools.grants,
            ctx=None if task is None else task.ctx,
        )
        call = ToolCall(call_id or f"call_{uuid4().hex}", alias, to_json(arguments).decode())
        return await self.tools.run(call, use)


def borrowed(
    name: str,
    description: str,
    parameters: Mapping[str, Any] | None,
    call: Callable[[dict[str, Any], ToolUse], Awaitable[Any]],
    *,
    needs: Needs,
    timeout: float,
) -> Tool:
    """Returns a framework's tool as one of ours.

    Args:
        name: Its name there; what names here have not becomes ``_``.
        description: What it does, for the model.
        parameters: JSON Schema of its arguments, an object's.
        call: Calls it.
        needs: See `Needs`.
        timeout: Seconds that a call may take.
    """
    return Tool(
        name=_NO_NAME.sub("_", name)[:64],
        description=description,
        parameters={"type": "object", "properties": {}, **(parameters or {})},
        call=call,
        needs=needs if callable(needs) else _always(tuple(needs)),
        timeout=timeout,
    )


def _always(scopes: tuple[str, ...]) -> Callable[[Arguments], Sequence[str]]:
    return (lambda _: scopes) if scopes else nothing_needed
