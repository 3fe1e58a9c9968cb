"""Running tools for models: what the model or the tool does wrong becomes a result, never a fault.

A call is read, checked and granted before anything is done; then it is told of, done under a limit
of calls at once and of time, and told of again.
"""

import asyncio
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from pepperpy_agents.tools.arguments import read_arguments
from pepperpy_agents.tools.auditing import Audited
from pepperpy_agents.tools.looking_up import Lookup
from pepperpy_agents.tools.results import content_of, failure, translated
from pepperpy_agents.tools.scopes import Grants, Scope
from pepperpy_agents.tools.timing import within
from pepperpy_agents.tools.tool import Tool, ToolUse
from pepperpy_bus.events import Emitter
from pepperpy_schemas.chat import ToolCall, ToolResult, ToolSpec
from pepperpy_schemas.errors import (
    BadArguments,
    BadConfig,
    NotGranted,
    PepperError,
    ToolFailed,
    ToolTimeout,
    UnknownTool,
)

if TYPE_CHECKING:
    from pepperpy_bus.client import Client

_TOLD: Final = (BadArguments, NotGranted, ToolFailed)
"""What a model is told of a journaled call; all else is its task's business."""

CONCURRENCY: Final = 8
"""Calls of one toolbox that run at once."""


class ToolLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What a call may be, and its result.

    Attributes:
        arguments: Bytes of its arguments.
        depth: Levels of lists and objects in them.
        result: Characters of its result; what is more is cut, and the model told so.
    """

    arguments: int = 131_072
    depth: int = 32
    result: int = 65_536


class Prepared(msgspec.Struct, frozen=True):
    """A call that may be made.

    Attributes:
        tool: The tool.
        arguments: Its arguments, checked.
        scopes: What it needs, all of it granted.
    """

    tool: Tool
    arguments: dict[str, Any]
    scopes: tuple[str, ...]


class Toolbox:
    """The tools of one agent, with what it was granted.

    Args:
        tools: The tools; no two may have the same name, as they are called or as models see them.
        grants: What their calls may do. It is this that counts, whatever a `ToolUse` says.
        concurrency: Calls that run at once; others wait for their turn.
        limits: What a call may be.
        emitter: Tells of calls that belong to no task.

    Raises:
        BadConfig: Two tools have the same name.
    """

    def __init__(
        self,
        tools: Iterable[Tool] = (),
        *,
        grants: Grants | Iterable[str] = Grants(),  # noqa: B008 - it is frozen
        concurrency: int = CONCURRENCY,
        limits: ToolLimits = ToolLimits(),  # noqa: B008 - it is frozen
        emitter: Emitter | None = None,
    ) -> None:
        self.grants = grants if isinstance(grants, Grants) else Grants.of(grants)
        self._given = tuple(tools)
        self._tools = _by_alias(self._given)
        self._lookup = Lookup(self._given)
        self._slots = asyncio.Semaphore(concurrency)
        self._limits = limits
        self._emitter = emitter

    def __iter__(self) -> Iterator[Tool]:
        return iter(self._tools.values())

    async def look_up(self, client: "Client") -> None:
        """Finds on the bus what tools stand for: what services and other agents take.

        What was found holds for a minute. Before, and of what is not there, a tool says no more
        than its name.

        Args:
            client: The client to look with.
        """
        found = await self._lookup.done(client)
        if found is not None:
            self._tools = _by_alias(found)

    async def close(self) -> None:
        """Ends what was begun for the tools: servers that were started for them."""
        for one in self._given:
            if one.close is not None:
                await one.close()

    def specs(self) -> list[ToolSpec]:
        """Returns the tools as a model is told of them."""
        return [one.spec for one in self]

    def find(self, name: str) -> Tool | None:
        """Returns the tool that a model, or a person, calls by this name."""
        return self._tools.get(name.replace(".", "_"))

    async def check(self, call: ToolCall, use: ToolUse) -> Prepared | ToolResult:
        """Returns what a call would do, or what a model is told of one that may not be made.

        A refusal is told of, like one of `run`; nothing is done yet.
        """
        try:
            return await self._prepared(call, Audited(call, use, self._emitter))
        except PepperError as error:
            return failure(call, error)

    async def run(self, call: ToolCall, use: ToolUse, *, checked: bool = False) -> ToolResult:
        """Returns what a call of a model returned, or what was wrong with it.

        A tool that journals what it does (`Tool.journaled`) lets pass what its task must see: that
        the task waits, has another worker, or that the broker is away. All other errors become
        results, which the model can act upon.

        Args:
            call: The call.
            use: Who calls, until when, and for which task.
            checked: Whether it was found before that it may be made: it goes on then, though what
                its tool takes may be another thing now.
        """
        tool = self.find(call.name)
        told = _TOLD if tool is not None and tool.journaled else PepperError
        try:
            return ToolResult(call.id, await self.do(call, use, checked=checked))
        except told as error:
            return failure(call, error)

    async def do(self, call: ToolCall, use: ToolUse, *, checked: bool = False) -> str:
        """Returns what a call returned, as the model reads it; `run` that raises.

        Raises:
            UnknownTool: There is no such tool.
            BadArguments: The arguments are none that it takes.
            NotGranted: It needs a scope that is not granted.
            ToolTimeout: It did not end in time.
            ToolFailed: The tool raised an error that is none of ours.
            PepperError: What else the tool raised.
        """
        audited = Audited(call, use, self._emitter)
        began = time.perf_counter()
        prepared = await self._prepared(call, audited, checked=checked)
        use = msgspec.structs.replace(use, grants=self.grants)
        if prepared.tool.journaled:
            return await self._do_journaled(prepared, use, audited)
        try:
            with translated():
                content = await self._do(prepared, use, audited)
        except PepperError as error:
            await audited.tell("failed", ms=_ms(began), code=error.code)
            raise
        await audited.tell("completed", ms=_ms(began))
        return content

    async def _prepared(
        self, call: ToolCall, audited: Audited, *, checked: bool = False
    ) -> Prepared:
        """A call that may be made; that it may not is told of."""
        try:
            with translated():
                return self._prepare(call, audited, checked)
        except PepperError as error:
            await audited.tell("refused", code=error.code)
            raise

    def _prepare(self, call: ToolCall, audited: Audited, checked: bool) -> Prepared:
        tool = self.find(call.name)
        if tool is None:
            raise UnknownTool(
                f"there is no tool {call.name!r:.80}",
                hint=f"there are: {', '.join(self._tools)}" if self._tools else "there are none",
                context={"tools": list(self._tools)},
            )
        limits = self._limits
        arguments = read_arguments(
            tool,
            call.arguments,
            most=limits.arguments,
            deepest=limits.depth,
            checked=checked,
        )
        needed = _needs(tool, arguments)
        audited.knows(tool.name, needed)
        for scope in needed:
            refuse(tool.name, scope, self.grants)
        return Prepared(tool, arguments, needed)

    async def _do(self, prepared: Prepared, use: ToolUse, audited: Audited) -> str:
        """A call from its turn to its result."""
        try:
            async with asyncio.timeout_at(use.deadline):
                await self._slots.acquire()
        except TimeoutError:
            raise ToolTimeout("the task's time is over") from None
        try:
            await audited.tell("called")
            value = await within(prepared.tool, prepared.arguments, use)
            return content_of(value, self._limits.result)
        finally:
            self._slots.release()

    async def _do_journaled(self, prepared: Prepared, use: ToolUse, audited: Audited) -> str:
        """A call that takes its places in the task's journal: at once, and in no other's turn."""
        if use.ctx is None:
            raise ToolFailed(f"{prepared.tool.name} works for a task only, and is called by none")
        audited.repeats(use.ctx.task_id)
        try:
            value = await prepared.tool.call(prepared.arguments, use)
            content = content_of(value, self._limits.result)
        except ToolFailed as error:
            await audited.tell("called")
            await audited.tell("failed", code=error.code)
            raise
        await audited.tell("called")
        await audited.tell("completed")
        return content


def refuse(tool: str, scope: str, grants: Grants) -> None:
    """Raises NotGranted unless a scope that a tool needs is granted."""
    try:
        needed = Scope.parse(scope)
    except BadConfig as error:
        raise NotGranted(f"{tool}: {error}", hint=error.hint, context={"scopes": [scope]}) from None
    if not grants.allow(needed):
        raise NotGranted(f"{tool} needs {scope}, which is not granted", context={"scopes": [scope]})


def _by_alias(tools: Iterable[Tool]) -> dict[str, Tool]:
    named: dict[str, Tool] = {}
    for one in tools:
        if (other := named.setdefault(one.alias, one)) is not one:
            raise BadConfig(
                f"two tools have the name {one.alias}: {other.name} and {one.name}",
                hint='give one of them another: @tool(name="…")',
            )
    return named


def _needs(tool: Tool, arguments: dict[str, Any]) -> tuple[str, ...]:
    needed: Sequence[str] = tool.needs(arguments)
    return (needed,) if isinstance(needed, str) else tuple(needed)


def _ms(began: float) -> float:
    return round((time.perf_counter() - began) * 1e3, 3)
