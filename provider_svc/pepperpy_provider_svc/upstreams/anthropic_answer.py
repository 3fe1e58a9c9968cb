"""Answers in the form of Anthropic's messages: the fields that count, and what they mean."""

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
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
"""With any other reason, ``pause_turn`` among them, an answer is not whole."""


class _Details(msgspec.Struct, frozen=True):
    thinking_tokens: int | None = None


class _Usage(msgspec.Struct, frozen=True):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    output_tokens_details: _Details | None = None


class _Block(msgspec.Struct, frozen=True):
    type: str
    text: str = ""
    thinking: str = ""
    signature: str = ""
    data: str = ""
    id: str = ""
    name: str = ""
    input: msgspec.Raw = msgspec.Raw(b"{}")


class _Answer(msgspec.Struct, frozen=True):
    content: list[_Block]
    usage: _Usage
    stop_reason: str | None = None


class _Started(msgspec.Struct, frozen=True):
    usage: _Usage = _Usage()


class _Delta(msgspec.Struct, frozen=True):
    type: str = ""
    text: str = ""
    thinking: str = ""
    signature: str = ""
    partial_json: str = ""
    stop_reason: str | None = None


class _Event(msgspec.Struct, frozen=True):
    type: str
    index: int = 0
    message: _Started | None = None
    content_block: _Block | None = None
    delta: _Delta | None = None
    usage: _Usage | None = None
    error: Any = None


_ANSWER: Final = msgspec.json.Decoder(_Answer)
_EVENT: Final = msgspec.json.Decoder(_Event)


def read_completion(content: bytes, *, answer_tool: str) -> Completion:
    """Returns what a whole answer says.

    Args:
        content: The answer.
        answer_tool: The tool whose arguments are the answer, or empty.

    Raises:
        UpstreamFailed: It does not say why the model stopped.
        ValueError: It cannot be read.
    """
    answer = _ANSWER.decode(content)
    if not answer.stop_reason:
        raise UpstreamFailed("the answer does not say why the model stopped")
    parts = [part for block in answer.content for part in _parts(block, answer_tool)]
    calls = any(isinstance(part, ToolCall) for part in parts)
    return Completion(
        message=ChatMessage(role="assistant", content=simple(parts)),
        finish=_finish(answer.stop_reason, calls=calls),
        usage=_neutral(answer.usage),
    )


class MessagesReading:
    """A streamed answer as far as it was read.

    Args:
        answer_tool: The tool whose arguments are the answer, or empty.
    """

    def __init__(self, answer_tool: str = "") -> None:
        self.done = False
        self._answer_tool = answer_tool
        self._reason = ""
        self._usage = _Usage()
        self._calls: dict[int, int] = {}
        self._without_arguments: set[int] = set()

    @property
    def whole(self) -> bool:
        """Whether the last event was read, which nothing follows."""
        return self.done and bool(self._reason)

    def take(self, data: bytes) -> Chunk | None:
        """Reads an event; returns its piece of the answer, if it has one."""
        event = _EVENT.decode(data)
        match event.type:
            case "content_block_delta" if event.delta is not None:
                return self._piece(event.index, event.delta)
            case "content_block_start" if event.content_block is not None:
                return self._begun(event.index, event.content_block)
            case "content_block_stop":
                return self._stopped(event.index)
            case "message_start" if event.message is not None:
                self._usage = event.message.usage
                return Chunk(usage=_neutral(self._usage))
            case "message_delta":
                self._told(event)
            case "message_stop":
                self.done = True
            case "error":
                raise Told(event.error)
        return None

    def end(self) -> Chunk:
        """Returns the last piece, with the finish."""
        if not self.whole:
            raise StreamBroken("the answer ended before the model said why it stopped")
        finish = _finish(self._reason, calls=bool(self._calls))
        return Chunk(finish=finish, usage=_neutral(self._usage))

    def _piece(self, index: int, delta: _Delta) -> Chunk | None:
        if delta.type != "input_json_delta":
            return _said(delta.text, delta.thinking, delta.signature)
        if not delta.partial_json:
            return None
        if index not in self._calls:
            return Chunk(text=delta.partial_json)
        self._without_arguments.discard(index)
        return self._call(index, arguments=delta.partial_json)

    def _begun(self, index: int, block: _Block) -> Chunk | None:
        if block.type != "tool_use":
            return _said(block.text, block.thinking, block.signature, block.data)
        if block.name == self._answer_tool:
            return None
        self._calls[index] = len(self._calls)
        self._without_arguments.add(index)
        return self._call(index, id=block.id, name=block.name)

    def _stopped(self, index: int) -> Chunk | None:
        if index not in self._without_arguments:
            return None
        self._without_arguments.discard(index)
        return self._call(index, arguments="{}")

    def _call(self, block: int, **piece: str) -> Chunk:
        return Chunk(tool_calls=(ToolCallDelta(index=self._calls[block], **piece),))

    def _told(self, event: _Event) -> None:
        if event.delta is not None and event.delta.stop_reason:
            self._reason = event.delta.stop_reason
        if event.usage is not None:
            self._usage = _merged(self._usage, event.usage)


def _said(text: str, thinking: str, signature: str, data: str = "") -> Chunk | None:
    if not (text or thinking or signature or data):
        return None
    return Chunk(text=text, reasoning=thinking, signature=signature, data=data)


def _parts(block: _Block, answer_tool: str) -> list[Part]:
    match block.type:
        case "text":
            return [Text(block.text)] if block.text else []
        case "tool_use" if block.name == answer_tool:
            return [Text(bytes(block.input).decode())]
        case "tool_use":
            arguments = bytes(block.input).decode()
            return [ToolCall(id=block.id, name=block.name, arguments=arguments)]
        case "thinking":
            return [Reasoning(text=block.thinking, signature=block.signature)]
        case "redacted_thinking":
            return [Reasoning(data=block.data)]
        case _:
            return []


def _finish(reason: str, *, calls: bool) -> Finish:
    """The finish of a reason; a call of the tool that takes the answer is no call."""
    finish = _FINISHES.get(reason)
    if finish is None:
        raise UpstreamFailed(f"the model did not finish its answer: it stopped with {reason!r:.60}")
    return "stop" if finish == "tool_calls" and not calls else finish


def _merged(first: _Usage, last: _Usage) -> _Usage:
    """The counts of the beginning, replaced by those of the end as far as it has them."""
    names = _Usage.__struct_fields__
    told = {name: getattr(last, name) for name in names if getattr(last, name) is not None}
    return msgspec.structs.replace(first, **told)


def _neutral(usage: _Usage) -> Usage:
    """The counts in our sense: input tokens include those that are or get cached."""
    cached = usage.cache_read_input_tokens or 0
    written = usage.cache_creation_input_tokens or 0
    details = usage.output_tokens_details or _Details()
    return Usage(
        input_tokens=(usage.input_tokens or 0) + cached + written,
        output_tokens=usage.output_tokens or 0,
        cached_tokens=cached,
        cache_write_tokens=written,
        reasoning_tokens=details.thinking_tokens or 0,
    )
