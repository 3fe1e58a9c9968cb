"""Conversations, as LangChain and as we write them.

What one side cannot say is refused by name, and never dropped: a model that is not shown a picture
answers all the same.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.messages import (
    ChatMessage as NamedRole,
)

from pepperpy_schemas.chat import (
    ChatMessage,
    Image,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
)
from pepperpy_schemas.errors import BadPayload

SIGNED = ("signature", "data")
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
            signed = {name: str(extras[name]) for name in SIGNED if extras.get(name)}
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
            extras = {name: getattr(part, name) for name in SIGNED if getattr(part, name)}
            block = {"type": "reasoning", "reasoning": part.text}
            return {**block, "extras": extras} if extras else block
