"""A request in the form of OpenAI's responses; pure."""

from collections.abc import Iterator
from typing import Any, Final

from pepperpy_provider_svc.limits.estimate import told_limit
from pepperpy_provider_svc.upstreams.openai_chat_request import (
    Body,
    image_url,
    is_strict,
    parameters,
    result_text,
)
from pepperpy_schemas.chat import (
    ChatMessage,
    ChatRequest,
    Image,
    Part,
    Reasoning,
    ResponseFormat,
    Text,
    ToolCall,
    ToolResult,
    ToolSpec,
)

SIGNED: Final = "openai-responses:"
"""Begins the signature of thoughts from here, which no other protocol takes back."""


def responses_body(model: str, request: ChatRequest, *, official: bool) -> Body:
    """Returns the body of a request. Nothing of it is kept at the provider.

    Args:
        model: The provider's own name of it.
        request: What is asked; this protocol has no ``stop`` and no ``seed``.
        official: Whether it goes to OpenAI itself.
    """
    thinks = request.reasoning not in (None, "none")
    form = request.response_format
    options = {
        "max_output_tokens": told_limit(request),
        "temperature": request.temperature,
        "top_p": request.top_p,
        "reasoning": request.reasoning and {"effort": request.reasoning},
        # Without it, the thoughts of a request that is not kept could not be given back.
        "include": ["reasoning.encrypted_content"] if thinks and official else None,
        "prompt_cache_key": (official and request.prompt_cache_key) or None,
        "tools": [_tool(tool) for tool in request.tools] or None,
        "tool_choice": _tool_choice(request.tool_choice) if request.tools else None,
        "text": form and {"format": _format(form)},
    }
    items = [item for message in request.messages for item in _items(message)]
    given = {name: value for name, value in options.items() if value is not None}
    return {"model": model, "input": items, "store": False, **given}


def _format(form: ResponseFormat) -> Body:
    strict = is_strict(form.schema)
    return {"type": "json_schema", "name": form.name, "schema": form.schema, "strict": strict}


def _tool(tool: ToolSpec) -> Body:
    function: Body = {
        "type": "function",
        "name": tool.name,
        "parameters": parameters(tool),
        "strict": False,
    }
    if tool.description:
        function["description"] = tool.description
    return function


def _tool_choice(choice: str) -> str | Body | None:
    match choice:
        case "auto":
            return None
        case "none" | "required":
            return choice
        case name:
            return {"type": "function", "name": name}


def _items(message: ChatMessage) -> Iterator[Body]:
    """A message as items, in the order of its parts; texts and pictures in a row are one."""
    said: list[Body] = []
    for part in message.parts:
        if isinstance(part, Text | Image):
            said.append(_said(message.role, part))
            continue
        if said:
            yield {"role": message.role, "content": said}
            said = []
        item = _item(part)
        if item is not None:
            yield item
    if said or not message.parts:
        yield {"role": message.role, "content": said or ""}


def _said(role: str, part: Text | Image) -> Body:
    if isinstance(part, Image):
        return {"type": "input_image", "image_url": image_url(part), "detail": "auto"}
    return {"type": "output_text" if role == "assistant" else "input_text", "text": part.text}


def _item(part: Part) -> Body | None:
    match part:
        case ToolCall():
            return {
                "type": "function_call",
                "call_id": part.id,
                "name": part.name,
                "arguments": part.arguments,
            }
        case ToolResult():
            output = result_text(part)
            return {"type": "function_call_output", "call_id": part.id, "output": output}
        case Reasoning() if part.data and part.signature.startswith(SIGNED):
            return _thoughts(part)
        case _:
            return None


def _thoughts(part: Reasoning) -> dict[str, Any]:
    summary = [{"type": "summary_text", "text": part.text}] if part.text else []
    item = {"type": "reasoning", "summary": summary, "encrypted_content": part.data}
    name = part.signature.removeprefix(SIGNED)
    return {"id": name, **item} if name else item
