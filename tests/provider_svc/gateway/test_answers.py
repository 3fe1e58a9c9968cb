"""What comes back to a request: whole or in pieces, from a provider or from the store."""

import asyncio
import json
from typing import Any

import nats
import pytest

from pepperpy.stack.broker import Broker
from pepperpy_bus.llm.client import LLM
from pepperpy_schemas.catalog.provider import PROVIDER_CHAT, PROVIDER_STREAM
from pepperpy_schemas.chat import Delta, End, Reset
from pepperpy_schemas.errors import (
    BadOutput,
    BadPayload,
    RateLimited,
    RequestRefused,
    TooLarge,
    UnknownModel,
)
from tests.provider_svc.gateway.conftest import SCRIPT, Serving

CACHED = SCRIPT + 'cache_ttl = "1h"\n'
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
FORM: dict[str, Any] = {"name": "place", "schema": SCHEMA}


async def pieces(llm: LLM, text: str = "hi", **options: Any) -> list[Delta | Reset | End]:
    return [item async for item in llm.stream(text, **options)]


def text_of(items: list[Delta | Reset | End]) -> str:
    text = ""
    for item in items:
        if isinstance(item, Reset):
            text = ""
        elif isinstance(item, Delta):
            text += item.text
    return text


async def test_an_answer_names_who_gave_it_and_what_it_took(serving: Serving, llm: LLM) -> None:
    async with serving("- {text: Hello you., usage: {input_tokens: 5, output_tokens: 3}}"):
        reply = await llm.chat("hi")
    assert (reply.text, reply.finish, reply.model) == ("Hello you.", "stop", "script/any")
    assert (reply.usage.input_tokens, reply.usage.output_tokens, reply.usd) == (5, 3, 0.0)
    assert [(one.target, one.code) for one in reply.attempts] == [("script/any", "")]


async def test_a_streamed_answer_is_the_same_in_pieces_with_one_end(
    serving: Serving, llm: LLM
) -> None:
    async with serving("- {text: one two three, usage: {input_tokens: 5, output_tokens: 3}}"):
        *deltas, end = await pieces(llm)
        whole = await llm.chat("hi")
    assert text_of(deltas) == whole.text == "one two three"
    assert isinstance(end, End)
    assert (end.finish, end.usage, end.model) == (whole.finish, whole.usage, whole.model)


async def test_a_bare_client_of_any_language_gets_plain_json(
    serving: Serving, broker: Broker, prefix: str
) -> None:
    body = b'{"messages":[{"role":"user","content":"hi"}]}'
    async with serving("- text: Hello."):
        nc = await nats.connect(broker.url)
        whole = await nc.request(PROVIDER_CHAT.of(prefix, principal="anon"), body, timeout=5)
        inbox = nc.new_inbox()
        answers = await nc.subscribe(inbox)
        await nc.publish(PROVIDER_STREAM.of(prefix, principal="anon"), body, reply=inbox)
        items = []
        while (message := await answers.next_msg(timeout=5)).data:
            items.append(json.loads(message.data))
        await nc.close()
    assert json.loads(whole.data)["message"] == {"role": "assistant", "content": "Hello."}
    assert [item["type"] for item in items] == ["ack", "delta", "end"]
    assert [item["n"] for item in items] == [1, 2, 3]


async def test_tool_calls_arrive_whole_and_in_pieces(serving: Serving, llm: LLM) -> None:
    tools = [{"name": "book", "parameters": {"type": "object"}}]
    async with serving("- tool_calls: [{name: book, arguments: {flight: LH400}, id: c1}]"):
        reply = await llm.chat("fly", tools=tools)
        *deltas, end = await pieces(llm, "fly", tools=tools)
    [call] = reply.tool_calls
    assert (call.id, call.name, json.loads(call.arguments)) == ("c1", "book", {"flight": "LH400"})
    told = [one for item in deltas if isinstance(item, Delta) for one in item.tool_calls]
    assert "".join(one.arguments for one in told) == call.arguments
    assert isinstance(end, End)
    assert end.finish == reply.finish == "tool_calls"


