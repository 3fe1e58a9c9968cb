"""What every protocol does alike, against llmock over real HTTP with the official SDKs."""

import base64
import json
from collections.abc import AsyncIterator

import pytest
from llmock.pytest_plugin import LLMock

from pepperpy_schemas.chat import (
    ChatMessage,
    ChatRequest,
    Image,
    Reasoning,
    ResponseFormat,
    Text,
    ToolCall,
    ToolResult,
    Usage,
)
from pepperpy_schemas.errors import RequestRefused
from tests.provider_svc.upstreams.speaking import KEY, KINDS, WEATHER, Speaker, asks, speaking


@pytest.fixture(params=KINDS)
async def speaker(request: pytest.FixtureRequest, llmock: LLMock) -> AsyncIterator[Speaker]:
    provider = "anthropic" if request.param == "anthropic" else "openai"
    async with speaking(request.param, llmock.base_url(provider)) as made:
        yield made


async def test_a_text_is_answered(speaker: Speaker, llmock: LLMock) -> None:
    llmock.reply("Good day to you.")
    answer = await speaker.complete(asks())
    assert (answer.message.text, answer.finish) == ("Good day to you.", "stop")
    assert answer.message.content == "Good day to you."
    llmock.assert_resilient(strict=True)


async def test_streamed_pieces_make_the_same_answer(speaker: Speaker, llmock: LLMock) -> None:
    llmock.reply("One two\nthree – four.", times=2)
    whole = await speaker.complete(asks())
    assert await speaker.streamed(asks()) == whole
    llmock.assert_resilient(strict=True)


async def test_only_the_last_piece_has_a_finish(speaker: Speaker, llmock: LLMock) -> None:
    llmock.reply("one two three four five six")
    pieces = await speaker.pieces(asks())
    assert [piece.finish for piece in pieces[:-1]] == [None] * (len(pieces) - 1)
    assert pieces[-1].finish == "stop"
    assert len([piece for piece in pieces if piece.text]) == 6


async def test_tokens_are_counted_alike_in_both_ways(speaker: Speaker, llmock: LLMock) -> None:
    whole = await speaker.complete(asks("a question of some length"))
    streamed = await speaker.streamed(asks("a question of some length"))
    assert whole.usage == streamed.usage
    assert whole.usage.input_tokens > 0
    assert whole.usage.output_tokens > 0


@pytest.mark.parametrize("streaming", [False, True])
async def test_a_tool_is_called_and_its_result_given_back(
    speaker: Speaker, llmock: LLMock, streaming: bool
) -> None:
    request = asks("the weather in Paris", tools=[WEATHER])
    answer = await speaker.ask(request, streaming=streaming)
    (call,) = answer.message.tool_calls
    assert (call.name, answer.finish) == ("get_weather", "tool_calls")
    assert json.loads(call.arguments).keys() == {"city"}
    result = ChatMessage("tool", [ToolResult(call.id, "rain")])
    again = ChatRequest(messages=[*request.messages, answer.message, result], tools=[WEATHER])
    assert (await speaker.ask(again, streaming=streaming)).finish == "stop"
    llmock.assert_resilient(strict=True)


async def test_several_tools_are_called_at_once(speaker: Speaker, llmock: LLMock) -> None:
    from llmock.scenarios import Reply
    from llmock.scenarios import ToolCall as Called

    calls = (Called("get_weather", {"city": "Bonn"}), Called("now"))
    llmock.add(Reply(text="Let me see.", tool_calls=calls, times=2))
    for streaming in (False, True):
        answer = await speaker.ask(asks(tools=[WEATHER]), streaming=streaming)
        called = [(c.name, json.loads(c.arguments)) for c in answer.message.tool_calls]
        assert called == [("get_weather", {"city": "Bonn"}), ("now", {})]
        assert answer.message.text == "Let me see."
        assert len({c.id for c in answer.message.tool_calls}) == 2


@pytest.mark.parametrize(
    ("choice", "finish"),
    [("none", "stop"), ("required", "tool_calls"), ("get_weather", "tool_calls")],
)
async def test_the_choice_of_tools_is_kept(
    speaker: Speaker, llmock: LLMock, choice: str, finish: str
) -> None:
    answer = await speaker.complete(asks("hello", tools=[WEATHER], tool_choice=choice))
    assert answer.finish == finish


