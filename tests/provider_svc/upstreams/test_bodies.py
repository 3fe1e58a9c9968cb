"""What is sent, and what is made of it, where no server needs to be asked."""

import json
from typing import Any

import pytest

from pepperpy_provider_svc.upstreams import anthropic_answer, openai_chat_answer
from pepperpy_provider_svc.upstreams import openai_responses_answer as responses_answer
from pepperpy_provider_svc.upstreams.anthropic_request import counted_body, messages_body
from pepperpy_provider_svc.upstreams.assembly import Assembly
from pepperpy_provider_svc.upstreams.openai_chat_request import chat_body, is_strict
from pepperpy_provider_svc.upstreams.openai_responses_request import responses_body
from pepperpy_provider_svc.upstreams.openai_tokens import count_tokens
from pepperpy_provider_svc.upstreams.upstream import Chunk, Completion
from pepperpy_schemas.chat import (
    ChatMessage,
    ChatRequest,
    Image,
    Reasoning,
    ResponseFormat,
    Text,
    ToolCall,
    ToolCallDelta,
    ToolResult,
    ToolSpec,
    Usage,
)
from pepperpy_schemas.errors import RequestRefused, StreamBroken, UpstreamFailed
from tests.provider_svc.upstreams.speaking import WEATHER, asks

OPEN = {"type": "object", "properties": {"a": {"type": "string"}}}
CLOSED = WEATHER.parameters
ANYTHING = {"type": "object", "additionalProperties": {"type": "string"}}


def says(*content: Any, role: str = "user") -> ChatMessage:
    return ChatMessage(role, list(content))  # type: ignore[arg-type]  # a test's free role


def chat(*messages: ChatMessage, official: bool = True, **options: Any) -> dict[str, Any]:
    return chat_body("m", ChatRequest(messages=list(messages), **options), official=official)


def responses(*messages: ChatMessage, official: bool = True, **options: Any) -> dict[str, Any]:
    return responses_body("m", ChatRequest(messages=list(messages), **options), official=official)


def claude(*messages: ChatMessage, model: str = "claude-opus-4-6", **options: Any) -> Any:
    return messages_body(model, ChatRequest(messages=list(messages), **options))[0]


HELLO = ChatMessage("user", "hello")
SAID = {"type": "message", "content": [{"type": "output_text", "text": "hello"}]}


def test_openai_itself_is_sent_its_own_parameters() -> None:
    options: dict[str, Any] = {"max_tokens": 5, "prompt_cache_key": "k", "reasoning": "low"}
    body = chat(HELLO, **options)
    assert (body["max_completion_tokens"], body["prompt_cache_key"]) == (5 + 2048, "k")
    assert body["reasoning_effort"] == "low"


def test_other_servers_are_sent_what_they_know() -> None:
    body = chat(HELLO, official=False, max_tokens=5, prompt_cache_key="k")
    assert body == {
        "model": "m",
        "messages": [{"role": "user", "content": "hello"}],
        "max_tokens": 5,
    }


def test_a_choice_without_tools_is_not_sent() -> None:
    request: dict[str, Any] = {"tool_choice": "required"}
    assert "tool_choice" not in chat(HELLO, **request)
    assert "tool_choice" not in responses(HELLO, **request)
    assert "tool_choice" not in claude(HELLO, **request)


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        (CLOSED, True),
        (OPEN, False),
        ({**CLOSED, "required": []}, False),
        ({"anyOf": [CLOSED, OPEN]}, False),
        ({"anyOf": [CLOSED, {"type": "null"}]}, True),
    ],
)
def test_a_schema_is_strict_when_all_of_it_is(schema: dict[str, Any], strict: bool) -> None:
    form = ResponseFormat(schema=schema)
    assert is_strict(schema) is strict
    sent = chat(HELLO, response_format=form)["response_format"]["json_schema"]
    assert sent.get("strict", False) is strict
    assert responses(HELLO, response_format=form)["text"]["format"]["strict"] is strict


