"""A tool: what a model may call, what it needs for it, and who calls it."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from pepperpy_agents.tools.scopes import Grants
from pepperpy_schemas.chat import ToolSpec
from pepperpy_schemas.errors import BadConfig

if TYPE_CHECKING:
    from pepperpy_agents.context import Context
    from pepperpy_bus.client import Client

DEFAULT_TIMEOUT: Final = 60.0
"""Seconds that a call may take unless its tool says otherwise."""

_NAME: Final = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*", re.ASCII)
_MOST: Final = 64

Arguments = Mapping[str, Any]
Check = Callable[[dict[str, Any]], dict[str, Any]]
"""Returns arguments as the tool takes them; raises BadArguments for those that it does not."""


class ToolUse(msgspec.Struct, frozen=True, kw_only=True):
    """Who calls a tool, and what for.

    Attributes:
        caller: The agent, or the principal of a caller over the bus.
        grants: What the caller may do.
        deadline: When nobody waits any more, by the loop's clock; None for no end.
        ctx: The context of the task that the call belongs to, where there is one.
        tell: Tells those who watch how far the call is: a fraction from 0 to 1, and a line.
        key: Equal whenever this very call is made again, after a crash, and different for all
            others; empty where none is made again. What takes such keys does nothing twice.
    """

    caller: str
    grants: Grants = Grants()
    deadline: float | None = None
    ctx: "Context | None" = None
    tell: Callable[[float, str], Awaitable[None]] | None = None
    key: str = ""


def nothing_needed(arguments: Arguments) -> Sequence[str]:  # noqa: ARG001 - as other needs
    """Returns no scope: the tool harms nobody, or whoever gave it to an agent has decided so."""
    return ()


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a model may call.

    Attributes:
        name: Its name, which may have dots: ``files.read``. Models see it with ``_`` instead.
        description: What it does, for the model.
        parameters: JSON Schema of its arguments, an object's.
        call: Does it, with arguments that were checked, and returns what JSON can carry.
        needs: Returns the scopes that a call with these arguments needs:
            ``("files.read:/data/a.txt",)``. It gets the same arguments as ``call``.
        timeout: Seconds that a call may take.
        check: Makes the tool's arguments of what the model wrote; by default they are checked
            against ``parameters``, and stay what they are.
        find: Returns the tools that this one stands for, with what is known of them on the bus;
            None for one that is known wholly. See `Toolbox.look_up`.
        journaled: Whether a call writes in the task's journal what it does (a child task, a wait):
            it is made in the handler then, and not within a step, and has no time-out.
        close: Ends what was begun for it, such as a server's process; None for nothing.
    """

    name: str
    description: str
    parameters: dict[str, Any]
    call: Callable[[dict[str, Any], ToolUse], Awaitable[Any]]
    needs: Callable[[Arguments], Sequence[str]] = nothing_needed
    timeout: float = DEFAULT_TIMEOUT
    check: Check | None = None
    find: "Callable[[Client], Awaitable[Sequence[Tool]]] | None" = None
    journaled: bool = False
    close: Callable[[], Awaitable[None]] | None = None

    def __post_init__(self) -> None:
        if len(self.name) > _MOST or _NAME.fullmatch(self.name) is None:
            raise BadConfig(
                f"tool name {self.name!r:.80} is not valid",
                hint=f"use words of A-Z a-z 0-9 _ - with dots between, {_MOST} characters at most",
            )
        if self.parameters.get("type") != "object":
            raise BadConfig(f"tool {self.name}: its parameters are no JSON Schema of an object")
        if not self.timeout > 0:
            raise BadConfig(f"tool {self.name}: timeout is {self.timeout}", hint="use more than 0")

    @property
    def alias(self) -> str:
        """The name as models see it, and as a token of subjects: ``files_read``."""
        return self.name.replace(".", "_")

    @property
    def spec(self) -> ToolSpec:
        """The tool as models are told of it."""
        return ToolSpec(self.alias, self.description, self.parameters)
