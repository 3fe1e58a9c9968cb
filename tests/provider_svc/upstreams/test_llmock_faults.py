"""Every fault that llmock has, in every protocol: a typed error, never half an answer, no hang."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable

import pytest
from llmock.pytest_plugin import LLMock

from pepperpy_provider_svc.upstreams.upstream import Completion
from pepperpy_schemas.chat import ChatRequest
from pepperpy_schemas.errors import (
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
from tests.provider_svc.upstreams.speaking import KEY, KINDS, WEATHER, Speaker, asks, speaking

SOON = 0.4
AT_MOST = 20.0
TEXT = "one two three four five six seven eight nine ten"
STATUSES: dict[int, type[PepperError]] = {
    400: RequestRefused,
    401: KeyRefused,
    402: KeyRefused,
    403: KeyRefused,
    404: UnknownModel,
    405: RequestRefused,
    408: UpstreamTimeout,
    409: UpstreamFailed,
    413: ContextTooLong,
    418: RequestRefused,
    422: RequestRefused,
    429: RateLimited,
    500: UpstreamFailed,
    501: UpstreamFailed,
    502: UpstreamFailed,
    503: UpstreamFailed,
    504: UpstreamFailed,
    529: UpstreamFailed,
}

Fault = Callable[[LLMock], LLMock]


def address(kind: str, llmock: LLMock) -> str:
    return llmock.base_url("anthropic" if kind == "anthropic" else "openai")


@pytest.fixture(params=KINDS)
async def speaker(request: pytest.FixtureRequest, llmock: LLMock) -> AsyncIterator[Speaker]:
    async with speaking(request.param, address(request.param, llmock)) as made:
        yield made


@pytest.fixture
async def impatient(speaker: Speaker, llmock: LLMock) -> AsyncIterator[Speaker]:
    """The same, but a silence is soon too long for it."""
    url = address(speaker.kind, llmock)
    async with speaking(speaker.kind, url, read_timeout=SOON) as made:
        yield made


@pytest.fixture(params=[False, True], ids=["whole", "streamed"])
def streaming(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


async def fails(speaker: Speaker, request: ChatRequest, *, streaming: bool) -> PepperError:
    async with asyncio.timeout(AT_MOST):
        with pytest.raises(PepperError) as caught:
            await speaker.ask(request, streaming=streaming)
    assert KEY.get_secret_value() not in str(caught.value.info())
    assert caught.value.info().cause is None
    return caught.value


async def recovers(speaker: Speaker, *, streaming: bool) -> Completion:
    """Asks again, as a router does after an error that can pass."""
    async with asyncio.timeout(AT_MOST):
        return await speaker.ask(asks(), streaming=streaming)


@pytest.mark.parametrize("status", STATUSES)
async def test_a_status_is_an_error_of_its_kind(
    speaker: Speaker, llmock: LLMock, streaming: bool, status: int
) -> None:
    llmock.fail(status, retry_after=0.05 if status in (429, 503, 504, 529) else None)
    error = await fails(speaker, asks(), streaming=streaming)
    assert type(error) is STATUSES[status]
    assert error.context["status"] == status
    assert str(error).startswith(f"acme answered {status}: ")
    if error.retryable:
        await asyncio.sleep(error.context.get("retry_after", 0))
        await recovers(speaker, streaming=streaming)
    assert len(llmock.requests) == 1 + error.retryable
    llmock.assert_resilient(strict=True)


async def test_a_rate_limit_says_how_long_to_wait(
    speaker: Speaker, llmock: LLMock, streaming: bool
) -> None:
    llmock.rate_limit(retry_after=17.25)
    error = await fails(speaker, asks(), streaming=streaming)
    assert type(error) is RateLimited
    assert error.context["retry_after"] == 17.25
    assert len(llmock.requests) == 1
    llmock.assert_resilient()


@pytest.mark.parametrize("limits", [{"rpm": 1}, {"tpm": 80}])
async def test_a_quota_that_is_used_up_is_a_rate_limit(
    speaker: Speaker, llmock: LLMock, streaming: bool, limits: dict[str, int]
) -> None:
    llmock.limits(**limits)
    request = asks(max_tokens=30)
    await speaker.ask(request, streaming=streaming)
    error = await fails(speaker, request, streaming=streaming)
    assert type(error) is RateLimited
    assert 0 < error.context["retry_after"] <= 60
    llmock.assert_resilient()


async def test_a_context_that_overflows_is_too_long(
    speaker: Speaker, llmock: LLMock, streaming: bool
) -> None:
    llmock.context_overflow()
    error = await fails(speaker, asks(), streaming=streaming)
    assert type(error) is ContextTooLong
    llmock.assert_resilient(strict=True)


async def test_a_window_that_is_too_small_is_too_long(
    speaker: Speaker, llmock: LLMock, streaming: bool
) -> None:
    llmock.limits(context_window=5)
    error = await fails(speaker, asks("word " * 50), streaming=streaming)
    assert type(error) is ContextTooLong
    llmock.assert_resilient(strict=True)


async def test_a_delay_within_the_limit_is_waited_for(
    speaker: Speaker, llmock: LLMock, streaming: bool
) -> None:
    llmock.delay(0.1).reply(TEXT)
    assert (await recovers(speaker, streaming=streaming)).message.text == TEXT


async def test_a_silence_before_the_answer_is_a_time_out(
    speaker: Speaker, impatient: Speaker, llmock: LLMock, streaming: bool
) -> None:
    llmock.delay(2)
    error = await fails(impatient, asks(), streaming=streaming)
    assert type(error) is UpstreamTimeout
    await recovers(speaker, streaming=streaming)
    llmock.assert_resilient(strict=True)


async def test_a_slow_first_token_is_a_time_out(
    speaker: Speaker, impatient: Speaker, llmock: LLMock
) -> None:
    llmock.slow_first_token(2)
    error = await fails(impatient, asks(), streaming=True)
    assert type(error) is UpstreamTimeout
    await recovers(speaker, streaming=True)
    llmock.assert_resilient(strict=True)


STREAM_FAULTS: dict[str, tuple[Callable[[LLMock, int], LLMock], type[PepperError]]] = {
    "disconnect": (lambda mock, n: mock.disconnect(after_chunks=n), StreamBroken),
    "truncate": (lambda mock, n: mock.truncate(after_chunks=n), StreamBroken),
    "corrupt": (lambda mock, n: mock.corrupt(after_chunks=n), StreamBroken),
    "stall": (lambda mock, n: mock.stall(after_chunks=n, seconds=2), UpstreamTimeout),
}


@pytest.mark.parametrize("after", [0, 1, 5, 9])
@pytest.mark.parametrize("kind", STREAM_FAULTS)
async def test_a_stream_that_breaks_is_no_answer(
    speaker: Speaker, impatient: Speaker, llmock: LLMock, kind: str, after: int
) -> None:
    fault, expected = STREAM_FAULTS[kind]
    fault(llmock.reply(TEXT, times=2), after)
    error = await fails(impatient if kind == "stall" else speaker, asks(), streaming=True)
    # Where nothing was sent before the connection broke there was no stream yet.
    allowed = (expected, UpstreamFailed) if after == 0 else (expected,)
    assert type(error) in allowed
    assert error.retryable
    answer = await recovers(speaker, streaming=True)
    assert answer.message.text == TEXT
    llmock.assert_resilient()


async def test_a_stream_is_cut_nowhere_before_its_finish(speaker: Speaker, llmock: LLMock) -> None:
    llmock.reply(TEXT)
    await speaker.streamed(asks())
    events = llmock.last_request.chunks_sent
    assert events > 10
    # The last of OpenAI's chat are usage and [DONE], after the finish reason.
    needed = events - 2 if speaker.kind == "openai" else events - 1
    for after in range(needed):
        llmock.reset().reply(TEXT).truncate(after_chunks=after)
        error = await fails(speaker, asks(), streaming=True)
        assert type(error) is StreamBroken


@pytest.mark.parametrize("kind", STREAM_FAULTS)
async def test_what_breaks_after_the_finish_does_no_harm(llmock: LLMock, kind: str) -> None:
    async with speaking("openai", llmock.base_url(), read_timeout=SOON) as speaker:
        llmock.reply(TEXT)
        await speaker.streamed(asks())
        usage = llmock.last_request.chunks_sent - 2
        STREAM_FAULTS[kind][0](llmock.reset().reply(TEXT), usage)
        answer = await speaker.streamed(asks())
    assert (answer.message.text, answer.finish) == (TEXT, "stop")
    assert answer.usage.output_tokens == 0


async def test_broken_arguments_of_a_call_are_passed_on_as_they_are(
    speaker: Speaker, llmock: LLMock
) -> None:
    llmock.break_tool_call("malformed_arguments")
    answer = await speaker.ask(asks(tools=[WEATHER]), streaming=True)
    (call,) = answer.message.tool_calls
    assert answer.finish == "tool_calls"
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        json.loads(call.arguments)


async def test_a_call_of_a_tool_that_does_not_exist_is_passed_on(
    speaker: Speaker, llmock: LLMock, streaming: bool
) -> None:
    llmock.break_tool_call("unknown_tool")
    answer = await speaker.ask(asks(tools=[WEATHER]), streaming=streaming)
    assert [call.name for call in answer.message.tool_calls] == ["llmock_unknown_tool"]


async def test_a_broken_call_can_be_given_back(speaker: Speaker, llmock: LLMock) -> None:
    llmock.break_tool_call("malformed_arguments")
    request = asks(tools=[WEATHER])
    answer = await speaker.ask(request, streaming=True)
    again = ChatRequest(messages=[*request.messages, answer.message, *request.messages])
    assert (await speaker.complete(again)).finish == "stop"


async def test_a_server_that_is_not_there_cannot_be_reached(
    speaker: Speaker, streaming: bool
) -> None:
    async with speaking(speaker.kind, "http://127.0.0.1:9") as nobody:
        error = await fails(nobody, asks(), streaming=streaming)
    assert type(error) is UpstreamFailed
    assert "cannot be reached" in str(error)
