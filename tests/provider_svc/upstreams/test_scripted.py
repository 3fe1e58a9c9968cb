"""Providers whose answers stand in a file: rules, and recordings."""

import asyncio
import json
import math
import stat
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
import yaml

from pepperpy_bus.config.values import Secret
from pepperpy_provider_svc.declared.models import Provider
from pepperpy_provider_svc.upstreams.cassette import Cassette, Source
from pepperpy_provider_svc.upstreams.making import make_upstream
from pepperpy_provider_svc.upstreams.openai_protocols import CHAT, OpenAI
from pepperpy_provider_svc.upstreams.scripted import Scripted
from pepperpy_provider_svc.upstreams.upstream import Chunk, Completion, Embeddings, Upstream
from pepperpy_schemas.chat import ChatMessage, ChatRequest, Reasoning, Text, ToolCall, Usage
from pepperpy_schemas.errors import (
    BadConfig,
    NotFound,
    RateLimited,
    RequestRefused,
    StreamBroken,
)
from tests.provider_svc.upstreams.speaking import KEY, WEATHER, asks

Script = Callable[[Any], Scripted]


@pytest.fixture
def script(tmp_path: Path) -> Script:
    def write(rules: Any) -> Scripted:
        path = tmp_path / "rules.yaml"
        path.write_text(yaml.safe_dump(rules))
        return Scripted("fake", path)

    return write


async def said(upstream: Upstream, text: str = "hello", **options: Any) -> Completion:
    return await upstream.complete("any", asks(text, **options), Secret())


async def pieces(upstream: Upstream, request: ChatRequest) -> list[Chunk]:
    stream = upstream.stream("any", request, Secret())
    assert isinstance(stream, AsyncGenerator)
    async with aclosing(stream) as chunks:
        return [chunk async for chunk in chunks]


async def test_the_first_rule_that_fits_answers(script: Script) -> None:
    fake = script(
        [
            {"match": "/^book (a|the) flight/", "text": "booked"},
            {"match": "Weather", "text": "It rains."},
            {"text": "Hello."},
        ]
    )
    assert (await said(fake, "book the flight")).message.text == "booked"
    assert (await said(fake, "the weather?")).message.text == "It rains."
    assert (await said(fake, "Book the flight")).message.text == "Hello."
    late = ChatRequest(messages=[ChatMessage("assistant", "weather"), ChatMessage("user", "no")])
    assert (await fake.complete("x", late, Secret())).message.text == "Hello."
    silent = ChatRequest(messages=[ChatMessage("system", "weather")])
    assert (await fake.complete("x", silent, Secret())).message.text == "Hello."


async def test_a_request_that_no_rule_fits_is_refused(script: Script) -> None:
    with pytest.raises(RequestRefused, match=r"no rule of rules\.yaml"):
        await said(script([{"match": "weather", "text": "x"}]))


async def test_words_are_streamed_one_by_one_and_counted(script: Script) -> None:
    fake = script([{"text": "one two\nthree", "reasoning": "hm"}])
    got = await pieces(fake, asks("four words are here"))
    assert [chunk.text for chunk in got if chunk.text] == ["one ", "two\n", "three"]
    assert got[0] == Chunk()
    assert got[-1] == Chunk(finish="stop", usage=Usage(input_tokens=4, output_tokens=4))
    answer = await said(fake)
    assert answer.message.content == [Reasoning("hm"), Text("one two\nthree")]


async def test_tools_finish_and_usage_are_as_the_rule_says(script: Script) -> None:
    fake = script(
        [
            {
                "match": "call",
                "tool_calls": [
                    {"name": "f", "arguments": {"a": 1}, "id": "x"},
                    {"name": "g", "arguments": "{bro"},
                ],
            },
            {"text": "half", "finish": "length", "usage": {"input_tokens": 9}},
        ]
    )
    called = await said(fake, "call")
    assert called.message.tool_calls == [
        ToolCall("x", "f", '{"a":1}'),
        ToolCall("call_1", "g", "{bro"),
    ]
    assert called.finish == "tool_calls"
    cut = await said(fake)
    assert (cut.finish, cut.usage) == ("length", Usage(input_tokens=9))


async def test_an_error_comes_as_often_as_the_rule_says(script: Script) -> None:
    slow = {"code": "rate_limited", "message": "slow", "retry_after": 2, "status": 429}
    fake = script([{"error": slow, "times": 2}, {"text": "Hello."}])
    for _ in range(2):
        with pytest.raises(RateLimited, match="slow") as caught:
            await said(fake)
        assert caught.value.context == {"retry_after": 2, "status": 429}
        assert caught.value.retryable
    assert (await said(fake)).message.text == "Hello."


async def test_a_stream_can_break_after_its_pieces(script: Script) -> None:
    fake = script([{"chunks": [{"text": "ha"}], "error": {"code": "stream_broken"}}])
    async with aclosing(fake.stream("m", asks(), Secret())) as chunks:
        assert [(await anext(chunks)).text for _ in range(2)] == ["", "ha"]
        with pytest.raises(StreamBroken):
            await anext(chunks)


