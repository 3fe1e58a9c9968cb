"""What llmock cannot do: a server that is wrong in every other way."""

import asyncio
import contextlib
import email.utils
import json
import time
from typing import Any

import pytest

from pepperpy_bus.config.values import Secret
from pepperpy_provider_svc.upstreams.upstream import Chunk
from pepperpy_schemas.chat import Usage
from pepperpy_schemas.errors import (
    ContentFiltered,
    ContextTooLong,
    KeyRefused,
    PepperError,
    RateLimited,
    RequestRefused,
    StreamBroken,
    UnknownModel,
    UpstreamFailed,
    UpstreamTimeout,
)
from tests.provider_svc.upstreams.raw_server import Exchange, raw_server
from tests.provider_svc.upstreams.speaking import KEY, KINDS, Speaker, asks, speaking

AT_MOST = 20.0


def chat_piece(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


BEGUN: dict[str, list[object]] = {
    "openai": [chat_piece({"role": "assistant", "content": ""}), chat_piece({"content": "Hi"})],
    "openai-responses": [
        {"type": "response.created", "response": None},
        {"type": "response.output_text.delta", "output_index": 0, "delta": "Hi"},
    ],
    "anthropic": [
        {"type": "message_start", "message": {"usage": {"input_tokens": 3, "output_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "text_delta", "text": "Hi"},
        },
    ],
}
RESPONSE = {"status": "completed", "output": [], "usage": {"input_tokens": 3, "output_tokens": 2}}
ENDED: dict[str, list[object]] = {
    "openai": [chat_piece({}, "stop")],
    "openai-responses": [{"type": "response.completed", "response": RESPONSE}],
    "anthropic": [
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn"},
            "usage": {"output_tokens": 2},
        },
        {"type": "message_stop"},
    ],
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[False, True], ids=["whole", "streamed"])
def streaming(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


async def fails(speaker: Speaker, *, streaming: bool) -> PepperError:
    async with asyncio.timeout(AT_MOST):
        with pytest.raises(PepperError) as caught:
            await speaker.ask(asks(), streaming=streaming)
    assert KEY.get_secret_value() not in str(caught.value.info())
    return caught.value


async def test_a_reset_before_the_headers_is_a_failure(kind: str, streaming: bool) -> None:
    async def act(exchange: Exchange) -> None:
        exchange.reset()

    async with raw_server(act) as server, speaking(kind, server.url) as speaker:
        error = await fails(speaker, streaming=streaming)
    assert type(error) is UpstreamFailed
    assert len(server.requests) == 1


async def test_hanging_up_before_the_headers_is_a_failure(kind: str, streaming: bool) -> None:
    async def act(exchange: Exchange) -> None:
        exchange.writer.close()

    async with raw_server(act) as server, speaking(kind, server.url) as speaker:
        error = await fails(speaker, streaming=streaming)
    assert type(error) is UpstreamFailed
    assert len(server.requests) == 1


async def test_silence_before_the_headers_is_a_time_out(kind: str, streaming: bool) -> None:
    async def act(exchange: Exchange) -> None:
        await exchange.gone()

    async with raw_server(act) as server, speaking(kind, server.url, read_timeout=0.2) as speaker:
        error = await fails(speaker, streaming=streaming)
    assert type(error) is UpstreamTimeout


async def test_an_empty_piece_tells_of_the_headers(kind: str) -> None:
    async def act(exchange: Exchange) -> None:
        await exchange.begin()
        await exchange.gone()

    async with (
        raw_server(act) as server,
        speaking(kind, server.url) as speaker,
        contextlib.aclosing(speaker.opened(asks())) as chunks,
    ):
        assert await asyncio.wait_for(anext(chunks), AT_MOST) == Chunk()


async def test_a_reset_within_the_stream_breaks_it(kind: str) -> None:
    async def act(exchange: Exchange) -> None:
        await exchange.begin()
        for event in BEGUN[kind]:
            await exchange.event(event)
        exchange.reset()

    async with raw_server(act) as server, speaking(kind, server.url) as speaker:
        error = await fails(speaker, streaming=True)
    assert type(error) is StreamBroken


async def test_a_stream_without_its_end_is_broken(kind: str) -> None:
    async def act(exchange: Exchange) -> None:
        await exchange.stream(BEGUN[kind])

    async with raw_server(act) as server, speaking(kind, server.url) as speaker:
        error = await fails(speaker, streaming=True)
    assert type(error) is StreamBroken


async def test_done_alone_proves_nothing() -> None:
    async def act(exchange: Exchange) -> None:
        await exchange.stream([*BEGUN["openai"], "[DONE]"])

    async with raw_server(act) as server, speaking("openai", server.url) as speaker:
        assert type(await fails(speaker, streaming=True)) is StreamBroken


async def test_a_stop_reason_without_message_stop_proves_nothing() -> None:
    async def act(exchange: Exchange) -> None:
        await exchange.stream([*BEGUN["anthropic"], *ENDED["anthropic"][:-1]])

    async with raw_server(act) as server, speaking("anthropic", server.url) as speaker:
        assert type(await fails(speaker, streaming=True)) is StreamBroken


async def test_a_finish_without_done_is_an_answer(kind: str) -> None:
    async def act(exchange: Exchange) -> None:
        await exchange.stream([*BEGUN[kind], *ENDED[kind]])

    async with raw_server(act) as server, speaking(kind, server.url) as speaker:
        answer = await speaker.streamed(asks())
    assert (answer.message.text, answer.finish) == ("Hi", "stop")
    usage = Usage() if kind == "openai" else Usage(input_tokens=3, output_tokens=2)
    assert answer.usage == usage


async def test_an_answer_ends_though_the_server_keeps_the_stream_open(kind: str) -> None:
    async def act(exchange: Exchange) -> None:
        await exchange.begin()
        usage = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}
        last = [usage, "[DONE]"] if kind == "openai" else []
        for event in [*BEGUN[kind], *ENDED[kind], *last]:
            await exchange.event(event)
        await exchange.gone()

    async with raw_server(act) as server, speaking(kind, server.url) as speaker:
        answer = await asyncio.wait_for(speaker.streamed(asks()), 5)
    assert answer.usage == Usage(input_tokens=3, output_tokens=2)


async def test_streams_use_a_connection_again(kind: str) -> None:
    async def act(exchange: Exchange) -> None:
        await exchange.stream([*BEGUN[kind], *ENDED[kind], "[DONE]"])

    async with raw_server(act) as server, speaking(kind, server.url) as speaker:
        for _ in range(5):
            async with contextlib.aclosing(speaker.opened(asks())) as chunks:
                async for chunk in chunks:
                    if chunk.finish:
                        break
    assert server.connections == 1


async def test_events_may_be_cut_anywhere(kind: str) -> None:
    async def act(exchange: Exchange) -> None:
        await exchange.begin()
        for event in [*BEGUN[kind], *ENDED[kind]]:
            text = f": comment\r\nevent: x\r\nid: 1\r\ndata:{json.dumps(event)}\r\n\r\n"
            for place in range(0, len(text), 7):
                await exchange.piece(text[place : place + 7].encode())
        await exchange.end()

    async with raw_server(act) as server, speaking(kind, server.url) as speaker:
        assert (await speaker.streamed(asks())).message.text == "Hi"


ERRORS_INSIDE: dict[str, tuple[dict[str, Any], type[PepperError]]] = {
    "rate": ({"type": "rate_limit_error", "message": "slow"}, RateLimited),
    "overloaded": ({"type": "overloaded_error", "message": "busy"}, UpstreamFailed),
    "server": ({"code": "server_error", "message": "oops"}, UpstreamFailed),
    "number": ({"code": 429, "message": "slow"}, RateLimited),
    "long": ({"code": "context_length_exceeded", "message": "too long"}, ContextTooLong),
    "key": ({"type": "authentication_error", "message": "bad"}, KeyRefused),
    "model": ({"code": "model_not_found", "message": "no"}, UnknownModel),
    "filter": ({"code": "content_filter", "message": "no"}, ContentFiltered),
    "wrong": ({"type": "invalid_request_error", "message": "what"}, RequestRefused),
    "unknown": ({"message": "oops"}, UpstreamFailed),
}


@pytest.mark.parametrize("name", ERRORS_INSIDE)
async def test_an_error_inside_a_stream_is_the_providers(kind: str, name: str) -> None:
    told, expected = ERRORS_INSIDE[name]

    async def act(exchange: Exchange) -> None:
        error: dict[str, Any] = {"type": "error", "error": told}
        await exchange.stream([*BEGUN[kind], error, *ENDED[kind]])

    async with raw_server(act) as server, speaking(kind, server.url) as speaker:
        error = await fails(speaker, streaming=True)
    assert type(error) is expected
    assert told["message"] in str(error)


async def test_an_error_after_the_finish_is_an_error() -> None:
    async def act(exchange: Exchange) -> None:
        error = {"error": {"message": "not billed"}}
        await exchange.stream([*BEGUN["openai"], *ENDED["openai"], error])

    async with raw_server(act) as server, speaking("openai", server.url) as speaker:
        assert type(await fails(speaker, streaming=True)) is UpstreamFailed


async def test_an_error_with_status_200_is_an_error(kind: str, streaming: bool) -> None:
    async def act(exchange: Exchange) -> None:
        body = {"error": {"code": 502, "message": f"behind me, {KEY.get_secret_value()}"}}
        await exchange.answer(json.dumps(body).encode())

    async with raw_server(act) as server, speaking(kind, server.url) as speaker:
        error = await fails(speaker, streaming=streaming)
    assert type(error) is UpstreamFailed
    assert error.context == {"status": 502, "provider_code": "502"}
    assert "behind me, ***" in str(error)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"<html>Welcome</html>", "text/html; charset=utf-8"),
        (b'{"choices": [{"mess', "application/json"),
        (b'{"choices": 3}', "application/json"),
        (b'"a text"', "application/json"),
        (b"", "application/json"),
        (b"\xff\xfe", "application/json"),
    ],
)
async def test_what_is_no_answer_cannot_be_read(
    kind: str, streaming: bool, body: bytes, content_type: str
) -> None:
    async def act(exchange: Exchange) -> None:
        await exchange.answer(body, kind=content_type)

    async with raw_server(act) as server, speaking(kind, server.url) as speaker:
        error = await fails(speaker, streaming=streaming)
    assert type(error) is UpstreamFailed
    assert error.context["status"] == 200


