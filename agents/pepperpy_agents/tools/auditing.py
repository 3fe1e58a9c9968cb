"""What is told of every call of a tool: who called what with which scopes, and how it ended.

Arguments and results stand in no event: they may be anybody's secrets. Of the arguments there is a
digest, by which two calls can be told apart, or found to be the same.
"""

import hashlib
import re
from collections.abc import Sequence
from typing import Any, Final

from pepperpy_agents.tools.tool import ToolUse
from pepperpy_bus.events import Emitter
from pepperpy_schemas.chat import ToolCall
from pepperpy_schemas.tokens import new_id

_NO_TOKEN: Final = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST: Final = 64
_MOST_SCOPES: Final = 16
_SCOPE: Final = 200


class Audited:
    """One call, as its events tell of it.

    Args:
        call: The call.
        use: Who calls.
        emitter: Tells of it where the call belongs to no task; None tells nobody.
    """

    def __init__(self, call: ToolCall, use: ToolUse, emitter: Emitter | None) -> None:
        self._use = use
        self._emitter = emitter
        self._scope = _NO_TOKEN.sub("_", call.name)[:_LONGEST] or "_"
        self._told: dict[str, Any] = {
            "tool": call.name[:_LONGEST],
            "call": call.id[:_LONGEST],
            "agent": use.caller,
            "arguments": hashlib.sha256(call.arguments.encode(errors="replace")).hexdigest(),
        }
        self._fact = new_id()

    def knows(self, tool: str, scopes: Sequence[str]) -> None:
        """Takes down which tool it is, and what it needs."""
        self._told["tool"] = tool
        self._told["scopes"] = [one[:_SCOPE] for one in scopes[:_MOST_SCOPES]]

    def repeats(self, task_id: str) -> None:
        """Tells the same facts whenever the task's handler comes here again."""
        told = self._told
        mark = "\0".join((task_id, told["tool"], told["call"], told["arguments"]))
        self._fact = hashlib.sha256(mark.encode()).hexdigest()[:32]

    async def tell(self, verb: str, **more: Any) -> None:
        """Tells of it: ``called``, ``completed``, ``failed`` or ``refused``."""
        data, fact = {**self._told, **more}, f"{self._fact}:{verb}"
        ctx = self._use.ctx
        if ctx is not None:
            await ctx.emit(f"tool.{verb}", scope=self._scope, event_id=fact, **data)
        elif self._emitter is not None:
            await self._emitter.emit(
                "tool",
                verb,
                scope=self._scope,
                id=self._fact,
                data=data,
                certain=True,
                event_id=fact,
            )
