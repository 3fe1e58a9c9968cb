"""A request in the form of Anthropic's messages; pure but for the SDK's view of schemas."""

import re
from typing import Any, Final

import msgspec

from pepperpy_provider_svc.limits.estimate import THOUGHTS, answer_tokens
from pepperpy_provider_svc.upstreams.openai_chat_request import Body, image_url, parameters
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
from pepperpy_schemas.errors import RequestRefused

_CACHED: Final = {"type": "ephemeral"}
# Models before 4.6 are told how many tokens to think for; later ones how hard to try.
_THINKS_BY_BUDGET: Final = re.compile(r"claude-(3|(opus|sonnet|haiku)-4(-[015])?(-\d{8})?$)")
# Models before 4.1 have no form of answers but the arguments of a tool.
_NO_FORMAT: Final = re.compile(r"claude-(3|(opus|sonnet)-4(-0)?(-\d{8})?$)")


def messages_body(model: str, request: ChatRequest) -> tuple[Body, str]:
    """Returns the body of a request, and the tool whose arguments are the answer, or no name.

    Args:
        model: The provider's own name of it.
        request: What is asked; this protocol has no ``seed``.
    """
    thinking = _thinking(model, request)
    budget = thinking.get("thinking", {}).get("budget_tokens", 0)
    form, answer_tool = _form(model, request.response_format)
    options = {
        "system": _system(request.messages) or None,
        "temperature": None if budget else _at_most(request.temperature, 1.0),
        "top_p": request.top_p,
        "stop_sequences": request.stop or None,
        "tools": [_tool(tool) for tool in request.tools] or None,
        "tool_choice": _tool_choice(request.tool_choice) if request.tools else None,
        "thinking": thinking.get("thinking"),
        "output_config": thinking.get("output_config", {}) | form or None,
    }
    given = {name: value for name, value in options.items() if value is not None}
    # The protocol demands a limit. Thoughts count, and more than them must be left.
    limit = answer_tokens(request)
    body = {"model": model, "max_tokens": limit, "messages": _messages(request), **given}
    if answer_tool is not None:
        body = _answering_by_tool(body, answer_tool)
    return body, answer_tool["name"] if answer_tool else ""


def counted_body(body: Body) -> Body:
    """Returns what of a request has tokens to count."""
    names = ("model", "messages", "system", "tools", "tool_choice", "thinking", "output_config")
    return {name: body[name] for name in names if name in body}


def _at_most(value: float | None, limit: float) -> float | None:
    return None if value is None else min(value, limit)


def _thinking(model: str, request: ChatRequest) -> Body:
    effort = request.reasoning
    if effort is None:
        return {}
    if effort == "none":
        return {"thinking": {"type": "disabled"}}
    if _THINKS_BY_BUDGET.match(model):
        return {"thinking": {"type": "enabled", "budget_tokens": THOUGHTS[effort]}}
    return {"thinking": {"type": "adaptive"}, "output_config": {"effort": effort}}


def _form(model: str, form: ResponseFormat | None) -> tuple[Body, Body | None]:
    """The form of the answer as the API has it, or else a tool that takes the answer."""
    if form is None:
        return {}, None
    schema = None if _NO_FORMAT.match(model) else _api_schema(form.schema)
    if schema is not None:
        return {"format": {"type": "json_schema", "schema": schema}}, None
    text = "Give the answer by calling this tool."
    return {}, {"name": form.name, "description": text, "input_schema": form.schema}


def _api_schema(schema: Body) -> Body | None:
    """The schema in the part of the language that the API knows, or None where there is none."""
    if not _is_closed(schema):
        return None
    import anthropic

    try:
        return anthropic.transform_schema(schema)
    except (ValueError, AssertionError, AttributeError, TypeError):
        return None


def _is_closed(schema: Any) -> bool:
    """Whether no object in it takes properties that it does not name: the API's never do."""
    if isinstance(schema, list):
        return all(map(_is_closed, schema))
    if not isinstance(schema, dict):
        return True
    if schema.get("type") == "object":
        more = schema.get("additionalProperties", not schema.get("properties"))
        if isinstance(more, dict) or more is True:
            return False
    return all(map(_is_closed, schema.values()))


def _answering_by_tool(body: Body, tool: Body) -> Body:
    """The body with a tool that must be called, unless the model calls one of the others."""
    others = body.get("tools", [])
    choice = {"type": "any"} if others else {"type": "tool", "name": tool["name"]}
    forced = {**body, "tools": [*others, tool], "tool_choice": choice}
    forced.pop("thinking", None)  # the API refuses to think before a forced tool
    return forced


def _system(messages: list[ChatMessage]) -> list[Body]:
    return [_part(part) for one in messages if one.role == "system" for part in one.parts]


def _messages(request: ChatRequest) -> list[Body]:
    """The conversation, in turns: results of tools belong to the user's, all in one message."""
    turns: list[Body] = []
    for message in request.messages:
        if message.role == "system":
            continue
        role = "assistant" if message.role == "assistant" else "user"
        blocks = [_part(part) for part in message.parts if _is_told(part)]
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        else:
            turns.append({"role": role, "content": blocks})
    told = [turn for turn in turns if turn["content"]]
    if not told:
        raise RequestRefused("a conversation needs a message besides those of the system")
    return told


def _is_told(part: Part) -> bool:
    """Whether the API takes a part: no empty texts, no thoughts of other providers."""
    match part:
        case Text():
            return bool(part.text)
        case Reasoning():
            return bool(part.signature or part.data) and ":" not in part.signature
        case _:
            return True


def _part(part: Part) -> Body:
    match part:
        case Text():
            block: Body = {"type": "text", "text": part.text}
            return {**block, "cache_control": _CACHED} if part.cache else block
        case Image():
            return {"type": "image", "source": _source(image_url(part))}
        case ToolCall():
            given = _arguments(part.arguments)
            return {"type": "tool_use", "id": part.id, "name": part.name, "input": given}
        case ToolResult():
            block = {"type": "tool_result", "tool_use_id": part.id, "content": part.content}
            return {**block, "is_error": True} if part.error else block
        case Reasoning() if part.data:
            return {"type": "redacted_thinking", "data": part.data}
        case Reasoning():
            return {"type": "thinking", "thinking": part.text, "signature": part.signature}


def _source(url: str) -> Body:
    if not url.startswith("data:"):
        return {"type": "url", "url": url}
    head, _, data = url.removeprefix("data:").partition(",")
    return {"type": "base64", "media_type": head.partition(";")[0], "data": data}


def _arguments(text: str) -> Any:
    """The arguments of a call; the API takes an object only, so broken ones are told as a text."""
    try:
        given = msgspec.json.decode(text)
    except msgspec.DecodeError:
        given = None
    return given if isinstance(given, dict) else {"arguments": text}


def _tool(tool: ToolSpec) -> Body:
    spec: Body = {"name": tool.name, "input_schema": parameters(tool)}
    return {**spec, "description": tool.description} if tool.description else spec


def _tool_choice(choice: str) -> Body | None:
    match choice:
        case "auto":
            return None
        case "none":
            return {"type": "none"}
        case "required":
            return {"type": "any"}
        case name:
            return {"type": "tool", "name": name}