async def test_a_body_shorter_than_promised_is_a_failure(kind: str, streaming: bool) -> None:
    async def act(exchange: Exchange) -> None:
        await exchange.send(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
            b'content-length: 100\r\n\r\n{"choices": ['
        )
        exchange.writer.close()

    async with raw_server(act) as server, speaking(kind, server.url) as speaker:
        assert type(await fails(speaker, streaming=streaming)) is UpstreamFailed


async def test_an_error_page_is_not_quoted(kind: str, streaming: bool) -> None:
    async def act(exchange: Exchange) -> None:
        await exchange.answer(b"<html>" + b"x" * 5000, status=502, kind="text/html")

    async with raw_server(act) as server, speaking(kind, server.url) as speaker:
        error = await fails(speaker, streaming=streaming)
    assert (type(error), str(error)) == (UpstreamFailed, "acme answered 502")


async def test_an_error_body_that_breaks_off_is_a_failure(kind: str, streaming: bool) -> None:
    async def act(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 500 X\r\ncontent-length: 100\r\n\r\n{")
        exchange.writer.close()

    async with raw_server(act) as server, speaking(kind, server.url) as speaker:
        assert type(await fails(speaker, streaming=streaming)) is UpstreamFailed


async def test_a_redirect_is_not_followed(kind: str, streaming: bool) -> None:
    async def act(exchange: Exchange) -> None:
        await exchange.answer(b"", status=307, headers={"location": "http://127.0.0.1:9/"})

    async with raw_server(act) as server, speaking(kind, server.url) as speaker:
        error = await fails(speaker, streaming=streaming)
    assert type(error) is RequestRefused
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "4233600"}, 49 * 86400.0),
        ({"retry-after": "2.5"}, 2.5),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({}, None),
    ],
)
async def test_retry_after_is_told_and_never_waited_for(
    kind: str, streaming: bool, headers: dict[str, str], seconds: float | None
) -> None:
    async def act(exchange: Exchange) -> None:
        await exchange.answer(b"{}", status=429, headers=headers)

    async with raw_server(act) as server, speaking(kind, server.url) as speaker:
        error = await fails(speaker, streaming=streaming)
    assert type(error) is RateLimited
    assert error.context.get("retry_after") == seconds
    assert len(server.requests) == 1


