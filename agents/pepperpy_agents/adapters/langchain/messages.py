"""Conversations, as LangChain and as we write them.

What one side cannot say is refused by name, and never dropped: a model that is not shown a picture
answers all the same.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.messages import (
    ChatMessage as NamedRole,
)
from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata
from langchain_core.messages.tool import ToolCallChunk

from pepperpy_schemas.chat import (
    ChatMessage,
    Delta,
    End,
    Image,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
    Usage,
)
from pepperpy_schemas.errors import BadPayload

_SIGNED = ("signature", "data")
"""What a provider says of its reasoning, in a block's extras."""


def conversation(messages: Sequence[BaseMessage]) -> list[ChatMessage]:
    """Returns messages of LangChain as we send them.

    Raises:
        BadPayload: A message has a role, or a part of its content, that no model of ours takes.
    """
    return [_ours(one) for one in messages]


def theirs(message: ChatMessage) -> BaseMessage:
    """Returns a message of ours as LangChain writes it.

    Raises:
        BadPayload: It has the results of several tools, which LangChain says in as many messages.
    """
    match message.role:
        case "system":
            return SystemMessage(message.text)
        case "user":
            return HumanMessage(_blocks(message))
        case "assistant":
            return answer(message)
        case "tool":
            results = [one for one in message.parts if isinstance(one, ToolResult)]
            if len(results) != 1:
                raise BadPayload(f"a message with the results of {len(results)} tools")
            [one] = results
            status: Any = "error" if one.error else "success"
            return ToolMessage(one.content, tool_call_id=one.id, status=status)


