"""Conversations, as AutoGen's models and as ours are told them.

What ours cannot be told is refused by name, and never dropped: a model that is not shown a picture
answers all the same.
"""

from collections.abc import Sequence
from typing import Any, Final

from autogen_core import FunctionCall
from autogen_core.models import (
    AssistantMessage,
    CreateResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    RequestUsage,
    SystemMessage,
    UserMessage,
)

from pepperpy_schemas.chat import (
    ChatMessage,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
    Usage,
)
from pepperpy_schemas.errors import BadPayload

_FINISHES: Final = {"tool_calls": "function_calls"}
"""Why an answer ended, where AutoGen has another word for it."""


def conversation(messages: Sequence[LLMMessage], *, names: bool = False) -> list[ChatMessage]:
    """Returns messages of AutoGen as we send them.

    Args:
        messages: The messages.
        names: Whether what agents said to one another begins with who said it.

    Raises:
        BadPayload: One has a picture: AutoGen holds its bytes, and ours travel by reference.
    """
    return [_ours(one, names) for one in messages]


def created(message: ChatMessage, finish: str, usage: Usage, *, cached: bool) -> CreateResult:
    """Returns a model's whole answer as AutoGen has it.

    Text beside calls is a thought there, as reasoning is.

    Args:
        message: What the model said.
        finish: Why it ended.
        usage: What it took.
        cached: Whether it cost nothing.
    """
    calls = [FunctionCall(one.id, one.arguments, one.name) for one in message.tool_calls]
    thoughts = [one.text for one in message.parts if isinstance(one, Reasoning) and one.text]
    if calls and message.text:
        thoughts.append(message.text)
    reason: Any = _FINISHES.get(finish, finish)
    return CreateResult(
        finish_reason=reason,
        content=calls or message.text,
        usage=request_usage(usage),
        cached=cached,
        thought="\n".join(thoughts) or None,
    )


def request_usage(usage: Usage) -> RequestUsage:
    """Returns the tokens of an answer as AutoGen counts them."""
    return RequestUsage(usage.input_tokens, usage.output_tokens)


def _ours(message: LLMMessage, names: bool) -> ChatMessage:
    match message:
        case SystemMessage(content=text):
            return ChatMessage("system", text)
        case UserMessage(content=content, source=source):
            text = _text(content)
            return ChatMessage("user", f"{source} said:\n{text}" if names else text)
        case AssistantMessage(content=str(text), thought=thought):
            return ChatMessage("assistant", [Reasoning(thought), Text(text)] if thought else text)
        case AssistantMessage(content=list(calls), thought=thought):
            parts: list[Part] = [Text(thought)] if thought else []
            parts += [ToolCall(one.id, one.name, one.arguments) for one in calls]
            return ChatMessage("assistant", parts)
        case FunctionExecutionResultMessage(content=results):
            said: list[Part] = [
                ToolResult(one.call_id, one.content, bool(one.is_error)) for one in results
            ]
            return ChatMessage("tool", said)
        case _:
            raise BadPayload(f"models are told no {type(message).__name__}")


def _text(content: str | list[Any]) -> str:
    for part in [content] if isinstance(content, str) else content:
        if not isinstance(part, str):
            raise BadPayload(
                "a picture of AutoGen cannot travel over the bus",
                hint="put it into the object store, and tell the model where it is",
            )
    return content if isinstance(content, str) else "\n".join(content)
