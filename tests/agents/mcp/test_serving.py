"""Our agents and tools, called by the official client: over stdio, and over HTTP."""

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client as MCPClient
from mcp import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from pepperpy import Agent, Client, Context
from pepperpy.stack.broker import Broker
from tests.agents.conftest import Seen, Working, wait_until

TOKEN = "a-token-of-more-than-16-characters"  # not a secret


def agent() -> Agent:
    one = Agent("desk")

    @one.task("triage")
    async def triage(subject: str, ctx: Context) -> dict[str, str]:
        """Sorts a request."""
        await ctx.progress(0.5, "half way")
        if subject == "wait":
            await asyncio.Event().wait()
        if subject == "fail":
            raise ValueError("no such request")
        return {"queue": "billing", "subject": subject}

    return one


def arguments(broker: Broker, prefix: str, *more: str) -> list[str]:
    return ["-m", "pepperpy", "--nats", broker.url, "--prefix", prefix, "mcp", "serve", *more]


@contextlib.asynccontextmanager
async def served(broker: Broker, prefix: str, *more: str, mode: str = "auto") -> AsyncIterator[Any]:
    started = StdioServerParameters(command=sys.executable, args=arguments(broker, prefix, *more))
    async with MCPClient(started, mode=mode) as one:
        yield one


@contextlib.asynccontextmanager
async def http(
    broker: Broker, prefix: str, *more: str, at: str = "127.0.0.1:0", token: str = ""
) -> AsyncIterator[str]:
    """The address of a server of ours."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments(broker, prefix, "--http", at, *more),
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PEPPERPY_TOOLS_MCP_TOKEN": token},
    )
    assert process.stderr is not None
    try:
        said = b""
        while (found := re.search(rb"serving at (\S+)", said)) is None:
            line = await asyncio.wait_for(process.stderr.readline(), 30)
            assert line, said
            said += line
        yield found[1].decode()
    finally:
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.communicate(), 30)
        assert process.returncode == 0


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_agents_and_tools_are_listed_and_called_over_stdio(
    broker: Broker, prefix: str, working: Working, seen: Seen, mode: str
) -> None:
    async with (
        working(agent()),
        served(broker, prefix, "--agent", "triage", "--tool", "calculator", mode=mode) as one,
    ):
        listed = {tool.name: tool for tool in (await one.list_tools()).tools}
        assert set(listed) == {"triage", "calculator"}
        assert listed["triage"].description == "Sorts a request."
        assert listed["triage"].input_schema["properties"]["input"]["type"] == "string"
        told: list[Any] = []

        async def tell(progress: float, total: float | None, message: str | None) -> None:
            told.append((progress, message))

        done = await one.call_tool("triage", {"input": "late"}, progress_callback=tell)
        assert not done.is_error
        assert done.structured_content == {"queue": "billing", "subject": "late"}
        assert any("half way" in message for _, message in told)
        assert [at for at, _ in told] == sorted({at for at, _ in told})
        computed = await one.call_tool("calculator", {"expression": "6*7"})
        assert computed.structured_content == {"value": 42}
        failed = await one.call_tool("triage", {"input": "fail"})
        assert failed.is_error
        assert "no such request" in failed.content[0].text
        wrong = await one.call_tool("triage", {"input": 4})
        assert wrong.content[0].text.startswith("bad_arguments: triage does not take these")
        unknown = await one.call_tool("files_read", {"path": "/etc/passwd"})
        assert unknown.content[0].text.startswith("unknown_tool: ")
    names = [one.name for one in await seen.events("tool.*.triage")]
    assert sorted(names) == sorted(
        ["tool.called", "tool.completed", "tool.called", "tool.failed", "tool.refused"]
    )


async def test_what_is_not_granted_is_refused_and_told_of(
    broker: Broker, prefix: str, client: Client, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("the ferry")
    spec = f"files.read:{tmp_path}"
    started = StdioServerParameters(
        command=sys.executable, args=arguments(broker, prefix, "--tool", spec)
    )
    async with MCPClient(started) as one:
        read = await one.call_tool("files_read", {"path": f"{tmp_path}/a.txt"})
        assert "the ferry" in read.content[0].text  # type: ignore[union-attr]
        refused = await one.call_tool("files_read", {"path": "/etc/passwd"})
        assert refused.is_error
        assert refused.content[0].text.startswith("not_granted: ")  # type: ignore[union-attr]
    told = [one.name async for one in client.events("tool.>", since="1h", until_end=True)]
    assert sorted(told) == ["tool.called", "tool.completed", "tool.refused"]


async def test_what_tools_print_is_no_part_of_the_protocol(
    broker: Broker, prefix: str, tmp_path: Path
) -> None:
    code = """
import os, sys

print("imported")