def answer(message: ChatMessage, **more: Any) -> AIMessage:
    """Returns a model's whole answer; calls with broken arguments are LangChain's invalid ones.

    Args:
        message: What the model said.
        **more: Usage, metadata and the id of the message.
    """
    valid, invalid = [], []
    for call in message.tool_calls:
        try:
            arguments = msgspec.json.decode(call.arguments, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            invalid.append(
                {
                    "type": "invalid_tool_call",
                    "id": call.id,
                    "name": call.name,
                    "args": call.arguments,
                    "error": str(error),
                }
            )
        else:
            valid.append({"type": "tool_call", "id": call.id, "name": call.name, "args": arguments})
    return AIMessage(_blocks(message), tool_calls=valid, invalid_tool_calls=invalid, **more)


class Pieces:
    """Makes pieces of one answer LangChain's, whose sum is what `answer` would be of the whole."""

    def __init__(self) -> None:
        self._index = -1
        self._kind = ""

    def chunk(self, delta: Delta) -> AIMessageChunk:
        """Returns the next piece."""
        calls = [
            ToolCallChunk(
                type="tool_call_chunk",
                index=one.index,
                id=one.id or None,
                name=one.name or None,
                args=one.arguments,
            )
            for one in delta.tool_calls
        ]
        content: list[Any] = []
        if delta.reasoning or delta.signature or delta.data:
            content.append(self._thought(delta))
        if delta.text and (content or self._index >= 0):
            content.append(self._at("text", {"type": "text", "text": delta.text}))
        return AIMessageChunk(content=content or delta.text, tool_call_chunks=calls)

    def _thought(self, delta: Delta) -> dict[str, Any]:
        block: dict[str, Any] = {"type": "reasoning", "reasoning": delta.reasoning}
        extras = {name: getattr(delta, name) for name in _SIGNED if getattr(delta, name)}
        if extras:
            block["extras"] = extras
        block = self._at("reasoning", block)
        if extras:
            self._kind = ""  # what follows a proof is another thought
        return block

    def _at(self, kind: str, block: dict[str, Any]) -> dict[str, Any]:
        """A block with the place of the part that it belongs to."""
        if kind != self._kind:
            self._index += 1
            self._kind = kind
        return {**block, "index": self._index}


def usage_of(usage: Usage) -> UsageMetadata:
    """Returns the tokens of an answer as LangChain counts them."""
    return UsageMetadata(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        total_tokens=usage.total_tokens,
        input_token_details=InputTokenDetails(
            cache_read=usage.cached_tokens, cache_creation=usage.cache_write_tokens
        ),
        output_token_details=OutputTokenDetails(reasoning=usage.reasoning_tokens),
    )


def told_of(end: Any) -> dict[str, Any]:
    """Returns what is known of an answer, a whole one or the end of a streamed one."""
    told = {"model_name": end.model, "finish_reason": end.finish, "cached": end.cached}
    return told if end.usd is None else {**told, "usd": end.usd}


def last_chunk(end: End) -> AIMessageChunk:
    """Returns the piece that ends an answer: what it took, and no text."""
    return AIMessageChunk(
        content="",
        usage_metadata=usage_of(end.usage),
        response_metadata=told_of(end),
        chunk_position="last",
    )


# --- from theirs ---------------------------------------------------------------------------------


def _ours(message: BaseMessage) -> ChatMessage:
    match message:
        case SystemMessage():
            return ChatMessage("system", _text_only(message))
        case HumanMessage():
            return ChatMessage("user", _tidy(list(_parts(message))))
        case AIMessage():
            calls: list[Part] = [
                ToolCall(one["id"] or "", one["name"], msgspec.json.encode(one["args"]).decode())
                for one in message.tool_calls
            ]
            calls += [
                ToolCall(one["id"] or "", one["name"] or "", one["args"] or "{}")
                for one in message.invalid_tool_calls
            ]
            return ChatMessage("assistant", _tidy([*_parts(message), *calls]))
        case ToolMessage():
            failed = message.status == "error"
            content = _text_only(message)
            return ChatMessage("tool", [ToolResult(message.tool_call_id, content, failed)])
        case NamedRole(role="system" | "user" | "assistant"):
            role: Any = message.role
            return ChatMessage(role, _tidy(list(_parts(message))))
        case FunctionMessage():
            raise BadPayload("a FunctionMessage answers no call: use a ToolMessage")
        case _:
            raise BadPayload(f"models are told no message of type {message.type!r}")


def _text_only(message: BaseMessage) -> str:
    """The content of a message that can be a text alone."""
    parts = list(_parts(message))
    for one in parts:
        if not isinstance(one, Text):
            raise BadPayload(
                f"{type(message).__name__}: it can have text alone, and has {type(one).__name__}"
            )
    return "".join(one.text for one in parts if isinstance(one, Text))


def _parts(message: BaseMessage) -> Iterator[Part]:
    content = message.content
    for block in [content] if isinstance(content, str) else content:
        if isinstance(block, str):
            if block:
                yield Text(block)
        elif (part := _part(block)) is not None:
            yield part


def _part(block: dict[str, Any]) -> Part | None:
    match block:
        case {"type": "text", "text": str(text)}:
            return Text(text, cache="cache_control" in block) if text else None
        case {"type": "reasoning"}:
            extras = block.get("extras") or {}
            signed = {name: str(extras[name]) for name in _SIGNED if extras.get(name)}
            return Reasoning(block.get("reasoning") or "", **signed)
        case {"type": "thinking", "thinking": str(text)}:
            return Reasoning(text, str(block.get("signature") or ""))
        case {"type": "image_url", "image_url": str(url) | {"url": str(url)}}:
            return _image(url, "")
        case {"type": "image", "url": str(url)}:
            return _image(url, str(block.get("mime_type") or ""))
        case {"type": "tool_use" | "tool_call" | "tool_call_chunk" | "input_json_delta"}:
            return None  # the same stands in the message's calls
        case _:
            raise BadPayload(
                f"models are shown no content of type {block.get('type')!r:.80}",
                hint="text, reasoning, and pictures by https address or blob reference",
            )


def _image(url: str, media_type: str) -> Image:
    if not url.startswith(("https:", "blob:")):
        raise BadPayload(
            f"a picture at {url!r:.40} cannot travel over the bus",
            hint="put it into the object store, and give blob: and its reference",
        )
    return Image(url, media_type)


def _tidy(parts: list[Part]) -> str | list[Part]:
    """Parts that are one text, as that text."""
    if all(isinstance(one, Text) and not one.cache for one in parts):
        return "".join(one.text for one in parts if isinstance(one, Text))
    return parts


# --- to theirs -----------------------------------------------------------------------------------


def _blocks(message: ChatMessage) -> Any:
    """The content without calls and results, which LangChain keeps beside it."""
    blocks = [_block(one) for one in message.parts if isinstance(one, Text | Image | Reasoning)]
    if all(one["type"] == "text" for one in blocks):
        return "".join(one["text"] for one in blocks)
    return blocks


def _block(part: Text | Image | Reasoning) -> dict[str, Any]:
    match part:
        case Text(text=text):
            return {"type": "text", "text": text}
        case Image(url=url, media_type=kind):
            return {"type": "image", "url": url, **({"mime_type": kind} if kind else {})}
        case Reasoning():
            extras = {name: getattr(part, name) for name in _SIGNED if getattr(part, name)}
            block = {"type": "reasoning", "reasoning": part.text}
            return {**block, "extras": extras} if extras else block
