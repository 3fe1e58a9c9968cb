"""The provider service as processes: replicas that die, and keys that nobody else sees."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from pepperpy import Client, connect
from pepperpy.stack.broker import Broker
from pepperpy_bus.streams.reading import all_on
from pepperpy_schemas.chat import Delta, End
from pepperpy_schemas.errors import PepperError, StreamBroken, Unavailable
from tests.agents.conftest import wait_until
from tests.provider_svc.upstreams.raw_server import Exchange, raw_server
from tests.running import Up, start_up  # noqa: F401 - a fixture

DECLARATION = """
[providers.script]
kind = "scripted"
script = "answers.yaml"

[models.default]
targets = ["script/any"]
"""
CANARY = "sk-canary-7f3a9e51c2"
"""A key that must be nowhere but in the provider's process and in what it sends upstream."""

Replica = asyncio.subprocess.Process


@pytest.fixture
async def replicas(
    broker: Broker, prefix: str, tmp_path: Path
) -> AsyncIterator[Callable[..., Awaitable[list[Replica]]]]:
    """Starts replicas of the service, and waits until they serve."""
    started: list[Replica] = []
    (tmp_path / "models.toml").write_text(DECLARATION)

    async def start(answers: str, count: int) -> list[Replica]:
        (tmp_path / "answers.yaml").write_text(answers)
        for _ in range(count):
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "pepperpy", "provider", "run"),
                *("--declaration", "models.toml"),
                cwd=tmp_path,
                env={
                    **os.environ,
                    "PEPPERPY_NATS_URL": broker.url,
                    "PEPPERPY_BUS_PREFIX": prefix,
                },
            )
            started.append(process)
        return started

    yield start
    for process in started:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(process.wait(), 20) == 0


async def up(client: Client, count: int) -> None:
    async def look() -> bool:
        return len(await client.registry.instances(agent="provider")) == count

    await wait_until(look, within=30)


async def test_replicas_share_requests_and_a_killed_one_ends_its_streams_for_their_callers(
    replicas: Callable[..., Awaitable[list[Replica]]], broker: Broker, prefix: str
) -> None:
    drip = ", ".join("{text: x, after: 0.2}" for _ in range(15))
    async with connect(broker.url, bus__prefix=prefix) as client:
        first, _ = await replicas(f"- chunks: [{drip}]", 2)
        await up(client, 2)
        begun = 0

        async def ask() -> str:
            nonlocal begun
            ended = ""
            with contextlib.suppress(StreamBroken, Unavailable):
                async for item in client.llm.stream("hi", idle=2):
                    begun += isinstance(item, Delta) and not ended
                    ended = "end" if isinstance(item, End) else "begun"
                return ended
            return "error"

        asking = [asyncio.create_task(ask()) for _ in range(40)]
        await wait_until(lambda: begun == 40, within=20)
        first.kill()
        ends = await asyncio.wait_for(asyncio.gather(*asking), 30)
    assert set(ends) == {"end", "error"}
    # Each had about half of them.
    assert 5 <= ends.count("error") <= 35


async def test_a_replica_finishes_what_runs_when_it_is_told_to_stop(
    replicas: Callable[..., Awaitable[list[Replica]]], broker: Broker, prefix: str
) -> None:
    async with connect(broker.url, bus__prefix=prefix) as client:
        [only] = await replicas("- chunks: [{text: one}, {text: ' two', after: 0.5}]", 1)
        await up(client, 1)
        text = ""
        async for item in client.llm.stream("hi"):
            if isinstance(item, Delta):
                text += item.text
                if only.returncode is None and text == "one":
                    only.send_signal(signal.SIGTERM)
        assert text == "one two"
        assert await asyncio.wait_for(only.wait(), 10) == 0


AGENT = """
from pepperpy import Agent, Context

agent = Agent("askers")

@agent.task("ask", retries=0)
async def ask(text: str, ctx: Context) -> str:
    reply = await ctx.step("draft", ctx.llm.chat, text)
    return reply.text

@agent.task("environment")
async def environment(nothing: None) -> dict[str, str]:
    import os
    return dict(os.environ)
"""


async def test_a_key_is_seen_by_nobody_but_its_provider(
    start_up: Callable[..., Awaitable[Up]],  # noqa: F811 - the fixture
    tmp_path: Path,
) -> None:
    """What the upstream shows of the key in its errors must not travel either."""
    heard: list[str] = []

    async def upstream(exchange: Exchange) -> None:
        heard.append(exchange.request)
        if b"fail" in exchange.body:
            wrong = {"error": {"message": f"bad key {CANARY} of yours", "type": "x", "code": "y"}}
            await exchange.answer(json.dumps(wrong).encode(), status=401)
            return
        said = {
            "id": "c",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": f"you use {CANARY}"},
                    "finish_reason": "stop",
                }
            ],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        }
        await exchange.answer(json.dumps(said).encode())

    (tmp_path / "askers.py").write_text(AGENT)
    async with raw_server(upstream) as server:
        stack = await start_up(
            *("askers.py:agent", "--workers", "1", "--port", "0"),
            OPENAI_API_KEY=CANARY,
            OPENAI_BASE_URL=f"{server.url}/v1",
            PEPPERPY_LOG_LEVEL="debug",
        )
        await stack.is_ready()
        password = (Path(stack.ready["folder"]) / "secrets/operator").read_text().strip()
        login = {"nats__user": "operator", "nats__password": password}
        async with connect(stack.url, nats__inbox_prefix="_INBOX_operator", **login) as bus:
            with contextlib.suppress(PepperError):
                await bus.run("ask", "fail", wait=20)
            environment = await bus.run("environment", wait=20)
            with contextlib.suppress(PepperError):
                await bus.llm.chat("fail")
            status = await bus.llm.status()
            kept = await everything(bus)
        shown = await _config_show(tmp_path, stack)
    assert any(CANARY in request for request in heard), "the provider did use it"
    assert sum(one.failures for one in status.targets) >= 1
    assert CANARY not in json.dumps(environment)
    assert CANARY not in stack.text
    assert CANARY not in shown
    assert len(kept) > 10
    assert [subject for subject, body in kept if CANARY.encode() in body] == []


async def everything(bus: Client) -> list[tuple[str, bytes]]:
    """Every message of every stream, headers and bodies."""
    from pepperpy_bus.streams.topology import Limits, streams

    found = []
    for config in streams(bus.prefix, Limits()):
        with contextlib.suppress(PepperError):
            for one in await all_on(bus.connection, config["name"], ">", limit=10_000):
                found.append((one.subject, one.body + repr(dict(one.headers)).encode()))
    return found


async def _config_show(folder: Path, stack: Up) -> str:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pepperpy", "--nats", stack.url, "config", "show", "--origin"),
        cwd=folder,
        env={**os.environ, "OPENAI_API_KEY": CANARY},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    return out.decode()
