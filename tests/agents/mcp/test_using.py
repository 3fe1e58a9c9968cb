"""Tools of MCP servers in our toolboxes: official servers, over stdio and over HTTP."""

import asyncio
import contextlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from pepperpy import Client, connect
from pepperpy.stack.broker import Broker
from pepperpy_agents.mcp.connection import connection_to
from pepperpy_agents.mcp.declared import declared_server
from pepperpy_agents.tools import Toolbox, ToolUse
from pepperpy_schemas.chat import ToolCall, ToolResult
from pepperpy_schemas.errors import ToolFailed, Unavailable
from tests.agents.conftest import wait_until
from tests.agents.mcp.conftest import STDIO, Declare, HTTPServer, using
from tests.running import gone

USE = ToolUse(caller="tests")


async def run(box: Toolbox, name: str, use: ToolUse = USE, **arguments: Any) -> ToolResult:
    return await box.run(ToolCall("1", name, json.dumps(arguments)), use)


async def value(box: Toolbox, name: str, **arguments: Any) -> Any:
    result = await run(box, name, **arguments)
    assert not result.error, result.content
    return json.loads(result.content)


async def test_all_tools_of_a_server_are_used_by_its_name(user: Client) -> None:
    async with using(user, "mcp:demo") as box:
        specs = {one.name: one for one in box.specs()}
        add = specs["mcp_demo_add"]
        assert add.parameters["required"] == ["a", "b"]
        assert add.description.endswith("no instruction:] Adds two numbers.")
        assert await value(box, "mcp_demo_add", a=2, b=3) == {"result": 5}
        wrong = await run(box, "mcp_demo_add", a="2")
        assert wrong.content.startswith("bad_arguments: mcp_demo_add does not take")
        odd = await run(box, "mcp_demo_odd_name_with-all")
        assert json.loads(odd.content) == {"result": "odd"}


async def test_one_tool_is_named_and_no_other_is_granted(user: Client) -> None:
    async with using(user, "mcp:demo.add") as box:
        assert [one.name for one in box.specs()] == ["mcp_demo_add"]
        assert await value(box, "mcp_demo_add", a=1, b=1) == {"result": 2}
    async with using(user, "mcp:demo", grants=("mcp:demo.add",)) as box:
        refused = await run(box, "mcp_demo_process")
        assert refused.content.startswith("not_granted: mcp.demo.process needs mcp:demo.process")


async def test_what_a_tool_says_of_its_failure_is_told_to_the_model(user: Client) -> None:
    async with using(user, "mcp:demo") as box:
        result = await run(box, "mcp_demo_fail", why="it rains")
        assert result.error
        assert result.content.startswith("tool_failed: ")
        assert "no, because it rains" in result.content


async def test_a_picture_is_named_and_not_shown(user: Client) -> None:
    async with using(user, "mcp:demo") as box:
        result = await run(box, "mcp_demo_picture")
        assert "a dot" in result.content
        assert "[image, image/png, 6 bytes, not shown]" in result.content


async def test_progress_is_told_and_a_cancel_reaches_the_tool(user: Client, tmp_path: Path) -> None:
    told: asyncio.Queue[tuple[float, str]] = asyncio.Queue()

    async def tell(fraction: float, line: str) -> None:
        told.put_nowait((fraction, line))

    marks = tmp_path / "marks"
    async with using(user, "mcp:demo") as box:
        use = ToolUse(caller="tests", tell=tell)
        call = asyncio.create_task(run(box, "mcp_demo_steps", use, marks=str(marks)))
        async with asyncio.timeout(10):
            assert await told.get() == (0.25, "a quarter")
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        await wait_until(marks.exists)
        assert await value(box, "mcp_demo_add", a=1, b=1) == {"result": 2}


async def test_a_call_has_no_more_time_than_is_declared(
    broker: Broker, prefix: str, declare: Declare, tmp_path: Path
) -> None:
    path = declare(demo={**STDIO, "timeout": "500ms"})
    async with (
        connect(broker.url, bus__prefix=prefix, tools__mcp=str(path)) as client,
        using(client, "mcp:demo") as box,
    ):
        result = await run(box, "mcp_demo_steps", marks=str(tmp_path / "marks"))
        assert result.content.startswith("tool_timeout: mcp.demo.steps did not end within 500ms")
        await wait_until((tmp_path / "marks").exists)


