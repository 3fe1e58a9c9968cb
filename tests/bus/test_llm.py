"""Asking models over the bus, of a service that says what each test gives it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from pepperpy.stack.broker import Broker
from pepperpy_bus.client import Client
from pepperpy_bus.link.connection import Connection
from pepperpy_bus.llm import LLM, Assembling, assemble
from pepperpy_bus.sync import connect_sync
from pepperpy_bus.trust.principals import inbox_prefix, principal_of
from pepperpy_schemas.chat import (
    Ack,
    ChatMessage,
    Delta,
    End,
    Image,
    KeepAlive,
    Part,
    Reasoning,
    Reset,
    ResponseFormat,
    Text,
    ToolCall,
    ToolCallDelta,
    ToolSpec,
)
from pepperpy_schemas.errors import (
    BadPayload,
    BudgetExceeded,
    DeadlineExceeded,
    StreamBroken,
    Unavailable,
    Unreachable,
)
from tests.bus.conftest import Connect, wait_until
from tests.bus.model_service import HOLD, MODEL, MODELS, STATUS, USAGE, Models, answer

END = End(3, "stop", USAGE, MODEL)


@pytest.fixture
async def models(connect: Connect, prefix: str) -> AsyncIterator[Models]:
    """The service, while it is up."""
    one = Models()
    async with one.service(await connect(), prefix):
        yield one


@pytest.fixture
def llm(connection: Connection, prefix: str) -> LLM:
    return LLM(connection, prefix, "ana")


async def pieces(llm: LLM, **options: Any) -> list[Any]:
    return [item async for item in llm.stream("Hi.", **options)]


async def test_a_text_is_one_message_of_the_user(llm: LLM, models: Models) -> None:
    reply = await llm.chat("Say hello.")
    assert (reply.text, reply.finish, reply.model, reply.usd) == (
        "Say hello.",
        "stop",
        MODEL,
        0.002,
    )
    assert reply.usage == USAGE
    (asked,) = models.asked
    assert asked.messages == [ChatMessage("user", "Say hello.")]
    assert (asked.model, models.callers) == ("default", ["ana"])


async def test_messages_are_structs_or_what_their_json_would_be(llm: LLM, models: Models) -> None:
    picture: list[Part] = [Text("What is it?"), Image("https://example.org/otter.png")]
    await llm.chat(
        [{"role": "system", "content": "Be brief."}, ChatMessage("user", picture)],
        model="zoo/owl",
        fallbacks=("zoo/cat",),
        tools=[ToolSpec("look"), {"name": "listen", "parameters": {"type": "object"}}],
        response_format=ResponseFormat({"type": "object"}),
        temperature=0.5,
        max_tokens=9,
        tenant="support",
    )
    (asked,) = models.asked
    assert asked.messages == [ChatMessage("system", "Be brief."), ChatMessage("user", picture)]
    assert [tool.name for tool in asked.tools] == ["look", "listen"]
    assert asked.response_format == ResponseFormat({"type": "object"})
    assert (asked.model, asked.fallbacks, asked.temperature) == ("zoo/owl", ["zoo/cat"], 0.5)
    assert (asked.max_tokens, asked.tenant) == (9, "support")


async def test_a_wrong_request_is_refused_before_it_is_sent(llm: LLM, models: Models) -> None:
    with pytest.raises(BadPayload, match=r"\$\.temperature"):
        await llm.chat("Hi.", temperature=3)
    with pytest.raises(BadPayload, match=r"\$\.messages\[0\]"):
        await llm.chat([{"role": "otter"}])
    with pytest.raises(TypeError, match="a chat request has no temprature"):
        await llm.chat("Hi.", temprature=1)  # type: ignore[call-arg]  # what is tested
    assert models.asked == []


async def test_vectors_counts_models_and_status_are_asked_for(llm: LLM, models: Models) -> None:
    assert (await llm.embed("four")).vectors == [[4.0]]
    assert (await llm.embed(["a", "bc"], dimensions=1)).vectors == [[1.0], [2.0]]
    counted = await llm.count("four")
    assert (counted.tokens, counted.exact) == (4, True)
    assert await llm.models() == MODELS
    assert await llm.status() == STATUS


async def test_an_error_of_the_service_comes_as_itself(llm: LLM, models: Models) -> None:
    models.error = BudgetExceeded("tenant support has spent 5 of 5 usd today")
    with pytest.raises(BudgetExceeded, match="5 of 5"):
        await llm.chat("Hi.")
    with pytest.raises(BudgetExceeded, match="5 of 5"):
        await pieces(llm)


async def test_where_nobody_serves_models_the_way_to_start_is_said(llm: LLM) -> None:
    soon = {"timeout": 0.3}
    for asking in (llm.chat("Hi.", **soon), pieces(llm, **soon), llm.models(**soon)):
        with pytest.raises(Unavailable, match="nobody serves models") as refused:
            await asking
        assert refused.value.hint is not None
        assert "pepperpy provider run" in refused.value.hint


async def test_the_principal_is_the_one_whose_inbox_it_is(bus: Client, connect: Connect) -> None:
    assert bus.llm is bus.llm
    models = Models()
    async with models.service(await connect(), bus.prefix):
        await bus.llm.chat("Hi.")
        assert models.callers == ["anon"]
    assert principal_of(inbox_prefix("worker")) == "worker"
    assert principal_of("_INBOX") == "anon"
    assert principal_of("replies") == "anon"


async def test_scripts_ask_without_await(
    broker: Broker, bus: Client, connect: Connect, prefix: str
) -> None:
    models = Models()

    def script() -> None:
        with connect_sync(broker.url, bus__prefix=prefix) as client:
            assert client.llm.chat("Hi.").text == "Hi."
            hello, _, end = client.llm.stream("Hi.")
            assert (hello, type(end)) == (Delta(2, text="Hello"), End)
            assert client.llm.embed("four").vectors == [[4.0]]
            assert client.llm.count("four").tokens == 4
            assert client.llm.models() == MODELS
            assert client.llm.status() == STATUS
            models.items = [Ack(1), Delta(2, text="Once"), HOLD]
            stream = client.llm.stream("Hi.")
            assert next(stream) == Delta(2, text="Once")
            stream.close()

    async with models.service(await connect(), prefix):
        await asyncio.to_thread(script)
        await asyncio.wait_for(models.canceled.wait(), 5)


# --- the end of waiting -------------------------------------------------------------------------


async def test_a_caller_that_gives_up_stops_the_request(llm: LLM, models: Models) -> None:
    models.hold = True
    asking = asyncio.create_task(llm.chat("Hi."))
    await asyncio.wait_for(models.holding.wait(), 5)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await asyncio.wait_for(models.canceled.wait(), 5)


async def test_a_request_that_takes_too_long_is_stopped_and_says_so(
    llm: LLM, models: Models
) -> None:
    models.hold = True
    with pytest.raises(DeadlineExceeded):
        await llm.chat("Hi.", timeout="50ms")
    await asyncio.wait_for(models.canceled.wait(), 5)


async def test_a_reader_that_leaves_stops_the_stream(llm: LLM, models: Models) -> None:
    models.items = [Ack(1), Delta(2, text="Once"), HOLD]
    async with contextlib.aclosing(llm.stream("Hi.")) as stream:
        assert await anext(stream) == Delta(2, text="Once")
    await asyncio.wait_for(models.canceled.wait(), 5)


# --- streams ------------------------------------------------------------------------------------


async def test_a_streamed_answer_is_its_pieces_and_its_end(llm: LLM, models: Models) -> None:
    hello, there, end = await pieces(llm, max_tokens=5)
    assert (hello, there) == (Delta(2, text="Hello"), Delta(3, text=" there."))
    assert (end.finish, end.usage, end.usd) == ("stop", USAGE, 0.002)
    assert models.asked[0].max_tokens == 5


@pytest.mark.parametrize(
    "items",
    [
        pytest.param([Delta(1, text="a"), Delta(2, text="b"), END], id="no ack"),
        pytest.param([Ack(2), END], id="an ack that is not the first"),
        pytest.param([Ack(1), Ack(2), END], id="two acks"),
        pytest.param([Ack(1), Delta(3, text="b"), End(4, "stop", USAGE, MODEL)], id="a gap"),
        pytest.param([Ack(1), Delta(2, text="a"), Delta(2, text="a"), END], id="a repeat"),
        pytest.param([Ack(1), Delta(2, text="a"), KeepAlive(3), END], id="a counting keepalive"),
        pytest.param([Ack(1), KeepAlive(1), Reset(3), END], id="a gap before a reset"),
        pytest.param([Ack(1), Delta(2, text="a")], id="no end"),
        pytest.param([], id="nothing"),
        pytest.param([Ack(1), Delta(2, text="a"), END, Delta(4, text="b")], id="more than its end"),
        pytest.param([Ack(1), Delta(2), END, End(4, "stop", USAGE, MODEL)], id="two ends"),
        pytest.param([Ack(1), Delta(2), END, KeepAlive(3)], id="a sign of life after its end"),
    ],
)
async def test_a_stream_that_is_not_whole_is_broken(
    llm: LLM, models: Models, items: list[Any]
) -> None:
    models.items = items
    seen: list[Any] = []

    async def read() -> None:
        async for item in llm.stream("Hi."):
            seen.append(item)

    with pytest.raises(StreamBroken):
        await read()
    assert not any(isinstance(item, End) for item in seen)


async def test_a_silence_is_a_broken_stream_and_signs_of_life_are_none(
    llm: LLM, models: Models
) -> None:
    models.items = [Ack(1), Delta(2, text="Once"), HOLD]
    with pytest.raises(StreamBroken, match=r"nothing came for 0\.2 s"):
        await pieces(llm, idle="200ms")
    await asyncio.wait_for(models.canceled.wait(), 5)
    models.items = [HOLD]
    with pytest.raises(Unavailable, match="nobody began to answer"):
        await pieces(llm, idle="200ms")


async def test_an_error_in_the_middle_ends_the_stream(llm: LLM, models: Models) -> None:
    models.items = [Ack(1), Delta(2, text="Once"), BudgetExceeded("no more")]
    with pytest.raises(BudgetExceeded, match="no more"):
        await pieces(llm)


async def test_a_stream_ends_with_its_time(llm: LLM, models: Models) -> None:
    models.items = [Ack(1), Delta(2, text="Once"), HOLD]
    with pytest.raises(DeadlineExceeded):
        await pieces(llm, timeout="100ms")


async def test_a_stream_ends_with_its_time_though_the_service_says_nothing(
    llm: LLM, connect: Connect, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pepperpy_bus.llm.order.PATIENCE", 0.1)
    other = await connect()
    async with await other.subscribe(f"{prefix}.svc.provider.stream.*", lambda _: None):
        await other.flush()
        with pytest.raises(DeadlineExceeded, match="longer than its caller waits"):
            await pieces(llm, timeout="100ms")


async def test_a_broken_connection_is_no_end(
    connect: Connect, own_broker: Broker, prefix: str
) -> None:
    models = Models()
    models.items = [Ack(1), Delta(2, text="Once"), HOLD]
    llm = LLM(await connect(own_broker.url), prefix, "anon")
    async with (
        models.service(await connect(own_broker.url), prefix),
        contextlib.aclosing(llm.stream("Hi.")) as stream,
    ):
        await anext(stream)
        own_broker.kill()
        with pytest.raises(Unreachable):
            await anext(stream)


# --- the whole of the pieces --------------------------------------------------------------------


async def test_pieces_make_the_whole_answer(llm: LLM, models: Models) -> None:
    whole = await assemble(llm.stream("Hi."))
    assert whole.message == ChatMessage("assistant", "Hello there.")
    assert (whole.finish, whole.usage, whole.model, whole.usd) == ("stop", USAGE, MODEL, 0.002)


async def test_what_came_before_a_reset_does_not_count(llm: LLM, models: Models) -> None:
    end = End(6, "stop", USAGE, MODEL)
    call = ToolCallDelta(0, "c1", "look", "{}")
    models.items = [
        Ack(1),
        Delta(2, text="Wrong"),
        Delta(3, tool_calls=[call]),
        Reset(4, "upstream_failed", "503"),
        Delta(5, text="Right."),
        end,
    ]
    assert (await assemble(llm.stream("Hi."))).message == ChatMessage("assistant", "Right.")


def test_a_proof_and_the_thoughts_that_come_with_it_are_one_part() -> None:
    answer = Assembling()
    for delta in (
        Delta(2, reasoning="think"),
        Delta(3, signature="rs_1", data="ENC1"),
        Delta(4, signature="rs_2", data="ENC2"),
        Delta(5, reasoning="more", signature="s3"),
        Delta(6, signature="s4"),
        Delta(7, data="secret"),
        Delta(8, text="hello"),
    ):
        answer.add(delta)
    assert answer.message.parts == [
        Reasoning("think", "rs_1", "ENC1"),
        Reasoning("", "rs_2", "ENC2"),
        Reasoning("more", "s3"),
        Reasoning("", "s4"),
        Reasoning(data="secret"),
        Text("hello"),
    ]


def test_thoughts_texts_and_calls_of_tools_keep_their_order() -> None:
    answer = Assembling()
    for delta in (
        Delta(2, reasoning="Let me"),
        Delta(3, reasoning=" look."),
        Delta(4, signature="s1"),
        Delta(5, reasoning="Again."),
        Delta(6, data="secret"),
        Delta(7, reasoning="Yes."),
        Delta(8, text="I "),
        Delta(9, text="look."),
        Delta(10, tool_calls=[ToolCallDelta(1, "c2", "hear"), ToolCallDelta(0, "c1", "look")]),
        Delta(11, tool_calls=[ToolCallDelta(0, arguments='{"a":')]),
        Delta(12, tool_calls=[ToolCallDelta(0, arguments="1}"), ToolCallDelta(1, arguments="{}")]),
    ):
        answer.add(delta)
    assert answer.message.parts == [
        Reasoning("Let me look.", "s1"),
        Reasoning("Again."),
        Reasoning(data="secret"),
        Reasoning("Yes."),
        Text("I look."),
        ToolCall("c1", "look", '{"a":1}'),
        ToolCall("c2", "hear", "{}"),
    ]


async def test_pieces_without_an_end_make_no_answer() -> None:
    async def cut() -> AsyncIterator[Delta]:
        yield Delta(2, text="Once")

    with pytest.raises(StreamBroken):
        await assemble(cut())


async def test_many_streams_at_once_keep_apart(llm: LLM, models: Models) -> None:
    models.items = answer(*"abcdefgh")
    wholes = await asyncio.gather(*(assemble(llm.stream(str(n))) for n in range(30)))
    assert {one.text for one in wholes} == {"abcdefgh"}
    await wait_until(lambda: len(models.asked) == 30)