async def test_retry_after_may_be_a_date(kind: str) -> None:
    async def act(exchange: Exchange) -> None:
        date = email.utils.formatdate(time.time() + 49 * 86400, usegmt=True)
        await exchange.answer(b"{}", status=503, headers={"retry-after": date})

    async with raw_server(act) as server, speaking(kind, server.url) as speaker:
        error = await fails(speaker, streaming=False)
    assert error.context["retry_after"] == pytest.approx(49 * 86400, abs=10)


KEY_TEXT = KEY.get_secret_value()
BODIES: list[tuple[int, object, type[PepperError], str]] = [
    (400, {"error": {"message": "prompt is too long: 9 tokens > 5"}}, ContextTooLong, "too long"),
    (400, {"error": {"message": "maximum context length is 5"}}, ContextTooLong, "maximum"),
    (400, {"error": {"type": "exceed_context_size_error"}}, ContextTooLong, "400"),
    (400, {"error": {"code": "content_filter", "message": "no"}}, ContentFiltered, "no"),
    (400, {"error": {"message": "credit balance is too low"}}, KeyRefused, "credit"),
    (400, {"error": {"code": "model_not_found", "message": "x"}}, UnknownModel, "x"),
    (429, {"error": {"code": "insufficient_quota", "message": "pay"}}, KeyRefused, "pay"),
    (401, {"error": {"message": f"bad key {KEY_TEXT}."}}, KeyRefused, "bad key ***"),
    (401, {"error": {"message": "bad key sk-other-9876543210"}}, KeyRefused, "bad key ***"),
    (404, {"error": "model 'x' not found"}, UnknownModel, "model 'x' not found"),
    (422, {"detail": [{"loc": ["body"], "msg": "bad"}]}, RequestRefused, "bad"),
    (400, [{"error": {"message": "in a list"}}], RequestRefused, "in a list"),
    (400, {"message": "on top", "type": "bad"}, RequestRefused, "on top"),
    (500, "a text", UpstreamFailed, "a text"),
    (500, None, UpstreamFailed, "acme answered 500"),
]