def test_a_tool_without_parameters_takes_an_empty_object() -> None:
    tool = ToolSpec(name="now")
    empty = {"type": "object", "properties": {}}
    assert chat(HELLO, tools=[tool])["tools"][0]["function"]["parameters"] == empty
    assert responses(HELLO, tools=[tool])["tools"][0]["parameters"] == empty
    assert claude(HELLO, tools=[tool])["tools"][0]["input_schema"] == empty


def test_each_result_of_a_tool_is_a_message_of_its_own_for_chat() -> None:
    results = says(ToolResult("a", "1"), ToolResult("b", "no", error=True), role="tool")
    assert chat(results)["messages"] == [
        {"role": "tool", "tool_call_id": "a", "content": "1"},
        {"role": "tool", "tool_call_id": "b", "content": "Error: no"},
    ]


def test_results_that_a_user_says_come_before_the_rest() -> None:
    said = chat(says(Text("and"), ToolResult("a", "1")))["messages"]
    assert [one["role"] for one in said] == ["tool", "user"]
    assert [one["role"] for one in chat(says(ToolResult("a", "1")))["messages"]] == ["tool"]


def test_an_assistant_who_only_calls_says_nothing() -> None:
    said = chat(says(ToolCall("a", "now"), role="assistant"))["messages"][0]
    assert said["content"] is None
    assert chat(ChatMessage("assistant", ""))["messages"] == [{"role": "assistant", "content": ""}]


@pytest.mark.parametrize("body", [chat, responses, claude])
def test_a_picture_that_nobody_can_read_is_refused(body: Any) -> None:
    with pytest.raises(RequestRefused, match="picture"):
        body(says(Image("blob:7")))


def test_thoughts_of_responses_travel_back_where_they_came_from() -> None:
    answer = {
        "status": "completed",
        "output": [
            {
                "type": "reasoning",
                "id": "rs_1",
                "summary": [{"type": "summary_text", "text": "hm"}],
                "encrypted_content": "xyz",
            },
            {"type": "web_search_call"},
            {
                "type": "function_call",
                "call_id": "c1",
                "name": "now",
                "arguments": "{}",
            },
        ],
        "usage": {
            "input_tokens": 5,
            "output_tokens": 4,
            "input_tokens_details": {"cached_tokens": 2},
            "output_tokens_details": {"reasoning_tokens": 3},
        },
    }
    got = responses_answer.read_completion(json.dumps(answer).encode())
    assert got.finish == "tool_calls"
    assert got.usage == Usage(input_tokens=5, output_tokens=4, cached_tokens=2, reasoning_tokens=3)
    body = responses(HELLO, got.message, reasoning="high")
    assert body["input"][1:] == [answer["output"][0], answer["output"][2]]  # type: ignore[index]  # a free dict
    assert body["include"] == ["reasoning.encrypted_content"]
    assert "include" not in responses(HELLO, reasoning="none")
    # Nobody else is given them.
    assert "xyz" not in json.dumps(claude(HELLO, got.message, HELLO))
    assert "xyz" not in json.dumps(chat(HELLO, got.message))


def test_thoughts_of_anthropic_travel_back_where_they_came_from() -> None:
    content = [
        {"type": "thinking", "thinking": "hm", "signature": "sig"},
        {"type": "redacted_thinking", "data": "dark"},
        {"type": "text", "text": "Hi"},
        {"type": "tool_use", "id": "t1", "name": "now", "input": {"a": 1}},
        {"type": "server_tool_use", "id": "t2", "name": "x", "input": {}},
    ]
    usage = {
        "input_tokens": 5,
        "output_tokens": 9,
        "cache_read_input_tokens": 3,
        "cache_creation_input_tokens": 2,
        "output_tokens_details": {"thinking_tokens": 4},
    }
    answer = {"content": content, "stop_reason": "tool_use", "usage": usage}
    got = anthropic_answer.read_completion(json.dumps(answer).encode(), answer_tool="")
    assert got.usage == Usage(
        input_tokens=10, output_tokens=9, cached_tokens=3, cache_write_tokens=2, reasoning_tokens=4
    )
    assert claude(HELLO, got.message)["messages"][1]["content"] == content[:4]
    assert "sig" not in json.dumps(responses(HELLO, got.message))