def noisy() -> str:
    print("printed", flush=True)
    sys.__stdout__.write("written\\n")
    os.system("echo echoed; cat")
    return "quiet"
"""
    (tmp_path / "tools.py").write_text(code)
    async with served(broker, prefix, "--tool", f"{tmp_path}/tools.py:noisy") as one:
        for _ in range(2):
            said = await one.call_tool("noisy", {})
            assert said.content[0].text == "quiet"


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_canceled_call_cancels_its_task(
    broker: Broker, prefix: str, working: Working, seen: Seen, mode: str
) -> None:
    running = asyncio.Event()

    async def tell(progress: float, total: float | None, message: str | None) -> None:
        if "half way" in (message or ""):
            running.set()

    async with working(agent()), served(broker, prefix, "--agent", "triage", mode=mode) as one:
        call = asyncio.create_task(
            one.call_tool("triage", {"input": "wait"}, progress_callback=tell)
        )
        await asyncio.wait_for(running.wait(), 20)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        (canceled,) = await wait_until(lambda: seen.events("task.canceled.triage"), within=20)
        assert "MCP call" in json.dumps(canceled.data)


async def test_a_client_that_leaves_cancels_its_calls(
    broker: Broker, prefix: str, working: Working, seen: Seen
) -> None:
    running = asyncio.Event()

    async def tell(progress: float, total: float | None, message: str | None) -> None:
        running.set()

    async with working(agent()):
        async with served(broker, prefix, "--agent", "triage") as one:
            call = asyncio.create_task(
                one.call_tool("triage", {"input": "wait"}, progress_callback=tell)
            )
            await asyncio.wait_for(running.wait(), 20)
        await asyncio.gather(call, return_exceptions=True)
        assert await wait_until(lambda: seen.events("task.canceled.triage"), within=20)


async def test_over_http_the_same_with_progress_and_cancel(
    broker: Broker, prefix: str, working: Working, seen: Seen
) -> None:
    running = asyncio.Event()

    async def tell(progress: float, total: float | None, message: str | None) -> None:
        running.set()

    async with working(agent()), http(broker, prefix, "--agent", "triage") as url:
        async with MCPClient(url) as one:
            done = await one.call_tool("triage", {"input": "late"})
            assert done.structured_content == {"queue": "billing", "subject": "late"}
            call = asyncio.create_task(
                one.call_tool("triage", {"input": "wait"}, progress_callback=tell)
            )
            await asyncio.wait_for(running.wait(), 20)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
            assert await wait_until(lambda: seen.events("task.canceled.triage"), within=20)
        hello = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
        accept = {"accept": "application/json, text/event-stream"}
        port = url.split(":")[2].split("/")[0]
        async with httpx2.AsyncClient() as web:
            for headers, code in [
                ({"host": "evil.example"}, 421),
                ({"host": f"evil.example:{port}"}, 421),
                ({"origin": "https://evil.example"}, 403),
                ({"origin": f"http://127.0.0.1.evil.example:{port}"}, 403),
                ({"origin": "null"}, 403),
            ]:
                answer = await web.post(url, json=hello, headers={**accept, **headers})
                assert answer.status_code == code, headers


async def test_a_server_that_is_ended_cancels_what_was_asked(
    broker: Broker, prefix: str, working: Working, seen: Seen
) -> None:
    running = asyncio.Event()

    async def tell(progress: float, total: float | None, message: str | None) -> None:
        running.set()

    async def ask(url: str) -> None:
        async with MCPClient(url) as one:
            await one.call_tool("triage", {"input": "wait"}, progress_callback=tell)

    async with working(agent()):
        async with http(broker, prefix, "--agent", "triage") as url:
            asking = asyncio.create_task(ask(url))
            await asyncio.wait_for(running.wait(), 20)
        await asyncio.gather(asking, return_exceptions=True)
        assert await wait_until(lambda: seen.events("task.canceled.triage"), within=20)


async def test_with_a_token_nobody_else_is_let_in(broker: Broker, prefix: str) -> None:
    options = ("--tool", "calculator", "--allow-host", "127.0.0.1")
    async with http(broker, prefix, *options, at="0.0.0.0:0", token=TOKEN) as address:
        url = address.replace("0.0.0.0", "127.0.0.1")
        async with httpx2.AsyncClient() as web:
            for given in ({}, {"authorization": "Bearer wrong"}, {"authorization": TOKEN}):
                answer = await web.post(url, json={}, headers=given)
                assert answer.status_code == 401
                assert answer.headers["www-authenticate"] == "Bearer"
        async with (
            httpx2.AsyncClient(headers={"authorization": f"Bearer {TOKEN}"}) as web,
            MCPClient(streamable_http_client(url, http_client=web)) as one,
        ):
            computed = await one.call_tool("calculator", {"expression": "6*7"})
            assert computed.structured_content == {"value": 42}
