"""Answers in the form of OpenAI's chat completions: the fields that count, and what they mean."""

from typing import Any, Final

import msgspec

from pepperpy_provider_svc.upstreams.assembly import simple
from pepperpy_provider_svc.upstreams.errors import Told
from pepperpy_provider_svc.upstreams.upstream import Chunk, Completion
from pepperpy_schemas.chat import (
    ChatMessage,
    Finish,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from pepperpy_schemas.errors import StreamBroken, UpstreamFailed

_FINISHES: Final[dict[str, Finish]] = {
    "stop": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "complete": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "tool_calls": "tool_calls",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "refusal": "content_filter",
}
"""What servers of this protocol say; with any other reason an answer is not known to be whole."""


class _Details(msgspec.Struct, frozen=True):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None


class _Usage(msgspec.Struct, frozen=True):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None


class _Function(msgspec.Struct, frozen=True):
    name: str | None = None
    arguments: str | None = None


class _ToolCall(msgspec.Struct, frozen=True):
    index: int | None = None
    id: str | None = None
    function: _Function = _Function()


class _Message(msgspec.Struct, frozen=True):
    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[_ToolCall] | None = None

    @property
    def thoughts(self) -> str:
        """The reasoning, under either of the names that servers have for it."""
        return self.reasoning_content or self.reasoning or ""


class _Choice(msgspec.Struct, frozen=True):
    message: _Message
    finish_reason: str | None = None


class _Answer(msgspec.Struct, frozen=True):
    choices: list[_Choice]
    usage: _Usage | None = None


class _StreamedChoice(msgspec.Struct, frozen=True):
    delta: _Message | None = None
    finish_reason: str | None = None


class _Piece(msgspec.Struct, frozen=True):
    choices: list[_StreamedChoice] | None = None
    usage: _Usage | None = None
    error: Any = None


_ANSWER: Final = msgspec.json.Decoder(_Answer)
_PIECE: Final = msgspec.json.Decoder(_Piece)


def read_completion(content: bytes) -> Completion:
    """Returns what a whole answer says.

    Raises:
        UpstreamFailed: It does not say why the model stopped.
        ValueError: It cannot be read.
    """
    answer = _ANSWER.decode(content)
    choice = answer.choices[0] if answer.choices else None
    if choice is None or not choice.finish_reason:
        raise UpstreamFailed("the answer does not say why the model stopped")
    message = choice.message
    parts: list[Part] = []
    if message.thoughts:
        parts.append(Reasoning(text=message.thoughts))
    text = message.content or message.refusal
    if text:
        parts.append(Text(text))
    calls = [_tool_call(n, call) for n, call in enumerate(message.tool_calls or [])]
    finish = _finish(choice.finish_reason, calls=bool(calls), refused=bool(message.refusal))
    return Completion(
        message=ChatMessage(role="assistant", content=simple([*parts, *calls])),
        finish=finish,
        usage=_usage(answer.usage) if answer.usage else Usage(),
    )


class ChatReading:
    """A streamed answer as far as it was read."""

    def __init__(self) -> None:
        self.done = False
        self._reason = ""
        self._refused = False
        self._usage: Usage | None = None
        self._calls: set[int] = set()

    @property
    def whole(self) -> bool:
        """Whether the model has said why it stopped."""
        return bool(self._reason)

    def take(self, data: bytes) -> Chunk | None:
        """Reads an event; returns its piece of the answer, if it has one."""
        if data == b"[DONE]":
            self.done = True
            return None
        piece = _PIECE.decode(data)
        if piece.error:
            raise Told(piece.error)
        if piece.usage is not None:
            self._usage = _usage(piece.usage)
        if not piece.choices:
            return None
        choice = piece.choices[0]
        self._reason = choice.finish_reason or self._reason
        return None if choice.delta is None else self._chunk(choice.delta)

    def end(self) -> Chunk:
        """Returns the last piece, with the finish."""
        if not self._reason:
            raise StreamBroken("the answer ended before the model said why it stopped")
        finish = _finish(self._reason, calls=bool(self._calls), refused=self._refused)
        return Chunk(finish=finish, usage=self._usage)

    def _chunk(self, delta: _Message) -> Chunk | None:
        self._refused = self._refused or bool(delta.refusal)
        text = delta.content or delta.refusal or ""
        if not delta.tool_calls:
            if not text and not delta.thoughts:
                return None
            return Chunk(text=text, reasoning=delta.thoughts)
        calls = tuple(self._tool_call(call) for call in delta.tool_calls)
        return Chunk(text=text, reasoning=delta.thoughts, tool_calls=calls)

    def _tool_call(self, call: _ToolCall) -> ToolCallDelta:
        index = self._index(call)
        first = index not in self._calls
        self._calls.add(index)
        return ToolCallDelta(
            index=index,
            id=call.id or f"call_{index}" if first else "",
            name=(call.function.name or "") if first else "",
            arguments=call.function.arguments or "",
        )

    def _index(self, call: _ToolCall) -> int:
        """Which call a piece belongs to; some servers send each call whole and without a number."""
        if call.index is not None:
            return max(0, call.index)
        return len(self._calls) if call.id or not self._calls else len(self._calls) - 1


def _tool_call(number: int, call: _ToolCall) -> ToolCall:
    return ToolCall(
        id=call.id or f"call_{number}",
        name=call.function.name or "",
        arguments=call.function.arguments or "{}",
    )


def _finish(reason: str, *, calls: bool, refused: bool) -> Finish:
    """The finish of a reason; servers say ``stop`` of a call that they were told to make."""
    finish = _FINISHES.get(reason.lower())
    if finish is None:
        raise UpstreamFailed(f"the model did not finish its answer: it stopped with {reason!r:.60}")
    if finish != "stop":
        return finish
    if refused:
        return "content_filter"
    return "tool_calls" if calls else "stop"


def _usage(usage: _Usage) -> Usage:
    sent = usage.prompt_tokens_details or _Details()
    got = usage.completion_tokens_details or _Details()
    return Usage(
        input_tokens=usage.prompt_tokens or 0,
        output_tokens=usage.completion_tokens or 0,
        cached_tokens=sent.cached_tokens or 0,
        cache_write_tokens=sent.cache_write_tokens or 0,
        reasoning_tokens=got.reasoning_tokens or 0,
    )
