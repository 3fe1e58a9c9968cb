"""What happens inside of a runnable: shown to watchers, told as events, and its tools guarded.

LangChain tells its callbacks of every token and every call of a tool, in whichever thread that is.
They are put into one queue, in their order, and told from there. A tool that needs a scope that is
not granted is stopped before it has begun.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any, Final, Self
from uuid import UUID

import msgspec
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import ToolMessage
from langchain_core.outputs import ChatGenerationChunk, GenerationChunk
from langchain_core.tracers._streaming import _StreamingCallbackHandler

from pepperpy_agents.adapters.guarding import Guard
from pepperpy_agents.adapters.langchain.tools import AUDITED
from pepperpy_agents.adapters.langchain.values import plain
from pepperpy_agents.context import Context
from pepperpy_agents.thinking.showing import Showing
from pepperpy_agents.tools.auditing import Audited
from pepperpy_agents.tools.running import refuse
from pepperpy_agents.tools.tool import ToolUse
from pepperpy_bus.bodies import to_json
from pepperpy_schemas.chat import ToolCall, ToolResult
from pepperpy_schemas.errors import BadPayload, Canceled, NotGranted, info_of

SILENT: Final = "nostream"
"""LangGraph's tag of models whose words nobody shall see."""


_INTERRUPT: Final = "GraphInterrupt"
"""What LangGraph raises where it asks people; known by its name, as it may not be imported."""


class _Call(msgspec.Struct):
    """A call that has begun; ``audited`` is None where its toolbox tells of it itself."""

    call: ToolCall
    audited: Audited | None
    began: float


# What LangChain asks of a handler, that models shall answer it in pieces: it has no other name.
class Watching(BaseCallbackHandler, _StreamingCallbackHandler[Any]):
    """Watches one run; an async context manager, which has told everything at its end.

    Args:
        ctx: The task's context.
        guard: What tools may do.
    """

    run_inline = True
    raise_error = True
    # LangChain would write out every conversation for these.
    ignore_chain = True
    ignore_chat_model = True
    ignore_retriever = True

    def __init__(self, ctx: Context, guard: Guard) -> None:
        self._ctx = ctx
        self._guard = guard
        self._showing = Showing(ctx)
        self._calls: dict[UUID, _Call] = {}
        self._loop = asyncio.get_running_loop()
        self._untold: asyncio.Queue[Callable[[], Any] | None] = asyncio.Queue()
        self._telling: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._telling = asyncio.create_task(self._tell_all(), name=f"telling-{self._ctx.task_id}")
        return self

    async def __aexit__(self, *error: object) -> None:
        assert self._telling is not None, "it was entered"
        for run_id in list(self._calls):
            self._ended(run_id, Canceled.code)
        # What threads have put is ahead of this.
        self._loop.call_soon(self._untold.put_nowait, None)
        try:
            await self._telling
        except asyncio.CancelledError:
            self._telling.cancel()
            await asyncio.gather(self._telling, return_exceptions=True)
            raise

    def show(self, piece: Any) -> None:
        """Shows a piece of output to watchers, after what came before it."""
        self._tell(lambda: self._showing.show(piece))

    # --- LangChain's callbacks ------------------------------------------------------------------

    def on_llm_new_token(
        self,
        token: str | list[Any],
        *,
        chunk: GenerationChunk | ChatGenerationChunk | None = None,
        tags: list[str] | None = None,
        **_: Any,
    ) -> None:
        """Shows what a model says next."""
        text = str(token if chunk is None else chunk.text)
        if text and SILENT not in (tags or ()):
            self._tell(lambda: self._showing.say(text))

    def on_tool_start(
        self,
        serialized: dict[str, Any],
        input_str: str,
        *,
        run_id: UUID,
        metadata: dict[str, Any] | None = None,
        inputs: dict[str, Any] | None = None,
        **more: Any,
    ) -> None:
        """Refuses a call that needs what is not granted; tells of others that they begin.

        Raises:
            NotGranted: It needs a scope that is not granted.
        """
        name = serialized.get("name") or more.get("name") or "tool"
        arguments = inputs if inputs is not None else {"input": input_str}
        call = ToolCall(str(more.get("tool_call_id") or run_id), name, _written(arguments))
        audited = None if (metadata or {}).get(AUDITED) else self._audited(call, arguments)
        self._calls[run_id] = begun = _Call(call, audited, time.perf_counter())
        self._tell(lambda: self._showing.called(call))
        self._told(begun, "called")

    def on_tool_end(self, output: Any, *, run_id: UUID, **_: Any) -> None:
        """Tells that a call has ended."""
        failed = isinstance(output, ToolMessage) and output.status == "error"
        self._ended(run_id, "tool_failed" if failed else "")

    def on_tool_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        """Tells that a call has failed, or waits for an answer of people and is made again."""
        match error:
            case asyncio.CancelledError():
                self._ended(run_id, Canceled.code)
            case _ if type(error).__name__ == _INTERRUPT:
                self._ended(run_id, "interrupted")
            case _:
                self._ended(run_id, info_of(error).code)

    def tap_output_aiter(self, run_id: UUID, output: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """Leaves the pieces of a runnable as they are."""
        return output

    def tap_output_iter(self, run_id: UUID, output: Iterator[Any]) -> Iterator[Any]:
        """Leaves the pieces of a runnable as they are."""
        return output

    # --- below ----------------------------------------------------------------------------------

    def _audited(self, call: ToolCall, arguments: Mapping[str, Any]) -> Audited:
        """Takes down who calls what; a call that needs what is not granted ends here."""
        guard = self._guard
        use = ToolUse(caller=guard.caller, grants=guard.grants, ctx=self._ctx)
        audited = Audited(call, use, None)
        try:
            needed = _needed(guard, call.name, arguments)
            audited.knows(call.name, needed)
            for scope in needed:
                refuse(call.name, scope, guard.grants)
        except NotGranted as error:
            code = error.code
            self._tell(lambda: audited.tell("refused", code=code))
            raise
        return audited

    def _ended(self, run_id: UUID, code: str) -> None:
        begun = self._calls.pop(run_id, None)
        if begun is None:
            return
        result = ToolResult(begun.call.id, "", error=bool(code))
        self._tell(lambda: self._showing.ended(begun.call, result))
        ms = round((time.perf_counter() - begun.began) * 1e3, 3)
        more = {"ms": ms, "code": code} if code else {"ms": ms}
        self._told(begun, "failed" if code else "completed", **more)

    def _told(self, begun: _Call, verb: str, **more: Any) -> None:
        audited = begun.audited
        if audited is not None:
            self._tell(lambda: audited.tell(verb, **more))

    def _tell(self, what: Callable[[], Any]) -> None:
        """Puts it into the queue, from any thread."""
        self._loop.call_soon_threadsafe(self._untold.put_nowait, what)

    async def _tell_all(self) -> None:
        while (what := await self._untold.get()) is not None:
            await what()


def _needed(guard: Guard, tool: str, arguments: Mapping[str, Any]) -> tuple[str, ...]:
    """The scopes of a call; whose scopes cannot be said of its arguments is not granted."""
    try:
        return guard.scopes(tool, arguments)
    except Exception as error:
        raise NotGranted(f"{tool}: what it needs with these arguments cannot be said") from error


def _written(arguments: Mapping[str, Any]) -> str:
    """Arguments as JSON; those that it cannot carry, as Python shows them."""
    with contextlib.suppress(BadPayload):
        return to_json(plain(arguments)).decode()
    return repr(arguments)