def test_results_and_what_follows_them_are_one_turn_for_anthropic() -> None:
    body = claude(
        ChatMessage("system", "Be brief."),
        says(Text("look", cache=True)),
        says(ToolCall("a", "n", '{"x": 1}'), ToolCall("b", "n", "{bro"), role="assistant"),
        says(ToolResult("a", "1"), role="tool"),
        says(ToolResult("b", "no", error=True), role="tool"),
        says(Text("so?")),
    )
    cached = {"type": "text", "text": "look", "cache_control": {"type": "ephemeral"}}
    assert body["system"] == [{"type": "text", "text": "Be brief."}]
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user"]
    assert body["messages"][0]["content"] == [cached]
    assert [one["input"] for one in body["messages"][1]["content"]] == [
        {"x": 1},
        {"arguments": "{bro"},
    ]
    results = body["messages"][2]["content"]
    assert [one["type"] for one in results] == ["tool_result", "tool_result", "text"]
    assert results[1]["is_error"] is True


def test_a_conversation_of_the_system_alone_is_refused_for_anthropic() -> None:
    with pytest.raises(RequestRefused, match="besides"):
        claude(ChatMessage("system", "Be brief."))


@pytest.mark.parametrize(
    ("model", "effort", "expected"),
    [
        ("claude-opus-4-6", "none", {"thinking": {"type": "disabled"}}),
        (
            "claude-opus-4-6",
            "high",
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}},
        ),
        (
            "claude-sonnet-4-5-20250929",
            "low",
            {"thinking": {"type": "enabled", "budget_tokens": 2048}, "max_tokens": 2148},
        ),
        ("claude-sonnet-4-5", None, {"max_tokens": 100, "temperature": 1.0}),
    ],
)
def test_anthropic_thinks_as_its_model_can(
    model: str, effort: str | None, expected: dict[str, Any]
) -> None:
    body = claude(HELLO, model=model, reasoning=effort, max_tokens=100, temperature=1.5)
    assert expected.items() <= body.items()
    assert ("thinking" in body) is (effort is not None)
    assert ("temperature" in body) is ("budget_tokens" not in body.get("thinking", {}))


def test_anthropic_gets_a_limit_even_when_none_is_given() -> None:
    assert claude(HELLO)["max_tokens"] == 4096


def test_a_schema_that_anthropic_can_hold_goes_into_the_request() -> None:
    body = claude(HELLO, response_format=ResponseFormat(schema=CLOSED))
    assert body["output_config"]["format"]["schema"] == CLOSED
    assert "tools" not in body


@pytest.mark.parametrize(
    ("model", "schema"),
    [
        ("claude-opus-4-6", ANYTHING),
        ("claude-opus-4-6", {"type": "object"}),
        ("claude-opus-4-6", {"anyOf": [ANYTHING, CLOSED]}),
        ("claude-opus-4-6", {"properties": {"a": {}}}),
        ("claude-3-haiku", CLOSED),
    ],
)
def test_another_schema_is_the_arguments_of_a_tool_that_must_be_called(
    model: str, schema: dict[str, Any]
) -> None:
    form = ResponseFormat(schema=schema, name="place")
    body = claude(HELLO, model=model, response_format=form, reasoning="low")
    assert body["tool_choice"] == {"type": "tool", "name": "place"}
    assert body["tools"][0]["input_schema"] == schema
    assert "thinking" not in body
    both = claude(HELLO, model=model, response_format=form, tools=[WEATHER])
    assert both["tool_choice"] == {"type": "any"}
    assert [tool["name"] for tool in both["tools"]] == ["get_weather", "place"]