async def test_pieces_come_when_the_rule_says(script: Script) -> None:
    fake = script([{"chunks": [{"text": "a"}, {"text": "b", "after": 30}]}])
    async with aclosing(fake.stream("m", asks(), Secret())) as chunks:
        assert (await anext(chunks)).text == ""
        assert (await anext(chunks)).text == "a"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(chunks), 0.05)


async def test_vectors_depend_on_the_text_alone(script: Script) -> None:
    fake = script([])
    got = await fake.embed("m", ["a b", "c", "a b"], 8, Secret())
    assert got.vectors[0] == got.vectors[2] != got.vectors[1]
    assert math.isclose(math.hypot(*got.vectors[0]), 1)
    assert [len(vector) for vector in got.vectors] == [8, 8, 8]
    assert got.usage == Usage(input_tokens=5)
    assert await fake.count("m", asks("two words"), Secret()) == 2
    assert await fake.models(Secret()) == ["scripted"]
    await fake.close()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("{", "cannot be read"),
        ("a: 1", "Expected `array`"),
        ("- {txt: a}", "unknown field `txt`"),
        ("- {match: '/(/'}", "missing )"),
        ("- {times: 0}", "times"),
        ("- {error: {code: nothing}}", "'nothing' is none of"),
        ("- {chunks: [{text: a, after: -1}]}", "after"),
    ],
)
def test_a_wrong_file_says_what_is_wrong(tmp_path: Path, content: str, why: str) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(content)
    with pytest.raises(BadConfig, match=r"rules\.yaml") as caught:
        Scripted("fake", path)
    assert why in str(caught.value)


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match=r"nothing\.yaml"):
        Scripted("fake", tmp_path / "nothing.yaml")


def test_a_file_without_bounds_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pepperpy_provider_svc.upstreams.script._MAX_BYTES", 3)
    path = tmp_path / "rules.yaml"
    path.write_text("- {}")
    with pytest.raises(BadConfig, match="4 bytes, 3 at most"):
        Scripted("fake", path)


class Counting:
    """A provider that counts how often it is asked, and keeps what it was asked with."""

    def __init__(self, rules: Scripted) -> None:
        self.rules = rules
        self.asked: list[tuple[str, Secret]] = []
        self.closed = 0

    async def complete(self, model: str, request: ChatRequest, key: Secret) -> Completion:
        raise AssertionError("a recording is streamed")

    async def stream(
        self, model: str, request: ChatRequest, key: Secret
    ) -> AsyncGenerator[Chunk, None]:
        self.asked.append((model, key))
        try:
            async for chunk in self.rules.stream(model, request, key):
                yield chunk
        finally:
            self.closed += 1

    async def embed(
        self, model: str, texts: list[str], dimensions: int | None, key: Secret
    ) -> Embeddings:
        self.asked.append((model, key))
        return await self.rules.embed(model, texts, dimensions, key)

    async def count(self, model: str, request: ChatRequest, key: Secret) -> int | None:
        self.asked.append((model, key))
        return await self.rules.count(model, request, key)

    async def models(self, key: Secret) -> list[str]:
        return ["never asked"]

    async def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def real(script: Script) -> Counting:
    return Counting(script([{"match": "key", "text": f"I saw {KEY.get_secret_value()}!"},
                            {"match": "call", "tool_calls": [{"name": "f"}], "reasoning": "hm"},
                            {"match": "fail", "error": {"code": "upstream_failed"}},
                            {"text": "Hello to you."}]))  # fmt: skip


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    return tmp_path / "tape.json"


def recording(tape: Path, real: Counting) -> Cassette:
    return Cassette("tape", tape, Source(real, "real-model", lambda: KEY))


async def test_what_was_recorded_is_played_without_the_provider(tape: Path, real: Counting) -> None:
    cassette = recording(tape, real)
    whole = await said(cassette)
    called = await said(cassette, "call", tools=[WEATHER])
    vectors = await cassette.embed("any", ["a"], None, Secret())
    count = await cassette.count("any", asks(), Secret())
    assert real.asked == [("real-model", KEY)] * 4
    for again in (cassette, Cassette("tape", tape)):
        assert await said(again) == whole
        assert await said(again, "call", tools=[WEATHER]) == called
        assert await again.embed("any", ["a"], None, Secret()) == vectors
        assert await again.count("any", asks(), Secret()) == count
        texts = [chunk.text for chunk in await pieces(again, asks()) if chunk.text]
        assert texts == ["Hello ", "to ", "you."]
    assert len(real.asked) == 4
    assert await Cassette("tape", tape).models(Secret()) == ["any"]
    assert await cassette.models(Secret()) == ["any", "real-model"]
    await cassette.close()


async def test_who_asks_makes_no_other_request(tape: Path, real: Counting) -> None:
    cassette = recording(tape, real)
    await said(cassette)
    await said(cassette, model="alias", tenant="t", cache="on", fallbacks=["x/y"])
    assert len(real.asked) == 1
    await said(cassette, temperature=0.5)
    assert len(real.asked) == 2


