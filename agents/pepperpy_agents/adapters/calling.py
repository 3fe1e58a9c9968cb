"""Calls of tools inside of somebody else's agent: guarded, shown, and told as events."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import uuid4

import msgspec

from pepperpy_agents.adapters.guarding import Guard
from pepperpy_agents.context import Context
from pepperpy_agents.thinking.showing import Showing
from pepperpy_agents.tools.auditing import Audited
from pepperpy_agents.tools.running import refuse
from pepperpy_agents.tools.tool import ToolUse
from pepperpy_bus.bodies import to_json
from pepperpy_schemas.chat import ToolCall, ToolResult
from pepperpy_schemas.errors import BadPayload, Canceled, NotGranted, ToolFailed, info_of


class Called(msgspec.Struct):
    """A call that has begun.

    Attributes:
        failed: Whether what it returned is an error.
    """

    failed: bool = False


class Calls:
    """The calls of one task.

    Args:
        ctx: The task's context.
        guard: What tools may do.
    """

    def __init__(self, ctx: Context, guard: Guard) -> None:
        self.showing = Showing(ctx)
        self._ctx = ctx
        self._guard = guard

    @contextlib.asynccontextmanager
    async def call(
        self, name: str, arguments: Mapping[str, Any], call_id: str | None, *, ours: bool = False
    ) -> AsyncIterator[Called]:
        """Tells of a call, from its beginning to its end.

        Args:
            name: The tool.
            arguments: What it is called with.
            call_id: The call's id, as the model gave it; one is made up else.
            ours: Whether a toolbox of ours guards it and tells of it itself.

        Raises:
            NotGranted: It needs a scope that is not granted.
        """
        call = ToolCall(call_id or uuid4().hex, name, _written(arguments))
        use = ToolUse(caller=self._guard.caller, grants=self._guard.grants, ctx=self._ctx)
        audited = Audited(call, use, None)
        if not ours:
            await self._refuse(name, arguments, audited)
            await audited.tell("called")
        await self.showing.called(call)
        called, began, code = Called(), time.perf_counter(), ""
        try:
            yield called
            code = ToolFailed.code if called.failed else ""
        except (asyncio.CancelledError, GeneratorExit):
            code = Canceled.code
            raise
        except Exception as error:
            code = info_of(error).code
            raise
        finally:
            await self.showing.ended(call, ToolResult(call.id, "", error=bool(code)))
            if not ours:
                ms = round((time.perf_counter() - began) * 1e3, 3)
                more: dict[str, Any] = {"ms": ms, "code": code} if code else {"ms": ms}
                await audited.tell("failed" if code else "completed", **more)

    async def _refuse(self, name: str, arguments: Mapping[str, Any], audited: Audited) -> None:
        try:
            needed = self._needed(name, arguments)
            audited.knows(name, needed)
            for scope in needed:
                refuse(name, scope, self._guard.grants)
        except NotGranted as error:
            await audited.tell("refused", code=error.code)
            raise

    def _needed(self, name: str, arguments: Mapping[str, Any]) -> tuple[str, ...]:
        try:
            return self._guard.scopes(name, arguments)
        except Exception as error:
            # A model writes arguments, and whoever says what a call needs reads them unchecked.
            raise NotGranted(f"{name}: what it needs is not known of these arguments") from error


def _written(arguments: Mapping[str, Any]) -> str:
    """Arguments as JSON; those that it cannot carry, as Python shows them."""
    with contextlib.suppress(BadPayload):
        return to_json(arguments).decode()
    return repr(arguments)
