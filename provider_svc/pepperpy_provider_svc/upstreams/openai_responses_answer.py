"""Answers in the form of OpenAI's responses: the fields that count, and what they mean."""

from typing import Any, Final

import msgspec

from pepperpy_provider_svc.upstreams.assembly import simple
from pepperpy_provider_svc.upstreams.errors import Told
from pepperpy_provider_svc.upstreams.openai_responses_request import SIGNED
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


class _Details(msgspec.Struct, frozen=True):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None


class _Usage(msgspec.Struct, frozen=True):
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: _Details | None = None
    output_tokens_details: _Details | None = None


class _Content(msgspec.Struct, frozen=True):
    type: str
    text: str | None = None
    refusal: str | None = None


class _Item(msgspec.Struct, frozen=True):
    type: str
    id: str | None = None
    content: list[_Content] | None = None
    summary: list[_Content] | None = None
    encrypted_content: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None


class _Reason(msgspec.Struct, frozen=True):
    reason: str | None = None


class _Answer(msgspec.Struct, frozen=True):
    status: str
    output: list[_Item]
    usage: _Usage | None = None
    incomplete_details: _Reason | None = None
    error: Any = None


class _Event(msgspec.Struct, frozen=True):
    type: str
    output_index: int = 0
    delta: Any = None
    item: _Item | None = None
    response: _Answer | None = None
    error: Any = None
    code: Any = None
    message: Any = None


_ANSWER: Final = msgspec.json.Decoder(_Answer)
_EVENT: Final = msgspec.json.Decoder(_Event)


def read_completion(content: bytes) -> Completion:
    """Returns what a whole answer says.

    Raises:
        Told: It tells of an error.
        UpstreamFailed: It was not finished.
        ValueError: It cannot be read.
    """
    answer = _ANSWER.decode(content)
    parts = [part for item in answer.output for part in _parts(item)]
    return Completion(
        message=ChatMessage(role="assistant", content=simple(parts)),
        finish=_finish(answer),
        usage=_usage(answer.usage) or Usage(),
    )


class ResponsesReading:
    """A streamed answer as far as it was read."""

    def __init__(self) -> None:
        self.done = False
        self._answer: _Answer | None = None
        self._calls: dict[int, int] = {}

    @property
    def whole(self) -> bool:
        """Whether the model has said why it stopped."""
        return self.done

    def take(self, data: bytes) -> Chunk | None:
        """Reads an event; returns its piece of the answer, if it has one."""
        event = _EVENT.decode(data)
        match event.type:
            case "response.output_text.delta" | "response.refusal.delta":
                return Chunk(text=_piece(event))
            case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
                return Chunk(reasoning=_piece(event))
            case "response.function_call_arguments.delta":
                return self._arguments(event)
            case "response.output_item.added" if event.item is not None:
                return self._added(event, event.item)
            case "response.output_item.done" if event.item is not None:
                return _signature(event.item)
            case "response.completed" | "response.incomplete" | "response.failed":
                self._answer, self.done = event.response, True
            case "error":
                told = {"code": event.code, "message": event.message}
                raise Told(event.error or told)
        return None

    def end(self) -> Chunk:
        """Returns the last piece, with the finish."""
        if self._answer is None:
            raise StreamBroken("the answer ended before the model said why it stopped")
        return Chunk(finish=_finish(self._answer), usage=_usage(self._answer.usage))

    def _added(self, event: _Event, item: _Item) -> Chunk | None:
        if item.type != "function_call":
            return None
        index = self._calls.setdefault(event.output_index, len(self._calls))
        call = ToolCallDelta(index=index, id=item.call_id or "", name=item.name or "")
        return Chunk(tool_calls=(call,))

    def _arguments(self, event: _Event) -> Chunk:
        index = self._calls.get(event.output_index)
        if index is None:
            raise StreamBroken("a piece belongs to a tool call that was not announced")
        return Chunk(tool_calls=(ToolCallDelta(index=index, arguments=_piece(event)),))


def _piece(event: _Event) -> str:
    if not isinstance(event.delta, str):
        raise StreamBroken(f"{event.type} has no text")
    return event.delta


def _finish(answer: _Answer) -> Finish:
    if answer.error:
        raise Told(answer.error)
    reason = answer.incomplete_details and answer.incomplete_details.reason
    match answer.status, reason:
        case "incomplete", "content_filter":
            return "content_filter"
        case "incomplete", _:
            return "length"
        case "completed", _:
            return _completed(answer)
        case status, _:
            raise UpstreamFailed(f"the answer is {status}, not completed")


def _completed(answer: _Answer) -> Finish:
    if any(content.refusal for item in answer.output for content in item.content or []):
        return "content_filter"
    called = any(item.type == "function_call" for item in answer.output)
    return "tool_calls" if called else "stop"


def _parts(item: _Item) -> list[Part]:
    match item.type:
        case "message":
            texts = [content.text or content.refusal or "" for content in item.content or []]
            return [Text(text) for text in texts if text]
        case "function_call":
            arguments = item.arguments or "{}"
            return [ToolCall(id=item.call_id or "", name=item.name or "", arguments=arguments)]
        case "reasoning":
            text = "".join(part.text or "" for part in item.summary or item.content or [])
            signature, data = _proof(item)
            return [Reasoning(text=text, signature=signature, data=data)]
        case _:
            return []


def _signature(item: _Item) -> Chunk | None:
    """The end of an item of thoughts: what the provider wants back with the next request."""
    if item.type != "reasoning":
        return None
    signature, data = _proof(item)
    return Chunk(signature=signature, data=data) if signature else None


def _proof(item: _Item) -> tuple[str, str]:
    """What says whose thoughts they are, also where a server gives them no id; and the thoughts."""
    data = item.encrypted_content or ""
    return f"{SIGNED}{item.id or ''}" if item.id or data else "", data


def _usage(usage: _Usage | None) -> Usage | None:
    if usage is None:
        return None
    sent = usage.input_tokens_details or _Details()
    got = usage.output_tokens_details or _Details()
    return Usage(
        input_tokens=usage.input_tokens or 0,
        output_tokens=usage.output_tokens or 0,
        cached_tokens=sent.cached_tokens or 0,
        cache_write_tokens=sent.cache_write_tokens or 0,
        reasoning_tokens=got.reasoning_tokens or 0,
    )
