"""The calls of one turn: asked for where people must agree, and made at the same time."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final

import msgspec

from pepperpy_agents.context import Context
from pepperpy_agents.thinking.approval import Approval
from pepperpy_agents.thinking.showing import Showing
from pepperpy_agents.thinking.wording import not_made, refused
from pepperpy_agents.tools.running import Toolbox
from pepperpy_agents.tools.tool import ToolUse
from pepperpy_schemas.chat import ToolCall, ToolResult

_NAME: Final = 100
"""Characters of a tool's name in the name of its step: a model may write any."""


class Called(msgspec.Struct, frozen=True):
    """A call that was made, as the journal keeps it.

    Attributes:
        result: What came of it.
        seconds: How long it took.
    """

    result: ToolResult
    seconds: float


class Checked(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whether a call may be made, as the journal keeps it.

    Attributes:
        tool: The tool's name; empty when it may not.
        refused: What the model is told then.
    """

    tool: str = ""
    refused: ToolResult | None = None


class Calling:
    """Makes the calls of one agent, for one task.

    Args:
        ctx: The task's context.
        caller: The agent's name.
        toolbox: Runs tools.
        approval: Which calls people must agree to.
    """

    def __init__(
        self,
        ctx: Context,
        caller: str,
        toolbox: Toolbox,
        approval: Approval,
    ) -> None:
        self._ctx = ctx
        self._caller = caller
        self._toolbox = toolbox
        self._approval = approval
        self._made = 0
        self._checked = 0

    async def make(
        self, calls: Sequence[ToolCall], limits: Sequence[str], seconds: float | None
    ) -> list[Called]:
        """Returns what came of the calls, in their order.

        Args:
            calls: The calls.
            limits: For each the limit that forbids it, or an empty text.
            seconds: How long they may take; None for as long as their tools say.
        """
        ends: list[Callable[[], Awaitable[Called]]] = []
        for call, limit in zip(calls, limits, strict=True):
            if limit:
                ends.append(partial(_known, not_made(call, limit)))
                continue
            # One question after the other, and all of them before the first call.
            refusal = await self._refusal(call, seconds)
            if refusal is not None:
                ends.append(partial(_known, refusal))
                continue
            self._made += 1
            ends.append(partial(self._make, call, self._made, seconds))
        return await _all(ends)

    async def _refusal(self, call: ToolCall, seconds: float | None) -> ToolResult | None:
        """What a model is told of a call that is not made; None for one that is."""
        asked = self._approval.covers(call.name)
        if not asked and not self._is_journaled(call):
            return None
        self._checked += 1
        step = f"check {call.name[:_NAME]} {self._checked}"
        # A step: what tools take may be another thing when people, or other agents, have answered.
        checked: Checked = await self._ctx.step(step, self._check, call, seconds, type=Checked)
        if checked.refused is not None or not asked:
            return checked.refused
        why = await self._approval.refusal(self._ctx, self._caller, checked.tool, call)
        return refused(call, why) if why else None

    async def _check(self, call: ToolCall, seconds: float | None) -> Checked:
        found = await self._toolbox.check(call, self._use(None, self._made + 1, seconds))
        if not isinstance(found, ToolResult):
            return Checked(found.tool.name)
        showing = Showing(self._ctx)
        await showing.called(call)
        await showing.ended(call, found)
        return Checked(refused=found)

    def _is_journaled(self, call: ToolCall) -> bool:
        tool = self._toolbox.find(call.name)
        return tool is not None and tool.journaled

    async def _make(self, call: ToolCall, number: int, seconds: float | None) -> Called:
        if self._is_journaled(call):
            # Its children and waits take places of the journal themselves.
            use = self._use(None, number, seconds)
            result = await self._toolbox.run(call, use, checked=True)
            return Called(result, 0.0)
        step = f"tool {call.name[:_NAME]} {number}"
        called: Called = await self._ctx.step(step, self._run, call, number, seconds, type=Called)
        return called

    async def _run(self, call: ToolCall, number: int, seconds: float | None) -> Called:
        showing = Showing(self._ctx)

        async def tell(fraction: float, line: str) -> None:
            await showing.tool(call, fraction=fraction, message=line)

        await showing.called(call)
        began = time.monotonic()
        result = await self._toolbox.run(call, self._use(tell, number, seconds))
        await showing.ended(call, result)
        return Called(result, time.monotonic() - began)

    def _use(
        self,
        tell: Callable[[float, str], Awaitable[None]] | None,
        number: int,
        seconds: float | None,
    ) -> ToolUse:
        now = asyncio.get_running_loop().time()
        return ToolUse(
            caller=self._caller,
            grants=self._toolbox.grants,
            deadline=None if seconds is None else now + seconds,
            ctx=self._ctx,
            tell=tell,
            key=f"{self._ctx.task_id}-tool-{number}",
        )


async def _known(result: ToolResult) -> Called:
    return Called(result, 0.0)


async def _all(ends: Sequence[Callable[[], Awaitable[Called]]]) -> list[Called]:
    """Makes them at the same time; all have ended, or wait, when the first error goes up.

    They are begun in their order, and so take their places in the journal in it.
    """
    found: list[Any] = await asyncio.gather(*(end() for end in ends), return_exceptions=True)
    wrong = [one for one in found if isinstance(one, BaseException)]
    for error in wrong:
        if isinstance(error, Exception):
            raise error
    if wrong:
        raise wrong[0]
    return found