def test_the_arguments_of_that_tool_are_the_answer() -> None:
    block = {"type": "tool_use", "id": "t", "name": "place", "input": {"a": 1}}
    answer = {"content": [block], "stop_reason": "tool_use", "usage": {}}
    got = anthropic_answer.read_completion(json.dumps(answer).encode(), answer_tool="place")
    assert (got.message.text, got.finish) == ('{"a": 1}', "stop")
    events = [
        {"type": "content_block_start", "index": 0, "content_block": {**block, "input": {}}},
        delta(0, {"type": "input_json_delta", "partial_json": '{"a"'}),
        delta(0, {"type": "input_json_delta", "partial_json": ": 1}"}),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}},
        {"type": "message_stop"},
    ]
    assert read(anthropic_answer.MessagesReading("place"), events).message.text == '{"a": 1}'


def test_what_has_no_tokens_is_not_sent_to_be_counted() -> None:
    body = counted_body(claude(HELLO, temperature=1, tools=[WEATHER]))
    assert set(body) == {"model", "messages", "tools"}


def delta(index: int, delta: dict[str, Any]) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": delta}


def read(reading: Any, events: list[Any]) -> Completion:
    answer = Assembly()
    for event in events:
        chunk = reading.take(json.dumps(event).encode())
        answer.add(chunk or Chunk())
    answer.add(reading.end())
    return answer.completion()


def test_thoughts_of_anthropic_are_streamed_with_their_proof() -> None:
    events = [
        {"type": "message_start", "message": {"usage": {"input_tokens": 7}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking"}},
        delta(0, {"type": "thinking_delta", "thinking": "h"}),
        delta(0, {"type": "thinking_delta", "thinking": "m"}),
        delta(0, {"type": "signature_delta", "signature": "sig"}),
        {
            "type": "content_block_start",
            "index": 1,
            "content_block": {"type": "redacted_thinking", "data": "dark"},
        },
        {
            "type": "content_block_start",
            "index": 2,
            "content_block": {"type": "tool_use", "id": "t", "name": "now", "input": {}},
        },
        delta(2, {"type": "input_json_delta", "partial_json": ""}),
        {"type": "content_block_stop", "index": 2},
        {"type": "new_kind_of_event"},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "tool_use"},
            "usage": {"output_tokens": 4},
        },
        {"type": "message_stop"},
    ]
    got = read(anthropic_answer.MessagesReading(), events)
    assert got.message.content == [
        Reasoning("hm", signature="sig"),
        Reasoning(data="dark"),
        ToolCall("t", "now", "{}"),
    ]
    assert got.usage == Usage(input_tokens=7, output_tokens=4)


def test_thoughts_of_responses_are_streamed_with_their_proof() -> None:
    thoughts = {"type": "reasoning", "id": "rs_1", "encrypted_content": "xyz"}
    call = {"type": "function_call", "call_id": "c", "name": "now"}
    events = [
        {"type": "response.output_item.added", "output_index": 0, "item": thoughts},
        {"type": "response.reasoning_summary_text.delta", "delta": "hm"},
        {"type": "response.output_item.done", "output_index": 0, "item": thoughts},
        {"type": "response.output_item.added", "output_index": 1, "item": call},
        {"type": "response.function_call_arguments.delta", "output_index": 1, "delta": '{"a":1}'},
        {"type": "response.output_item.done", "output_index": 1, "item": call},
        {"type": "response.completed", "response": {"status": "completed", "output": [call]}},
    ]
    got = read(responses_answer.ResponsesReading(), events)
    assert got.message.content == [
        Reasoning("hm", signature="openai-responses:rs_1", data="xyz"),
        ToolCall("c", "now", '{"a":1}'),
    ]
    assert got.finish == "tool_calls"


