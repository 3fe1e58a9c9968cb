"""Conversations, as LangChain and as we write them."""

import functools
import operator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    FunctionMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.messages import (
    ChatMessage as NamedRole,
)

from pepperpy_agents.adapters.langchain.messages import answer, conversation, theirs
from pepperpy_agents.adapters.langchain.pieces import Pieces, last_chunk
from pepperpy_bus.llm import Assembling
from pepperpy_schemas.chat import (
    ChatMessage,
    Delta,
    End,
    Image,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolCallDelta,
    ToolResult,
    Usage,
)
from pepperpy_schemas.errors import BadPayload

words = st.text(min_size=1, max_size=20)
objects = st.dictionaries(words, st.integers(-9, 9) | words | st.none(), max_size=3)


@pytest.mark.parametrize(
    ("said", "ours"),
    [
        (SystemMessage("Be kind."), ChatMessage("system", "Be kind.")),
        (HumanMessage("Hello."), ChatMessage("user", "Hello.")),
        (HumanMessage(["Hel", {"type": "text", "text": "lo."}]), ChatMessage("user", "Hello.")),
        (AIMessage(""), ChatMessage("assistant", "")),
        (
            HumanMessage(
                [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
                    {"type": "image", "url": "blob:PP/7", "mime_type": "image/png"},
                ]
            ),
            ChatMessage(
                "user",
                [
                    Text("What is this?"),
                    Image("https://example.org/a.png"),
                    Image("blob:PP/7", "image/png"),
                ],
            ),
        ),
        (
            AIMessage(
                [{"type": "text", "text": "I look."}, {"type": "tool_use", "id": "c1"}],
                tool_calls=[{"name": "look", "args": {"at": "sky"}, "id": "c1"}],
                invalid_tool_calls=[
                    {"type": "invalid_tool_call", "name": "x", "args": "{", "id": "c2", "error": ""}
                ],
            ),
            ChatMessage(
                "assistant",
                [
                    Text("I look."),
                    ToolCall("c1", "look", '{"at":"sky"}'),
                    ToolCall("c2", "x", "{"),
                ],
            ),
        ),
        (
            ToolMessage("blue", tool_call_id="c1"),
            ChatMessage("tool", [ToolResult("c1", "blue")]),
        ),
        (
            ToolMessage([{"type": "text", "text": "no"}], tool_call_id="c1", status="error"),
            ChatMessage("tool", [ToolResult("c1", "no", error=True)]),
        ),
        (
            AIMessage(
                [
                    {"type": "thinking", "thinking": "Hm.", "signature": "s"},
                    {"type": "reasoning", "reasoning": "So.", "extras": {"data": "d"}},
                    {"type": "text", "text": "Yes."},
                ]
            ),
            ChatMessage(
                "assistant", [Reasoning("Hm.", "s"), Reasoning("So.", "", "d"), Text("Yes.")]
            ),
        ),
        (
            HumanMessage([{"type": "text", "text": "Long.", "cache_control": {"type": "x"}}]),
            ChatMessage("user", [Text("Long.", cache=True)]),
        ),
        (NamedRole(content="Hi.", role="user"), ChatMessage("user", "Hi.")),
    ],
)
def test_what_langchain_says_is_what_models_are_told(said: BaseMessage, ours: ChatMessage) -> None:
    assert conversation([said]) == [ours]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (HumanMessage([{"type": "audio", "base64": "xx"}]), "no content of type 'audio'"),
        (HumanMessage([{"type": "image", "base64": "xx"}]), "no content of type 'image'"),
        (
            HumanMessage([{"type": "image_url", "image_url": "data:image/png;base64,xx"}]),
            "cannot travel",
        ),
        (HumanMessage([{"type": "image", "url": "file:///etc/passwd"}]), "cannot travel"),
        (SystemMessage([{"type": "image", "url": "https://a.org/b"}]), "text alone, and has Image"),
        (FunctionMessage(content="x", name="f"), "FunctionMessage answers no call"),
        (NamedRole(content="x", role="critic"), "no message of type 'chat'"),
        (RemoveMessage(id="1"), "no message of type 'remove'"),
    ],
)
def test_what_cannot_be_said_is_refused_by_name(said: BaseMessage, why: str) -> None:
    with pytest.raises(BadPayload, match=why):
        conversation([said])


def test_results_of_several_tools_in_one_message_are_refused() -> None:
    with pytest.raises(BadPayload, match="results of 2 tools"):
        theirs(ChatMessage("tool", [ToolResult("a", "1"), ToolResult("b", "2")]))


calls = st.builds(
    ToolCall,
    st.uuids().map(str),
    words,
    st.just('{"a":1}') | st.just("{") | st.just("[1]"),
)
texts = st.builds(Text, words)
thoughts = st.builds(Reasoning, words, st.sampled_from(["", "proof"]))


@st.composite
def messages(draw: st.DrawFn) -> ChatMessage:
    role: Any = draw(st.sampled_from(["system", "user", "assistant", "tool"]))
    if role == "system":
        return ChatMessage("system", draw(words))
    if role == "tool":
        return ChatMessage("tool", [ToolResult(draw(words), draw(words), draw(st.booleans()))])
    if role == "user":
        return ChatMessage("user", [draw(texts), Image("https://example.org/a")])
    valid = draw(st.lists(calls.filter(lambda one: one.arguments == '{"a":1}'), max_size=2))
    broken = draw(st.lists(calls.filter(lambda one: one.arguments != '{"a":1}'), max_size=2))
    parts: list[Part] = [draw(thoughts), draw(texts), *valid, *broken]
    return ChatMessage("assistant", parts)


@settings(max_examples=60, deadline=None)
@given(messages())
def test_a_message_of_ours_comes_back_as_it_was(message: ChatMessage) -> None:
    assert conversation([theirs(message)]) == [message]


deltas = st.lists(
    st.builds(Delta, st.just(1), text=words)
    | st.builds(Delta, st.just(1), reasoning=words)
    | st.builds(Delta, st.just(1), signature=st.just("proof"))
    | st.builds(
        Delta,
        st.just(1),
        tool_calls=st.just([ToolCallDelta(0, "c", "f", '{"a":1}')]),
    ),
    max_size=8,
)


def as_providers_say_them(pieces: list[Delta]) -> list[Delta]:
    """A proof belongs to a thought before it, and each call has the next number."""
    kept: list[Delta] = []
    for one in pieces:
        if one.signature and not (kept and kept[-1].reasoning):
            continue
        n = len(kept)
        call = Delta(1, tool_calls=[ToolCallDelta(n, f"c{n}", "f", '{"a":1}')])
        kept.append(call if one.tool_calls else one)
    return kept


@settings(max_examples=100, deadline=None)
@given(deltas.map(as_providers_say_them))
def test_the_sum_of_the_pieces_says_what_the_whole_says(pieces: list[Delta]) -> None:
    whole, making = Assembling(), Pieces()
    chunks = []
    for one in pieces:
        whole.add(one)
        chunks.append(making.chunk(one))
    chunks.append(last_chunk(End(1, "stop", Usage(3, 2), "p/m")))
    total = functools.reduce(operator.add, chunks)
    assert isinstance(total, AIMessageChunk)
    assert conversation([total]) == conversation([answer(whole.message)])
    assert total.text == whole.message.text
    assert total.usage_metadata is not None
    assert total.usage_metadata["total_tokens"] == 5