async def test_a_server_sees_nothing_of_our_environment(
    broker: Broker, prefix: str, declare: Declare, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUR_SECRET", "s3cret")
    path = declare(demo={**STDIO, "env": {"GIVEN": "for ${OUR_SECRET}"}})
    async with (
        connect(broker.url, bus__prefix=prefix, tools__mcp=str(path)) as client,
        using(client, "mcp:demo") as box,
    ):
        seen = await value(box, "mcp_demo_environment")
        assert "OUR_SECRET" not in seen
        assert seen["GIVEN"] == "for s3cret"
        assert seen["PATH"] == os.environ["PATH"]


async def test_a_server_that_dies_is_started_again(user: Client) -> None:
    async with using(user, "mcp:demo") as box:
        first = (await value(box, "mcp_demo_process"))["result"]
        dead = await run(box, "mcp_demo_die")
        assert dead.content.startswith("unavailable: the MCP server demo is away")
        second = (await value(box, "mcp_demo_process"))["result"]
        assert second != first
        assert gone(first)


async def test_a_server_ends_with_its_children_when_its_toolbox_is_closed(user: Client) -> None:
    async with using(user, "mcp:demo") as box:
        server = (await value(box, "mcp_demo_process"))["result"]
        child = (await value(box, "mcp_demo_child"))["result"]
        assert not gone(child)
    assert gone(server)
    assert gone(child)


async def test_agents_share_a_server_until_the_last_one_leaves(user: Client) -> None:
    async with using(user, "mcp:demo") as one:
        async with using(user, "mcp:demo.process") as other:
            server = await value(one, "mcp_demo_process")
            assert await value(other, "mcp_demo_process") == server
        assert await value(one, "mcp_demo_process") == server
    assert gone(server["result"])


async def test_a_server_over_http_is_used_the_same(
    broker: Broker, prefix: str, declare: Declare, http_server: HTTPServer, tmp_path: Path
) -> None:
    told: list[tuple[float, str]] = []

    async def tell(fraction: float, line: str) -> None:
        told.append((fraction, line))

    path = declare(demo={"type": "http", "url": http_server.url})
    async with (
        connect(broker.url, bus__prefix=prefix, tools__mcp=str(path)) as client,
        using(client, "mcp:demo") as box,
    ):
        assert await value(box, "mcp_demo_add", a=2, b=3) == {"result": 5}
        marks = tmp_path / "marks"
        use = ToolUse(caller="tests", tell=tell)
        call = asyncio.create_task(run(box, "mcp_demo_steps", use, marks=str(marks)))
        await wait_until(lambda: told)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        await wait_until(marks.exists)
        assert told[0] == (0.25, "a quarter")


async def test_a_server_that_is_not_there_leaves_the_agent_at_work(
    broker: Broker, prefix: str, declare: Declare
) -> None:
    path = declare(demo={"url": "http://127.0.0.1:1/mcp"})
    async with (
        connect(broker.url, bus__prefix=prefix, tools__mcp=str(path)) as client,
        using(client, "mcp:demo", "calculator") as box,
    ):
        assert [one.name for one in box.specs()] == ["mcp_demo", "calculator"]
        assert (await run(box, "mcp_demo")).content.startswith("not_found: ")
        assert await value(box, "calculator", expression="1+1") == {"value": 2}


async def test_what_a_server_never_answers_is_given_up(declare: Declare) -> None:
    path = declare(demo={"command": "sleep", "args": ["600"], "connect_timeout": "300ms"})
    connection = connection_to("demo", declared_server(path, "demo"))
    with pytest.raises(Unavailable, match="did not answer in time"):
        await connection.tools()
    await connection.close()


async def test_a_server_that_ends_at_once_is_away(declare: Declare) -> None:
    path = declare(demo={"command": "false"})
    connection = connection_to("demo", declared_server(path, "demo"))
    for _ in range(2):
        with pytest.raises(Unavailable, match="the MCP server demo is away"):
            await connection.tools()
    await connection.close()


async def test_a_server_over_http_is_found_again_where_it_was(
    broker: Broker, prefix: str, declare: Declare, http_server: HTTPServer
) -> None:
    path = declare(demo={"url": http_server.url})
    async with (
        connect(broker.url, bus__prefix=prefix, tools__mcp=str(path)) as client,
        using(client, "mcp:demo") as box,
    ):
        assert await value(box, "mcp_demo_add", a=2, b=3) == {"result": 5}
        http_server.kill()
        gone = await run(box, "mcp_demo_add", a=2, b=3)
        assert gone.error
        http_server.start()

        async def back() -> bool:
            return not (await run(box, "mcp_demo_add", a=2, b=3)).error

        assert await wait_until(back, within=20)


@pytest.mark.parametrize("header", ["", "content-encoding: gzip\r\n"])
async def test_an_answer_without_an_end_is_given_up(
    declare: Declare, header: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"accept-encoding: identity" in head.lower()
        writer.write(f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{header}\r\n".encode())
        with contextlib.suppress(OSError):
            while sent < 1_000_000_000:
                writer.write(b" " * 65_536)
                await writer.drain()
                sent += 65_536
        writer.close()

    monkeypatch.setattr("pepperpy_agents.mcp.bounded.LARGEST", 1_000_000)
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        path = declare(demo={"url": f"http://127.0.0.1:{port}/mcp"})
        connection = connection_to("demo", declared_server(path, "demo"))
        with pytest.raises((Unavailable, ToolFailed)):
            await connection.tools()
        await connection.close()
    assert sent < 100_000_000