def test_thoughts_of_responses_without_an_id_travel_back_to_responses_alone() -> None:
    item = {"type": "reasoning", "summary": [], "encrypted_content": "ENC"}
    answer = {"status": "completed", "output": [item, SAID]}
    whole = responses_answer.read_completion(json.dumps(answer).encode())
    events = [
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.output_text.delta", "output_index": 1, "delta": "hello"},
        {"type": "response.completed", "response": answer},
    ]
    assert read(responses_answer.ResponsesReading(), events).message == whole.message
    sent = responses(HELLO, whole.message, HELLO)["input"]
    assert item in sent
    assert "ENC" not in json.dumps(claude(HELLO, whole.message, HELLO))


@pytest.mark.parametrize(
    "event",
    [
        {"type": "response.function_call_arguments.delta", "output_index": 4, "delta": "x"},
        {"type": "response.output_text.delta", "delta": None},
    ],
)
def test_a_piece_of_responses_that_fits_nowhere_breaks_the_stream(event: dict[str, Any]) -> None:
    with pytest.raises(StreamBroken):
        responses_answer.ResponsesReading().take(json.dumps(event).encode())


@pytest.mark.parametrize(
    ("answer", "finish"),
    [
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "length"),
        (
            {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}},
            "content_filter",
        ),
        ({"status": "completed"}, "stop"),
    ],
)
def test_responses_say_why_they_stopped(answer: dict[str, Any], finish: str) -> None:
    event = {"type": "response.incomplete", "response": {"output": [], **answer}}
    assert read(responses_answer.ResponsesReading(), [event]).finish == finish


def test_a_refusal_is_a_text_that_was_filtered() -> None:
    content = [{"type": "refusal", "refusal": "I cannot."}]
    answer = {"status": "completed", "output": [{"type": "message", "content": content}]}
    got = responses_answer.read_completion(json.dumps(answer).encode())
    assert (got.message.text, got.finish) == ("I cannot.", "content_filter")
    choice = {"message": {"content": None, "refusal": "I cannot."}, "finish_reason": "stop"}
    chatted = openai_chat_answer.read_completion(json.dumps({"choices": [choice]}).encode())
    assert (chatted.message, chatted.finish) == (got.message, got.finish)
    streamed = read(openai_chat_answer.ChatReading(), [piece(refusal="I cannot."), FINISHED])
    assert (streamed.message, streamed.finish) == (got.message, got.finish)


def piece(**delta: Any) -> dict[str, Any]:
    return {"choices": [{"delta": delta}]}


FINISHED = {"choices": [{"delta": None, "finish_reason": "stop"}]}


def test_calls_without_numbers_or_ids_are_told_apart() -> None:
    events = [
        piece(tool_calls=[{"id": "a", "function": {"name": "f", "arguments": "{"}}]),
        piece(tool_calls=[{"function": {"arguments": "}"}}]),
        piece(tool_calls=[{"id": "b", "function": {"name": "g", "arguments": None}}]),
        piece(tool_calls=[{"index": 2, "function": {"name": "h", "arguments": "{}"}}]),
        FINISHED,
    ]
    got = read(openai_chat_answer.ChatReading(), events)
    assert got.message.tool_calls == [
        ToolCall("a", "f", "{}"),
        ToolCall("b", "g", "{}"),
        ToolCall("call_2", "h", "{}"),
    ]
    assert got.finish == "tool_calls"


