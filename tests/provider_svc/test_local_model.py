"""The local model: a real one, in a process of its own, asked by both official SDKs."""

import asyncio
import contextlib
import json
import os
import signal
import sys
import textwrap
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

from pepperpy_bus.config.values import Secret
from pepperpy_bus.installing import install
from pepperpy_provider_svc.declared.models import Provider
from pepperpy_provider_svc.declared.reading import LOCAL_MODEL
from pepperpy_provider_svc.upstreams import local
from pepperpy_provider_svc.upstreams.local import Local, model_file, restrained
from pepperpy_provider_svc.upstreams.local_process import LocalProcess, command_for
from pepperpy_provider_svc.upstreams.making import make_upstream
from pepperpy_schemas.chat import ChatMessage, ChatRequest, ResponseFormat
from pepperpy_schemas.errors import BadConfig, RequestRefused, UpstreamFailed

NO_KEY = Secret("")
QUESTION = "Name three animals."
ANIMAL = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 12},
        "legs": {"type": "integer", "minimum": 0, "maximum": 99},
    },
    "required": ["name", "legs"],
    "additionalProperties": False,
}


def ask(text: str, **options: Any) -> ChatRequest:
    asked = [ChatMessage("user", text)]
    return ChatRequest(messages=asked, **{"temperature": 0.0, "max_tokens": 24, **options})


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


async def gone(pid: int, within: float = 10.0) -> None:
    async with asyncio.timeout(within):
        while alive(pid):
            await asyncio.sleep(0.01)


@pytest.fixture
async def process() -> AsyncIterator[LocalProcess]:
    """The server of the installed model."""
    one = LocalProcess("local", command_for(str(model_file(None)), LOCAL_MODEL))
    try:
        yield one
    finally:
        await one.close()


@pytest.fixture
async def upstream() -> AsyncIterator[Local]:
    one = make_upstream("local", Provider(kind="local"))
    assert isinstance(one, Local)
    try:
        yield one
    finally:
        await one.close()


async def test_it_speaks_both_protocols_to_the_official_clients(process: LocalProcess) -> None:
    url = await process.url()
    asked: Any = [{"role": "user", "content": QUESTION}]
    async with (
        openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="x", max_retries=0) as one,
        anthropic.AsyncAnthropic(base_url=url, api_key="x", max_retries=0) as other,
    ):
        chat = await one.chat.completions.create(
            model=LOCAL_MODEL, messages=asked, max_tokens=48, temperature=0
        )
        text = chat.choices[0].message.content
        assert text
        assert chat.choices[0].finish_reason == "stop"
        assert chat.model == LOCAL_MODEL
        response = await one.responses.create(
            model=LOCAL_MODEL, input=QUESTION, max_output_tokens=48, temperature=0
        )
        # The SDK's own argument is gone; the parameter is not.
        message = await other.messages.create(
            model=LOCAL_MODEL, messages=asked, max_tokens=48, extra_body={"temperature": 0}
        )
        counted = await other.messages.count_tokens(model=LOCAL_MODEL, messages=asked)
    (block,) = message.content
    assert isinstance(block, anthropic.types.TextBlock)
    assert response.output_text == block.text == text
    assert message.stop_reason == "end_turn"
    assert chat.usage is not None
    assert counted.input_tokens == chat.usage.prompt_tokens


async def test_a_streamed_answer_is_the_whole_one_at_temperature_0(upstream: Local) -> None:
    for question in (QUESTION, "Why is the sky blue?"):
        whole = await upstream.complete(LOCAL_MODEL, ask(question), NO_KEY)
        chunks = [c async for c in upstream.stream(LOCAL_MODEL, ask(question), NO_KEY)]
        assert "".join(chunk.text for chunk in chunks) == whole.message.text != ""
        assert chunks[-1].finish == whole.finish
        assert chunks[-1].usage is not None
        assert chunks[-1].usage.output_tokens == whole.usage.output_tokens
    assert await upstream.models(NO_KEY) == [LOCAL_MODEL]
    assert await upstream.count(LOCAL_MODEL, ask(QUESTION), NO_KEY) is None


def test_a_request_that_says_nothing_of_its_answer_cannot_run_away() -> None:
    bare = restrained(ChatRequest(messages=[ChatMessage("user", QUESTION)]))
    assert (bare.temperature, bare.max_tokens) == (0.2, 256)
    said = ChatRequest(messages=[ChatMessage("user", QUESTION)], temperature=0, max_tokens=900)
    assert restrained(said) == said


async def test_an_answer_without_a_limit_ends(upstream: Local) -> None:
    request = ChatRequest(messages=[ChatMessage("user", "Count on for ever: 1, 2, 3,")], seed=1)
    answer = await upstream.complete(LOCAL_MODEL, request, NO_KEY)
    assert 0 < answer.usage.output_tokens <= 256


# The whole fifty are asked when somebody wants to know: PEPPERPY_TEST_ANSWERS=50.
async def test_every_structured_answer_fits_its_schema(upstream: Local) -> None:
    for n in range(int(os.environ.get("PEPPERPY_TEST_ANSWERS", "8"))):
        request = ask(
            f"Describe animal number {n} as JSON.",
            temperature=0.8,
            seed=n,
            max_tokens=64,
            response_format=ResponseFormat(ANIMAL),
        )
        answer = await upstream.complete(LOCAL_MODEL, request, NO_KEY)
        found = json.loads(answer.message.text)
        assert set(found) == {"name", "legs"}
        assert isinstance(found["name"], str)
        assert isinstance(found["legs"], int)