@pytest.mark.parametrize("streamed", [False, True])
async def test_an_error_comes_as_itself(serving: Serving, llm: LLM, streamed: bool) -> None:
    async with serving("- error: {code: request_refused, message: no such parameter}"):
        with pytest.raises(RequestRefused, match="no such parameter"):
            await (pieces(llm) if streamed else llm.chat("hi"))


async def test_an_unknown_model_is_refused_with_what_there_is(serving: Serving, llm: LLM) -> None:
    async with serving():
        with pytest.raises(UnknownModel, match="defautl"):
            await llm.chat("hi", model="defautl")


async def test_a_fallback_answers_when_the_first_model_fails(serving: Serving, llm: LLM) -> None:
    two = '[providers.other]\nkind = "scripted"\nscript = "other.yaml"\n' + SCRIPT
    other = {"other.yaml": "- text: from the other\n"}
    async with serving("- error: {code: upstream_failed, message: down}", two, files=other):
        reply = await llm.chat("hi", fallbacks=["other/any"])
    assert (reply.text, reply.model) == ("from the other", "other/any")
    assert [one.code for one in reply.attempts][-2:] == ["upstream_failed", ""]


async def test_a_silent_answer_shows_signs_of_life(
    serving: Serving, broker: Broker, prefix: str
) -> None:
    slow = "- chunks: [{text: a}, {text: b, after: 0.5}]"
    async with serving(slow, keepalive=0.1):
        nc = await nats.connect(broker.url)
        inbox = nc.new_inbox()
        answers = await nc.subscribe(inbox)
        body = b'{"messages":[{"role":"user","content":"hi"}]}'
        await nc.publish(PROVIDER_STREAM.of(prefix, principal="anon"), body, reply=inbox)
        items = []
        while (message := await answers.next_msg(timeout=5)).data:
            items.append(json.loads(message.data))
        await nc.close()
    kinds = [item["type"] for item in items]
    assert kinds.count("keepalive") >= 2
    numbered = [item["n"] for item in items if item["type"] != "keepalive"]
    assert numbered == list(range(1, len(numbered) + 1))


# --- the form of an answer ------------------------------------------------------------------------


async def test_an_answer_that_does_not_fit_is_mended_once(serving: Serving, llm: LLM) -> None:
    script = '- {match: does not fit, text: \'{"city":"Rome"}\'}\n- text: \'{"town":"Rome"}\'\n'
    async with serving(script):
        reply = await llm.chat("where?", response_format=FORM)
    assert json.loads(reply.text) == {"city": "Rome"}
    assert len(reply.attempts) == 2


async def test_a_streamed_answer_that_does_not_fit_begins_anew(serving: Serving, llm: LLM) -> None:
    script = '- {match: does not fit, text: \'{"city":"Rome"}\'}\n- text: in Rome\n'
    async with serving(script):
        items = await pieces(llm, "where?", response_format=FORM)
    assert json.loads(text_of(items)) == {"city": "Rome"}
    [reset] = [item for item in items if isinstance(item, Reset)]
    assert reset.code == "bad_output"
    assert isinstance(items[-1], End)


@pytest.mark.parametrize("streamed", [False, True])
async def test_an_answer_that_never_fits_is_an_error(
    serving: Serving, llm: LLM, streamed: bool
) -> None:
    async with serving("- text: in Rome"):
        asking = (
            pieces(llm, "where?", response_format=FORM)
            if streamed
            else llm.chat("where?", response_format=FORM)
        )
        with pytest.raises(BadOutput, match="no JSON"):
            await asking


async def test_a_caller_who_wants_no_restart_gets_an_error_instead(
    serving: Serving, llm: LLM
) -> None:
    async with serving("- text: in Rome"):
        with pytest.raises(BadOutput):
            await pieces(llm, "where?", response_format=FORM, no_restart=True)


@pytest.mark.parametrize("streamed", [False, True])
async def test_words_around_the_json_are_left_out(
    serving: Serving, llm: LLM, streamed: bool
) -> None:
    async with serving('- text: "Sure!\\n```json\\n{\\"city\\":\\"Rome\\"}\\n```"'):
        if streamed:
            text = text_of(await pieces(llm, "where?", response_format=FORM))
        else:
            text = (await llm.chat("where?", response_format=FORM)).text
    assert text == '{"city":"Rome"}'


