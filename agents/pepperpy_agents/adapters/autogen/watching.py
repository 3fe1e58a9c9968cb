"""What happens inside of a run: shown to watchers, told as events, and its tools guarded."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from contextvars import ContextVar
from typing import Any
from uuid import uuid4

import msgspec
from autogen_agentchat.messages import (
    BaseAgentEvent,
    BaseChatMessage,
    HandoffMessage,
    ModelClientStreamingChunkEvent,
)
from autogen_core.tools import ToolResult as AutoGenResult

from pepperpy_agents.adapters.guarding import Guard
from pepperpy_agents.context import Context
from pepperpy_agents.thinking.showing import Showing
from pepperpy_agents.tools.auditing import Audited
from pepperpy_agents.tools.running import refuse
from pepperpy_agents.tools.tool import ToolUse
from pepperpy_bus.bodies import to_json
from pepperpy_schemas.chat import ToolCall, ToolResult
from pepperpy_schemas.errors import BadPayload, Canceled, NotGranted, ToolFailed

_WATCHING: ContextVar["Watching | None"] = ContextVar("pepperpy_autogen_watching", default=None)


class Called(msgspec.Struct):
    """A call of a tool that has begun.

    Attributes:
        failed: Whether what it returned is an error.
    """

    failed: bool = False

    def gave(self, result: AutoGenResult) -> None:
        """Notes what it returned."""
        self.failed = result.is_error


class Watching:
    """Watches one run.

    Args:
        ctx: The task's context.
        guard: What tools may do.
        several: Whether several agents speak, whose words watchers must tell apart.
    """

    def __init__(self, ctx: Context, guard: Guard, *, several: bool) -> None:
        self._ctx = ctx
        self._guard = guard
        self._several = several
        self._showing = Showing(ctx)
        self._speaker = ""
        self._said: set[str] = set()

    @contextlib.contextmanager
    def here(self) -> Any:
        """Makes it the one that watches, within the block and all that is begun in it."""
        token = _WATCHING.set(self)
        try:
            yield
        finally:
            _WATCHING.reset(token)

    async def saw(self, piece: BaseAgentEvent | BaseChatMessage) -> None:
        """Shows what an agent says: as it says it, or whole where it said it at once."""
        match piece:
            case ModelClientStreamingChunkEvent(content=text, full_message_id=whole):
                self._said.add(whole or "")
                await self._say(piece.source, text)
            case HandoffMessage(target=target):
                await self._showing.show({"handoff": target, "from": piece.source})
            case BaseChatMessage() if piece.id not in self._said:
                await self._say(piece.source, piece.to_text())

    @contextlib.asynccontextmanager
    async def call(
        self, name: str, arguments: Mapping[str, Any], call_id: str | None, *, ours: bool
    ) -> AsyncIterator[Called]:
        """Tells of a call of a tool, from its beginning to its end.

        Args:
            name: The tool.
            arguments: What it is called with.
            call_id: The call's id, as the model gave it.
            ours: Whether a toolbox of ours guards it and tells of it itself.

        Raises:
            NotGranted: It needs a scope that is not granted.
        """
        call = ToolCall(call_id or uuid4().hex, name, _written(arguments))
        audited = Audited(call, self._use(), None)
        if not ours:
            await self._refuse(name, arguments, audited)
            await audited.tell("called")
        await self._showing.called(call)
        called, began, code = Called(), time.perf_counter(), ""
        try:
            yield called
            code = ToolFailed.code if called.failed else ""
        except asyncio.CancelledError:
            code = Canceled.code
            raise
        except GeneratorExit:
            code = Canceled.code
            raise
        finally:
            await self._showing.ended(call, ToolResult(call.id, "", error=bool(code)))
            if not ours:
                ms = round((time.perf_counter() - began) * 1e3, 3)
                more: dict[str, Any] = {"ms": ms, "code": code} if code else {"ms": ms}
                await audited.tell("failed" if code else "completed", **more)

    # --- below ----------------------------------------------------------------------------------

    async def _say(self, source: str, text: str) -> None:
        if self._several and source != self._speaker:
            await self._showing.show({"speaker": source})
            self._speaker = source
        await self._showing.say(text)

    async def _refuse(self, name: str, arguments: Mapping[str, Any], audited: Audited) -> None:
        needed = self._guard.scopes(name, arguments)
        audited.knows(name, needed)
        try:
            for scope in needed:
                refuse(name, scope, self._guard.grants)
        except NotGranted as error:
            await audited.tell("refused", code=error.code)
            raise

    def _use(self) -> ToolUse:
        return ToolUse(caller=self._guard.caller, grants=self._guard.grants, ctx=self._ctx)


def watching() -> Watching | None:
    """Returns who watches the run that this is called in; None outside of one."""
    return _WATCHING.get()


def _written(arguments: Mapping[str, Any]) -> str:
    """Arguments as JSON; those that it cannot carry, as Python shows them."""
    with contextlib.suppress(BadPayload):
        return to_json(arguments).decode()
    return repr(arguments)
