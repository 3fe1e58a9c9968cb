"""What watchers of a task see while it thinks: text as it is said, and tools at work.

Text travels as text. Everything else is an object with one key that says what it is: ``reset``
takes back what was said since the last turn began; ``tool`` tells of a call.
"""

from typing import Any, Final

from pepperpy_agents.context import Context
from pepperpy_schemas.chat import ToolCall, ToolResult
from pepperpy_schemas.errors import QueueFull

_PIECE: Final = 16_384
"""Characters of one piece; with every character escaped it is still below what may travel."""
_LINE: Final = 500


class Showing:
    """Shows one turn to those who watch; a broker that is slow costs them pieces, not the turn.

    Args:
        ctx: The task's context.
    """

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._unsent = ""

    async def say(self, text: str) -> None:
        """Shows the next piece of text, after what could not be sent before."""
        self._unsent += text
        while self._unsent:
            piece = self._unsent[:_PIECE]
            if not await self.show(piece):
                return
            self._unsent = self._unsent[len(piece) :]

    async def take_back(self, why: str) -> None:
        """Says that the turn's text begins anew."""
        self._unsent = ""
        await self.show({"reset": why})

    async def tool(self, call: ToolCall, **what: Any) -> None:
        """Tells of a call: its ``state``, or how far it is."""
        await self.show({"tool": call.name[:_LINE], "id": call.id[:_LINE], **what})

    async def called(self, call: ToolCall) -> None:
        """Tells that a call begins."""
        await self.tool(call, state="called")

    async def ended(self, call: ToolCall, result: ToolResult) -> None:
        """Tells how a call has ended."""
        await self.tool(call, state="failed" if result.error else "done")

    async def show(self, piece: Any) -> bool:
        """Shows a piece; returns whether the broker is quick enough to take it."""
        try:
            await self._ctx.stream(piece)
        except QueueFull:
            return False
        return True