async def test_a_schema_that_is_none_is_refused_before_anybody_is_asked(
    serving: Serving, llm: LLM
) -> None:
    async with serving() as offer:
        with pytest.raises(BadPayload, match="response_format"):
            await llm.chat("hi", response_format={"schema": {"type": "objekt"}})
        assert (await llm.status()).targets[0].calls == 0
        assert offer.parts.declaration.models


# --- limits of size -------------------------------------------------------------------------------


async def test_what_is_too_large_is_refused_both_ways(serving: Serving, llm: LLM) -> None:
    small = SCRIPT + '[guards]\nmax_request = "2KiB"\nmax_answer = "1KiB"\n'
    async with serving(f"- {{match: much, text: {'x' * 3000}}}\n- text: Hello.\n", small):
        with pytest.raises(TooLarge, match="request"):
            await llm.chat("x" * 3000)
        with pytest.raises(TooLarge, match="answer"):
            await llm.chat("much")
        with pytest.raises(TooLarge, match="answer"):
            await pieces(llm, "much")
        assert (await llm.chat("hi")).text == "Hello."


# --- stored and shared answers --------------------------------------------------------------------


async def test_an_equal_request_at_temperature_0_is_answered_from_the_store(
    serving: Serving, llm: LLM
) -> None:
    async with serving("- {text: once, times: 1}\n- text: again\n", CACHED):
        first = await llm.chat("hi", temperature=0)
        second = await llm.chat("hi", temperature=0)
        streamed = await pieces(llm, temperature=0)
        other = await llm.chat("hi", temperature=0.5)
        status = await llm.status()
    assert (first.text, first.cached) == ("once", False)
    assert (second.text, second.cached) == ("once", True)
    assert text_of(streamed) == "once"
    assert isinstance(streamed[-1], End)
    assert streamed[-1].cached
    assert (other.text, other.cached) == ("again", False)
    assert status.cache_hits == 2


async def test_a_store_that_is_switched_off_is_not_asked(serving: Serving, llm: LLM) -> None:
    async with serving("- {text: once, times: 1}\n- text: again\n", CACHED):
        assert (await llm.chat("hi", temperature=0, cache="off")).text == "once"
        assert (await llm.chat("hi", temperature=0, cache="off")).text == "again"
        assert (await llm.chat("hi", cache="on", temperature=1)).text == "again"
        assert (await llm.chat("hi", cache="on", temperature=1)).cached


async def test_equal_requests_at_the_same_time_share_one_call(serving: Serving, llm: LLM) -> None:
    script = "- {chunks: [{text: one, after: 0.3}], times: 1}\n- text: other\n"
    async with serving(script):
        whole = await asyncio.gather(*(llm.chat("hi", temperature=0) for _ in range(5)))
        status = await llm.status()
    assert {reply.text for reply in whole} == {"one"}
    assert (status.targets[0].calls, status.coalesced) == (1, 4)


async def test_streams_of_equal_requests_share_one_call_too(serving: Serving, llm: LLM) -> None:
    script = "- {chunks: [{text: o}, {text: ne, after: 0.3}], times: 1}\n- text: other\n"
    async with serving(script):
        streams = await asyncio.gather(*(pieces(llm, temperature=0) for _ in range(5)))
        status = await llm.status()
    assert {text_of(items) for items in streams} == {"one"}
    assert (status.targets[0].calls, status.coalesced) == (1, 4)


async def test_a_rate_limit_says_when_to_come_again(serving: Serving, llm: LLM) -> None:
    declaration = """
[providers.script]
kind = "scripted"
script = "answers.yaml"
keys = [{env = "KEY", requests_per_minute = 10}]

[models.default]
targets = ["script/any"]
"""
    async with serving("- text: Hello.", declaration, environ={"KEY": "sk-1"}):
        done = await asyncio.gather(
            *(llm.chat("hi", timeout=1) for _ in range(20)), return_exceptions=True
        )
    assert any(not isinstance(one, BaseException) for one in done)
    refused = [one for one in done if isinstance(one, BaseException)]
    assert refused
    assert {getattr(one, "code", type(one).__name__) for one in refused} <= {
        "no_target_left",
        "rate_limited",
        "deadline_exceeded",
        "unavailable",
    }
    assert all(not isinstance(one, RateLimited) or one.context["retry_after"] for one in refused)
