"""A request in the form of OpenAI's chat completions; pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from pepperpy_provider_svc.limits.estimate import told_limit
from pepperpy_schemas.chat import (
    ChatMessage,
    ChatRequest,
    Image,
    ResponseFormat,
    Text,
    ToolCall,
    ToolResult,
    ToolSpec,
)
from pepperpy_schemas.errors import RequestRefused

Body = dict[str, Any]


def chat_body(model: str, request: ChatRequest, *, official: bool) -> Body:
    """Returns the body of a request.

    Args:
        model: The provider's own name of it.
        request: What is asked.
        official: Whether it goes to OpenAI itself, which has another name for the limit of tokens
            and more parameters than some compatible servers accept.
    """
    tools = bool(request.tools)
    options = {
        "max_completion_tokens" if official else "max_tokens": told_limit(request),
        "temperature": request.temperature,
        "top_p": request.top_p,
        "stop": request.stop or None,
        "seed": request.seed,
        "reasoning_effort": request.reasoning,
        "prompt_cache_key": (official and request.prompt_cache_key) or None,
        "tools": [_tool(tool) for tool in request.tools] or None,
        "tool_choice": _tool_choice(request.tool_choice) if tools else None,
        "response_format": request.response_format and _response_format(request.response_format),
    }
    messages = [one for message in request.messages for one in _messages(message)]
    given = {name: value for name, value in options.items() if value is not None}
    return {"model": model, "messages": messages, **given}


def parameters(tool: ToolSpec) -> Mapping[str, Any]:
    """Returns the schema of a tool's arguments; one without any has an empty object's."""
    return tool.parameters or {"type": "object", "properties": {}}


def is_strict(schema: Any) -> bool:
    """Tells whether OpenAI can hold a model to a schema.

    Every object in it must require all its properties and allow no others.
    """
    if isinstance(schema, list):
        return all(is_strict(one) for one in schema)
    if not isinstance(schema, dict):
        return True
    if schema.get("type") == "object" or "properties" in schema:
        names = set(schema.get("properties", {}))
        if schema.get("additionalProperties") is not False:
            return False
        if names != set(schema.get("required", [])):
            return False
    return all(is_strict(one) for one in schema.values())


def result_text(result: ToolResult) -> str:
    """Returns what a tool returned, for a protocol that has no mark for failures."""
    return f"Error: {result.content}" if result.error else result.content


def image_url(image: Image) -> str:
    """Returns the address of a picture that a provider can read.

    Raises:
        RequestRefused: It is another one.
    """
    if not image.url.startswith(("https://", "http://", "data:")):
        raise RequestRefused(f"no provider can read the picture {image.url!r:.60}")
    return image.url


def _response_format(form: ResponseFormat) -> Body:
    inner: Body = {"name": form.name, "schema": form.schema}
    if is_strict(form.schema):
        inner["strict"] = True
    return {"type": "json_schema", "json_schema": inner}


def _tool(tool: ToolSpec) -> Body:
    function = {"name": tool.name, "parameters": parameters(tool)}
    if tool.description:
        function["description"] = tool.description
    return {"type": "function", "function": function}


def _tool_choice(choice: str) -> str | Body | None:
    match choice:
        case "auto":
            return None
        case "none" | "required":
            return choice
        case name:
            return {"type": "function", "function": {"name": name}}


def _messages(message: ChatMessage) -> Iterator[Body]:
    """A message as those that the protocol makes of it: each result of a tool is one of its own."""
    results = [part for part in message.parts if isinstance(part, ToolResult)]
    for result in results:
        yield {"role": "tool", "tool_call_id": result.id, "content": result_text(result)}
    if message.role == "assistant":
        yield _assistant(message)
    elif message.role != "tool" and len(results) < max(1, len(message.parts)):
        yield {"role": message.role, "content": _content(message)}


def _assistant(message: ChatMessage) -> Body:
    # Thoughts stay away: no server of this protocol takes them back.
    said: Body = {"role": "assistant", "content": message.text or None}
    if message.tool_calls:
        said["tool_calls"] = [_tool_call(call) for call in message.tool_calls]
    elif said["content"] is None:
        said["content"] = ""
    return said


def _tool_call(call: ToolCall) -> Body:
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id, "type": "function", "function": function}


def _content(message: ChatMessage) -> str | list[Body]:
    """A plain text where it is nothing else: small servers know no parts."""
    if not any(isinstance(part, Image) for part in message.parts):
        return message.text
    return [_part(part) for part in message.parts if isinstance(part, Text | Image)]


def _part(part: Text | Image) -> Body:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    return {"type": "image_url", "image_url": {"url": image_url(part)}}