@pytest.mark.parametrize(("status", "body", "expected", "text"), BODIES)
async def test_the_providers_words_tell_errors_apart(
    kind: str, status: int, body: object, expected: type[PepperError], text: str
) -> None:
    async def act(exchange: Exchange) -> None:
        headers = {"x-request-id": "req_1"}
        await exchange.answer(json.dumps(body).encode(), status=status, headers=headers)

    async with raw_server(act) as server, speaking(kind, server.url) as speaker:
        error = await fails(speaker, streaming=False)
    assert type(error) is expected
    assert text in str(error)
    assert error.context["request_id"] == "req_1"


async def test_the_text_of_an_error_is_short(kind: str) -> None:
    async def act(exchange: Exchange) -> None:
        await exchange.answer(b"long " * 10_000, status=500, kind="text/plain")

    async with raw_server(act) as server, speaking(kind, server.url) as speaker:
        assert len(str(await fails(speaker, streaming=False))) < 400


@pytest.mark.parametrize("text", ["sk-secret\n", " sk-secret", "sk-sécret"])
async def test_a_key_that_no_header_can_carry_is_refused_and_not_told(
    kind: str, streaming: bool, text: str
) -> None:
    async def act(exchange: Exchange) -> None:
        exchange.reset()

    async with raw_server(act) as server, speaking(kind, server.url) as speaker:
        key = Secret(text)
        upstream = speaker.upstream
        with pytest.raises(KeyRefused) as caught:
            await (
                anext(upstream.stream("m", asks(), key))
                if streaming
                else upstream.complete("m", asks(), key)
            )
    assert text.strip() not in str(caught.value.info())
    assert server.requests == []


async def test_a_server_without_keys_is_asked_without_one(kind: str) -> None:
    async def act(exchange: Exchange) -> None:
        await exchange.answer(b'{"data": [{"id": "m"}]}')

    async with raw_server(act) as server, speaking(kind, server.url) as speaker:
        assert await speaker.upstream.models(Secret()) == ["m"]
    assert KEY.get_secret_value() not in server.requests[0].request


