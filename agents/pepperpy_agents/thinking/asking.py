"""One question to the model: streamed to watchers while it is answered, and kept as a whole."""

import contextlib
import time
from collections.abc import AsyncIterator, Sequence

import msgspec

from pepperpy_agents.context import Context
from pepperpy_agents.thinking.limits import Limits, Spent, reached, refusals
from pepperpy_agents.thinking.shortening import shortened
from pepperpy_agents.thinking.showing import Showing
from pepperpy_agents.thinking.wording import last_words
from pepperpy_bus.llm.assembling import assemble
from pepperpy_bus.llm.options import ChatOptions
from pepperpy_schemas.chat import (
    ChatMessage,
    ChatReply,
    Delta,
    End,
    Reset,
    ResponseFormat,
    ToolSpec,
)
from pepperpy_schemas.errors import BadOutput, ContextTooLong


class Turn(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one question to the model led to, as the journal keeps it.

    What was decided by limits and clocks stands in it, too: a repeated attempt comes by the same
    way, however late it is and whatever the limits have become.

    Attributes:
        reply: The answer; None when the provider service had none that fits its form.
        seconds: How long it took.
        stopped: The limit at which no tools were offered; empty when they were.
        refused: For each call of the answer the limit that forbids it, or an empty text.
        problems: What was wrong with the answer that is missing.
        shortened: How often the conversation was shortened before it was not too long.
    """

    reply: ChatReply | None
    seconds: float
    stopped: str = ""
    refused: list[str] = []
    problems: list[str] = []
    shortened: int = 0


class Asking:
    """Asks the model of one agent, for one task.

    Args:
        ctx: The task's context.
        model: The alias, or ``provider/model``.
        limits: The task's limits.
    """

    def __init__(self, ctx: Context, model: str, limits: Limits) -> None:
        self._ctx = ctx
        self._model = model
        self._limits = limits

    async def ask(
        self, messages: Sequence[ChatMessage], options: ChatOptions, spent: Spent, before: int
    ) -> Turn:
        """Asks once and returns what came of it; a limit that is reached takes the tools away.

        Args:
            messages: The conversation.
            options: What the request says besides, its tools among them.
            spent: What the task has used.
            before: So many messages behind the instructions were said before the question.

        Raises:
            PepperError: The provider service has no answer.
        """
        stopped = reached(self._limits, spent, self._left())
        talk = list(messages)
        if stopped:
            # Behind the question or what tools gave; what asks to mend an answer stays the last.
            mends = spent.turns > 0 and talk[-1].role == "user"
            talk.insert(len(talk) - mends, last_words(stopped))
            if options.get("tools"):
                options = {**options, "tool_choice": "none"}
        await self._tell(spent)
        began, cuts = time.monotonic(), 0
        while True:
            try:
                reply = await self._shown(talk, options)
            except BadOutput as error:
                told = [str(one) for one in error.context.get("problems", [error.message])]
                took = time.monotonic() - began
                return Turn(None, took, stopped, problems=told, shortened=cuts)
            except ContextTooLong:
                less = shortened(talk, before)
                if less is None:
                    raise
                talk, cuts = less, cuts + 1
                continue
            calls = [] if stopped else reply.tool_calls
            refused = refusals(self._limits, spent, calls)
            return Turn(reply, time.monotonic() - began, stopped, refused, shortened=cuts)

    async def _shown(self, talk: list[ChatMessage], options: ChatOptions) -> ChatReply:
        stream = self._ctx.llm.stream(talk, model=self._model, **options)
        async with contextlib.aclosing(stream) as items:
            return await assemble(_said(items, Showing(self._ctx)))

    async def _tell(self, spent: Spent) -> None:
        done = spent.turns / (self._limits.turns + 1)
        await self._ctx.progress(done, f"turn {spent.turns + 1}")

    def _left(self) -> float | None:
        deadline = self._ctx.deadline
        return None if deadline is None else (deadline - self._ctx.now).total_seconds()


async def _said(
    items: AsyncIterator[Delta | Reset | End], showing: Showing
) -> AsyncIterator[Delta | Reset | End]:
    """The same items, shown as they come."""
    async for item in items:
        match item:
            case Delta(text=text) if text:
                await showing.say(text)
            case Reset():
                await showing.take_back(item.code)
            case _:
                pass
        yield item


def with_all(
    options: ChatOptions, specs: Sequence[ToolSpec], form: ResponseFormat | None
) -> ChatOptions:
    """Returns the options with tools and a form of the answer, where there are any."""
    if specs:
        options = {**options, "tools": specs}
    return options if form is None else {**options, "response_format": form}
