"""What is said in a run, and the calls of its tools: shown to watchers, and told as events."""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

from autogen_agentchat.messages import (
    BaseAgentEvent,
    BaseChatMessage,
    HandoffMessage,
    ModelClientStreamingChunkEvent,
)

from pepperpy_agents.adapters.calling import Calls
from pepperpy_agents.adapters.guarding import Guard
from pepperpy_agents.context import Context

_WATCHING: ContextVar["Watching | None"] = ContextVar("pepperpy_autogen_watching", default=None)


class Watching(Calls):
    """Watches one run.

    Args:
        ctx: The task's context.
        guard: What tools may do.
        several: Whether several agents speak, whose words watchers must tell apart.
    """

    def __init__(self, ctx: Context, guard: Guard, *, several: bool) -> None:
        super().__init__(ctx, guard)
        self._several = several
        self._speaker = ""
        self._said: set[str] = set()

    @contextlib.contextmanager
    def here(self) -> Iterator[None]:
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
                await self.showing.show({"handoff": target, "from": piece.source})
            case BaseChatMessage() if piece.id not in self._said:
                await self._say(piece.source, piece.to_text())

    async def _say(self, source: str, text: str) -> None:
        if self._several and source != self._speaker:
            await self.showing.show({"speaker": source})
            self._speaker = source
        await self.showing.say(text)


def watching() -> Watching | None:
    """Returns who watches the run that this is called in; None outside of one."""
    return _WATCHING.get()