@pytest.mark.parametrize("streaming", [False, True])
async def test_an_answer_of_a_schema_is_json(
    speaker: Speaker, llmock: LLMock, streaming: bool
) -> None:
    if speaker.kind == "anthropic":  # llmock knows the form under an older name only
        llmock.reply('{"city": "Bonn"}')
    form = ResponseFormat(schema=WEATHER.parameters, name="place")
    answer = await speaker.ask(asks(response_format=form), streaming=streaming)
    assert json.loads(answer.message.text).keys() == {"city"}
    body = llmock.last_request.body
    said = body.get("response_format") or body.get("text") or body.get("output_config")
    assert WEATHER.parameters["properties"] in _values(said)


def _values(tree: object) -> list[object]:
    inner = tree.values() if isinstance(tree, dict) else []
    return [tree, *(value for one in inner for value in _values(one))]


@pytest.mark.parametrize("finish", ["length", "content_filter"])
@pytest.mark.parametrize("streaming", [False, True])
async def test_an_answer_cut_short_says_so(
    speaker: Speaker, llmock: LLMock, finish: str, streaming: bool
) -> None:
    from llmock.scenarios import Reply

    if (speaker.kind, finish) == ("openai-responses", "content_filter"):
        pytest.skip("llmock does not say so in this protocol; the raw server does")
    llmock.add(Reply(text="half of", finish_reason=finish))
    answer = await speaker.ask(asks(), streaming=streaming)
    assert (answer.finish, answer.message.text) == (finish, "half of")


async def test_every_part_of_a_conversation_is_understood(speaker: Speaker, llmock: LLMock) -> None:
    picture = base64.b64encode(b"png").decode()
    conversation = [
        ChatMessage("system", "Be brief."),
        ChatMessage("user", [Text("What is this?", cache=True), Image("https://x.test/a.png")]),
        ChatMessage(
            "assistant",
            [Reasoning("hm"), Text("I look."), ToolCall("c1", "look", "{}"), ToolCall("c2", "n")],
        ),
        ChatMessage("tool", [ToolResult("c1", "a cat"), ToolResult("c2", "no", error=True)]),
        ChatMessage("user", [Image(f"data:image/png;base64,{picture}"), Text("And this?")]),
        ChatMessage("assistant", ""),
        ChatMessage("user", "Well?"),
    ]
    request = ChatRequest(
        messages=conversation,
        max_tokens=100,
        temperature=0.5,
        top_p=0.9,
        stop=["END"],
        seed=7,
        prompt_cache_key="k",
    )
    assert (await speaker.complete(request)).finish == "stop"
    assert (await speaker.streamed(request)).finish == "stop"
    llmock.assert_resilient(strict=True)


async def test_models_are_listed(speaker: Speaker, llmock: LLMock) -> None:
    names = await speaker.upstream.models(KEY)
    assert speaker.model in names


async def test_texts_become_vectors_where_the_provider_has_them(
    speaker: Speaker, llmock: LLMock
) -> None:
    embed = speaker.upstream.embed("text-embedding-3-small", ["a", "bb cc dd", "a"], 256, KEY)
    if speaker.kind == "anthropic":
        with pytest.raises(RequestRefused, match="no embeddings"):
            await embed
        return
    got = await embed
    assert [len(vector) for vector in got.vectors] == [1536] * 3
    assert got.vectors[0] == got.vectors[2] != got.vectors[1]
    assert got.usage == Usage(input_tokens=2)
    assert llmock.last_request.body["dimensions"] == 256


async def test_a_call_is_one_request(speaker: Speaker, llmock: LLMock) -> None:
    for _ in range(3):
        await speaker.complete(asks())
        await speaker.streamed(asks())
    assert len(llmock.requests) == 6
    assert {record.sdk_retry_count for record in llmock.requests} == {0}


async def test_no_tokens_are_counted_for_a_server_that_is_not_openais(
    speaker: Speaker, llmock: LLMock
) -> None:
    if speaker.kind != "anthropic":
        assert await speaker.upstream.count(speaker.model, asks(), KEY) is None
    assert llmock.requests == []