def test_thoughts_of_compatible_servers_are_kept_apart_from_the_text() -> None:
    message = {"content": "Hi", "reasoning_content": "hm", "tool_calls": [{"function": {}}]}
    choice = {"message": message, "finish_reason": "stop"}
    usage = {
        "prompt_tokens": 5,
        "completion_tokens": 4,
        "prompt_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 1},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }
    body = json.dumps({"choices": [choice], "usage": usage}).encode()
    got = openai_chat_answer.read_completion(body)
    call = ToolCall("call_0", "", "{}")
    assert got.message.content == [Reasoning("hm"), Text("Hi"), call]
    assert got.usage == Usage(
        input_tokens=5, output_tokens=4, cached_tokens=2, cache_write_tokens=1, reasoning_tokens=3
    )
    streamed = read(openai_chat_answer.ChatReading(), [piece(reasoning="hm"), FINISHED])
    assert streamed.message.content == [Reasoning("hm")]


CUT_OFF = ["error", "abort", "insufficient_system_resource", "cancelled", "something_new"]


@pytest.mark.parametrize("reason", CUT_OFF)
def test_an_answer_that_stopped_for_another_reason_than_its_end_is_an_error(reason: str) -> None:
    whole = {"choices": [{"message": {"content": "half of"}, "finish_reason": reason}]}
    with pytest.raises(UpstreamFailed, match=f"it stopped with '{reason}'"):
        openai_chat_answer.read_completion(json.dumps(whole).encode())
    with pytest.raises(UpstreamFailed, match=f"it stopped with '{reason}'"):
        read(openai_chat_answer.ChatReading(), [{"choices": [{"finish_reason": reason}]}])


@pytest.mark.parametrize(
    ("reason", "finish"),
    [("eos", "stop"), ("STOP", "stop"), ("max_tokens", "length"), ("model_length", "length")],
)
def test_other_words_of_servers_for_an_end_are_known(reason: str, finish: str) -> None:
    whole = {"choices": [{"message": {"content": "said"}, "finish_reason": reason}]}
    assert openai_chat_answer.read_completion(json.dumps(whole).encode()).finish == finish


@pytest.mark.parametrize("reason", ["pause_turn", "something_new"])
def test_a_turn_that_anthropic_pauses_is_no_whole_answer(reason: str) -> None:
    answer = {"content": [{"type": "text", "text": "half"}], "stop_reason": reason, "usage": {}}
    with pytest.raises(UpstreamFailed, match=f"it stopped with '{reason}'"):
        anthropic_answer.read_completion(json.dumps(answer).encode(), answer_tool="")
    events = [
        {"type": "message_delta", "delta": {"stop_reason": reason}},
        {"type": "message_stop"},
    ]
    with pytest.raises(UpstreamFailed, match=f"it stopped with '{reason}'"):
        read(anthropic_answer.MessagesReading(), events)


def test_an_answer_is_put_together_only_with_its_finish() -> None:
    answer = Assembly()
    answer.add(Chunk(text="half"))
    answer.add(Chunk(tool_calls=(ToolCallDelta(index=0, id="a", name="f"),)))
    with pytest.raises(StreamBroken):
        answer.completion()


def test_tokens_are_counted_as_openai_does() -> None:
    # The worked example of OpenAI's cookbook: two words and "user" are three tokens.
    assert count_tokens("gpt-5-mini", asks("hello world")) == 3 + 3 + 3
    assert count_tokens("gpt-4", asks("hello world")) == 3 + 3 + 3
    assert count_tokens("gpt-4o", asks("word " * 200_000)) > 199_999  # type: ignore[operator]  # no picture: a number


def test_everything_in_a_request_has_tokens() -> None:
    said = [
        says(Text("a"), Reasoning("unseen")),
        says(ToolCall("a", "now", "{}"), role="assistant"),
        says(ToolResult("a", "noon"), role="tool"),
    ]
    plain = count_tokens("gpt-5", ChatRequest(messages=said)) or 0
    form = ResponseFormat(schema=OPEN)
    more = ChatRequest(messages=said, tools=[WEATHER], response_format=form)
    assert (count_tokens("gpt-5", more) or 0) > plain + 30 > 40


def test_pictures_cannot_be_counted() -> None:
    request = ChatRequest(messages=[says(Image("https://x.test/a.png"))])
    assert count_tokens("gpt-5", request) is None