async def test_an_answer_that_does_not_say_why_it_stopped_is_a_failure(kind: str) -> None:
    bodies: dict[str, Any] = {
        "openai": {"choices": [{"message": {"content": "Hi"}}]},
        "openai-responses": {"status": "in_progress", "output": []},
        "anthropic": {"content": [{"type": "text", "text": "Hi"}], "usage": {}},
    }

    async def act(exchange: Exchange) -> None:
        await exchange.answer(json.dumps(bodies[kind]).encode())

    async with raw_server(act) as server, speaking(kind, server.url) as speaker:
        assert type(await fails(speaker, streaming=False)) is UpstreamFailed


async def test_an_event_that_never_ends_does_not_fill_the_memory(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pepperpy_provider_svc.upstreams.sse.MAX_EVENT", 10_000)

    async def act(exchange: Exchange) -> None:
        await exchange.begin()
        with contextlib.suppress(ConnectionError):
            for _ in range(1000):
                await exchange.piece(b"data: " + b"x" * 1000)

    async with raw_server(act) as server, speaking(kind, server.url) as speaker:
        assert type(await fails(speaker, streaming=True)) is StreamBroken


async def test_the_conversation_arrives_with_the_key_and_one_host(kind: str) -> None:
    async def act(exchange: Exchange) -> None:
        await exchange.stream([*BEGUN[kind], *ENDED[kind]])

    async with raw_server(act) as server, speaking(kind, server.url) as speaker:
        await speaker.streamed(asks("the question"))
    (exchange,) = server.requests
    assert KEY.get_secret_value() in exchange.request
    assert "the question" in exchange.body.decode()


async def test_what_the_environment_tells_the_sdks_reaches_no_address(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_ADMIN_KEY", "ANTHROPIC_AUTH_TOKEN"):
        monkeypatch.setenv(name, "planted")
    for name in ("OPENAI_CUSTOM_HEADERS", "ANTHROPIC_CUSTOM_HEADERS"):
        monkeypatch.setenv(name, "X-Mine: planted")

    async def act(exchange: Exchange) -> None:
        await exchange.stream([*BEGUN[kind], *ENDED[kind]])

    async with raw_server(act) as server, speaking(kind, server.url) as speaker:
        await speaker.streamed(asks())
    assert "planted" not in server.requests[0].request


async def test_anthropic_counts_tokens_itself() -> None:
    async def act(exchange: Exchange) -> None:
        await exchange.answer(b'{"input_tokens": 42}')

    async with raw_server(act) as server, speaking("anthropic", server.url) as speaker:
        assert await speaker.upstream.count("m", asks(max_tokens=5), KEY) == 42
    assert "POST /v1/messages/count_tokens " in server.requests[0].request
    assert set(json.loads(server.requests[0].body)) == {"model", "messages"}


async def test_a_missing_vector_is_a_failure() -> None:
    async def act(exchange: Exchange) -> None:
        await exchange.answer(b'{"data": [{"embedding": [0.5], "index": 0}]}')

    async with raw_server(act) as server, speaking("openai", server.url) as speaker:
        with pytest.raises(UpstreamFailed, match="2 texts with 1 vectors"):
            await speaker.upstream.embed("m", ["a", "b"], None, KEY)
        got = await speaker.upstream.embed("m", ["a"], None, KEY)
    assert (got.vectors, got.usage) == ([[0.5]], Usage())


async def test_a_response_that_failed_is_an_error(streaming: bool) -> None:
    error = {"code": "rate_limit_exceeded", "message": "slow"}
    failed = {"status": "failed", "output": [], "error": error}

    async def act(exchange: Exchange) -> None:
        if streaming:
            await exchange.stream([{"type": "response.failed", "response": failed}])
        else:
            await exchange.answer(json.dumps(failed).encode())

    async with raw_server(act) as server, speaking("openai-responses", server.url) as speaker:
        got = await fails(speaker, streaming=streaming)
    assert type(got) is RateLimited


async def test_a_list_of_models_that_fails_is_an_error(kind: str) -> None:
    async def act(exchange: Exchange) -> None:
        await exchange.answer(b"{}", status=401)

    async with raw_server(act) as server, speaking(kind, server.url) as speaker:
        with pytest.raises(KeyRefused):
            await speaker.upstream.models(KEY)