async def test_a_request_that_was_not_recorded_says_how_to_record_it(
    tape: Path, real: Counting
) -> None:
    await said(recording(tape, real))
    played = Cassette("tape", tape)
    for asking in (
        said(played, "something else"),
        played.embed("any", ["new"], 4, Secret()),
        played.count("any", asks("new"), Secret()),
    ):
        with pytest.raises(NotFound, match=r"not in tape\.json") as caught:
            await asking
        assert "record" in caught.value.hint


async def test_no_key_gets_into_the_file(tape: Path, real: Counting) -> None:
    cassette = recording(tape, real)
    await said(cassette, f"my key is {KEY.get_secret_value()}")
    content = tape.read_text()
    assert KEY.get_secret_value() not in content
    assert json.loads(content)["cassette"] == 1
    assert stat.S_IMODE(tape.stat().st_mode) == 0o644


async def test_errors_are_passed_on_and_not_recorded(tape: Path, real: Counting) -> None:
    cassette = recording(tape, real)
    for _ in range(2):
        with pytest.raises(Exception, match="scripted"):
            await said(cassette, "fail")
    assert (len(real.asked), real.closed) == (2, 2)
    assert not tape.exists()


async def test_a_stream_that_was_left_is_closed_and_not_recorded(
    tape: Path, real: Counting
) -> None:
    cassette = recording(tape, real)
    async with aclosing(cassette.stream("any", asks(), Secret())) as chunks:
        await anext(chunks)
    assert real.closed == 1
    assert not tape.exists()


async def test_requests_at_the_same_time_are_all_recorded(tape: Path, real: Counting) -> None:
    cassette = recording(tape, real)
    texts = [f"question {number}" for number in range(20)]
    await asyncio.gather(*(said(cassette, text) for text in texts))
    played = Cassette("tape", tape)
    for text in texts:
        await said(played, text)


@pytest.mark.parametrize(
    ("content", "why"),
    [("[]", "no recording"), ('{"cassette": 2, "takes": {}}', "version 2"), ("{", "be read")],
)
def test_a_file_that_is_no_recording_is_refused(tape: Path, content: str, why: str) -> None:
    tape.write_text(content)
    with pytest.raises(BadConfig, match=why):
        Cassette("tape", tape)


def declared(**fields: Any) -> Provider:
    return Provider.model_validate({"kind": "scripted", **fields})


async def test_the_kind_and_the_file_say_what_is_made(tape: Path, real: Counting) -> None:
    source = Source(real, "real-model", lambda: KEY)
    recorder = make_upstream("t", declared(script=tape, record="a/b"), source=source)
    assert isinstance(recorder, Cassette)
    await said(recorder)
    assert isinstance(make_upstream("t", declared(script=tape)), Cassette)
    rules = real.rules._path
    assert isinstance(make_upstream("t", declared(script=rules)), Scripted)
    with pytest.raises(BadConfig, match="records a/b"):
        make_upstream("t", declared(script=tape, record="a/b"))


async def test_a_local_model_is_asked_where_it_is_served() -> None:
    local = declared(kind="local")
    upstream = make_upstream("local", local, local_url="http://127.0.0.1:1/v1")
    assert isinstance(upstream, OpenAI)
    assert upstream.protocol is CHAT
    await upstream.close()


@pytest.mark.parametrize(
    ("kind", "missing"),
    [("openai", "openai"), ("openai-responses", "openai"), ("anthropic", "anthropic")],
)
def test_a_library_that_is_missing_is_named(
    kind: str, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    for name in [name for name in sys.modules if name.startswith("pepperpy_provider_svc.upstream")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(BadConfig, match=f"needs the package {missing}") as caught:
        make_upstream("acme", declared(kind=kind))
    assert "pip install" in caught.value.hint


def test_no_sdk_is_imported_before_it_is_needed() -> None:
    import subprocess
    import sys

    code = (
        "import sys; import pepperpy_provider_svc.upstreams.making;"
        "print([m for m in ('openai', 'anthropic', 'httpx2', 'bpe_openai') if m in sys.modules])"
    )
    got = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert got.stdout.strip() == "[]"


async def test_tokens_of_openais_own_endpoint_are_counted_here() -> None:
    official = make_upstream("openai", declared(kind="openai"))
    responses = make_upstream("openai", declared(kind="openai-responses"))
    for upstream in (official, responses):
        assert await upstream.count("gpt-5-mini", asks("hello world"), KEY) == 9
        await upstream.close()


async def test_more_keys_than_are_kept_in_mind_work_too() -> None:
    from pepperpy_provider_svc.upstreams.openai_endpoint import OpenAIEndpoint

    endpoint = OpenAIEndpoint("acme")
    clients = {endpoint._client(Secret(f"key{number}")) for number in range(40)}
    assert len(clients) == 40
    assert endpoint._client(Secret("key39")) in clients
    assert len(endpoint._clients) == 32
    await endpoint.close()