async def test_a_canceled_answer_frees_the_model_at_once(upstream: Local) -> None:
    endless = ask("Tell a very long story.", max_tokens=4000, response_format=None)
    async with contextlib.aclosing(upstream.stream(LOCAL_MODEL, endless, NO_KEY)) as story:
        while not (await anext(story)).text:
            pass
    async with asyncio.timeout(5):
        await upstream.complete(LOCAL_MODEL, ask("Hi.", max_tokens=1), NO_KEY)


async def test_it_makes_no_embeddings_and_says_so(upstream: Local) -> None:
    with pytest.raises(RequestRefused, match="makes no embeddings"):
        await upstream.embed(LOCAL_MODEL, ["text"], None, NO_KEY)


async def test_a_server_that_dies_is_started_again_and_those_who_ask_wait(
    upstream: Local, caplog: pytest.LogCaptureFixture
) -> None:
    first = await upstream.complete(LOCAL_MODEL, ask(QUESTION), NO_KEY)
    pid = upstream._process.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await gone(pid)
    # Until its end is noticed, what is asked of it fails, and is for the router to try again.
    async with asyncio.timeout(20):
        while upstream._process.pid in (pid, None):
            await asyncio.sleep(0.01)
    again = await upstream.complete(LOCAL_MODEL, ask(QUESTION), NO_KEY)
    assert again.message == first.message
    assert "local_model.ended" in caplog.text


async def test_its_process_ends_with_the_upstream(process: LocalProcess) -> None:
    await process.url()
    pid = process.pid
    assert pid is not None
    assert alive(pid)
    await process.close()
    assert not alive(pid)
    assert process.pid is None
    await process.close()
    with pytest.raises(UpstreamFailed, match="is closed"):
        await process.url()


async def test_who_waits_for_a_process_that_is_closed_waits_no_longer(
    process: LocalProcess,
) -> None:
    waiting = asyncio.create_task(process.url())
    await asyncio.sleep(0)
    await process.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_a_service_that_is_killed_leaves_no_process_behind() -> None:
    program = textwrap.dedent(
        """
        import asyncio, sys
        from pepperpy_provider_svc.upstreams.local import model_file
        from pepperpy_provider_svc.upstreams.local_process import LocalProcess, command_for

        async def main():
            process = LocalProcess("local", command_for(str(model_file(None)), "x"))
            await process.url()
            print(process.pid, flush=True)
            await asyncio.Event().wait()

        asyncio.run(main())
        """
    )
    service = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE
    )
    assert service.stdout is not None
    pid = int(await service.stdout.readline())
    assert alive(pid)
    service.kill()
    await service.wait()
    await gone(pid)


async def test_a_model_that_cannot_be_loaded_is_an_error_for_those_who_ask(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF and nothing more")
    one = make_upstream("local", Provider(kind="local", model=broken))
    try:
        with pytest.raises(UpstreamFailed, match=r"broken\.gguf cannot be loaded") as failed:
            await one.complete("broken", ask("Hi."), NO_KEY)
        assert failed.value.context["retry_after"] > 0
        began = time.monotonic()
        with pytest.raises(UpstreamFailed):
            await one.complete("broken", ask("Hi."), NO_KEY)
        assert time.monotonic() - began < 5
    finally:
        await one.close()
    assert "local_model.ended" in caplog.text


async def test_its_words_are_understood_though_its_log_is_written_around_them() -> None:
    torn = """
import os, time
os.write(2, b"0.00.004 E ")
os.write(1, b"%s\\n")
os.write(2, b"srv: loading\\n")
time.sleep(%d)
"""
    listening = LocalProcess("local", [sys.executable, "-c", torn % ("listening http://here", 60)])
    failing = LocalProcess("local", [sys.executable, "-c", torn % ("failed x is broken", 0)])
    try:
        async with asyncio.timeout(20):
            assert await listening.url() == "http://here"
        with pytest.raises(UpstreamFailed, match=r"before it listened: x is broken$"):
            await failing.url()
    finally:
        await listening.close()
        await failing.close()


async def test_a_process_that_says_nothing_is_an_error_too() -> None:
    process = LocalProcess("local", [sys.executable, "-c", "raise SystemExit(7)"])
    try:
        with pytest.raises(
            UpstreamFailed, match="ended with 7 before it listened: it said nothing"
        ):
            await process.url()
    finally:
        await process.close()


def test_what_is_missing_is_told_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BadConfig, match=r"there is no model .*x\.gguf"):
        model_file(tmp_path / "x.gguf")
    monkeypatch.setattr(local, "_PACKAGE", "llm_that_is_not_there")
    with pytest.raises(BadConfig, match="no local model is installed") as missing:
        model_file(None)
    cure = install("local", model=True)
    assert missing.value.hint == f"set OPENAI_API_KEY or ANTHROPIC_API_KEY, or: {cure}"
    monkeypatch.setattr(local, "_SERVER", "server_that_is_not_there")
    with pytest.raises(BadConfig, match="needs the package") as missing:
        make_upstream("local", Provider(kind="local"))
    assert missing.value.hint == cure
