"""Conversations of AutoGen as ours, and answers as AutoGen's."""

import pytest
from autogen_core import FunctionCall, Image
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    SystemMessage,
    UserMessage,
)
from PIL import Image as Picture

from pepperpy_agents.adapters.autogen import conversation
from pepperpy_agents.adapters.autogen.messages import created
from pepperpy_schemas.chat import (
    ChatMessage,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
    Usage,
)
from pepperpy_schemas.errors import BadPayload


def test_what_is_said_is_said_to_ours() -> None:
    call = FunctionCall(id="c1", name="weather", arguments='{"city": "Faro"}')
    result = FunctionExecutionResult(content="sunny", name="weather", call_id="c1", is_error=False)
    failed = FunctionExecutionResult(content="no", name="weather", call_id="c2", is_error=True)
    said = conversation(
        [
            SystemMessage(content="Be short."),
            UserMessage(content="How is it?", source="user"),
            AssistantMessage(content=[call], thought="I look.", source="guide"),
            FunctionExecutionResultMessage(content=[result, failed]),
            AssistantMessage(content="Sunny.", thought="It is.", source="guide"),
            UserMessage(content=["One.", "Two."], source="user"),
        ]
    )
    assert said == [
        ChatMessage("system", "Be short."),
        ChatMessage("user", "How is it?"),
        ChatMessage("assistant", [Text("I look."), ToolCall("c1", "weather", '{"city": "Faro"}')]),
        ChatMessage("tool", [ToolResult("c1", "sunny"), ToolResult("c2", "no", True)]),
        ChatMessage("assistant", [Reasoning("It is."), Text("Sunny.")]),
        ChatMessage("user", "One.\nTwo."),
    ]


def test_who_said_it_is_told_where_that_is_asked_for() -> None:
    said = conversation([UserMessage(content="Well?", source="critic")], names=True)
    assert said == [ChatMessage("user", "critic said:\nWell?")]


def test_a_picture_is_refused() -> None:
    picture = Image.from_pil(Picture.new("RGB", (1, 1)))
    with pytest.raises(BadPayload, match="picture"):
        conversation([UserMessage(content=["See:", picture], source="user")])


def test_an_answer_is_autogens() -> None:
    used = Usage(10, 3)
    message = ChatMessage("assistant", [Reasoning("Hm."), Text("Fine.")])
    plain = created(message, "stop", used, cached=False)
    assert (plain.content, plain.thought, plain.finish_reason) == ("Fine.", "Hm.", "stop")
    assert (plain.usage.prompt_tokens, plain.usage.completion_tokens) == (10, 3)
    calling = ChatMessage("assistant", [Text("I look."), ToolCall("c1", "weather", "{}")])
    asked = created(calling, "tool_calls", used, cached=True)
    assert asked.content == [FunctionCall(id="c1", name="weather", arguments="{}")]
    assert (asked.thought, asked.finish_reason, asked.cached) == ("I look.", "function_calls", True)
