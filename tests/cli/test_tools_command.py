"""`pepperpy tools`: the tools of this machine and of the bus."""

import asyncio
import contextlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pepperpy import connect
from pepperpy.stack.broker import Broker
from pepperpy_agents.tools import tool
from pepperpy_agents.tools.services import serve_tools
from tests.cli.inline import Inline


@tool(name="weather.today", needs="weather:{city}")
def weather(city: str, days: int = 1) -> dict[str, int | str]:
    """Tells the weather. It is always sunny.

    Args:
        city: Where.
    """
    return {"city": city, "days": days}


@contextlib.contextmanager
def offering(broker: Broker, prefix: str) -> Iterator[None]:
    """The tool on the bus, offered by another loop, as another process would."""
    ready = threading.Event()
    loop = asyncio.new_event_loop()
    done = asyncio.Event()

    async def offer() -> None:
        async with (
            connect(broker.url, bus__prefix=prefix) as client,
            serve_tools(client, [weather], grants=["weather:Lisbon"]),
        ):
            ready.set()
            await done.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(offer(),))
    thread.start()
    try:
        assert ready.wait(10)
        yield
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(10)
        loop.close()


def test_the_built_in_tools_are_listed_without_a_broker(
    prefix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = Inline("nats://127.0.0.1:1", prefix, capsys)
    rows = nowhere.json("tools", "ls", "--built-in")
    assert {"calculator", "files.read", "http.get"} <= {row["tool"] for row in rows}
    assert {row["where"] for row in rows} == {"built in"}
    assert nowhere.run("tools", "ls") != 0
    assert "nats://127.0.0.1:1" in nowhere.err or "127.0.0.1:1" in nowhere.err


def test_a_built_in_tool_is_shown_and_called(inline: Inline) -> None:
    shown = inline.json("tools", "show", "calculator")
    assert shown["parameters"]["required"] == ["expression"]
    assert inline.run("tools", "show", "calculator") == 0
    assert inline.out.startswith("calculator\n\nComputes an arithmetic expression")
    assert inline.json("tools", "call", "calculator", "expression=6*7")["result"] == {"value": 42}
    assert inline.run("tools", "call", "calculator", '{"expression":"6*7"}') == 0
    assert json.loads(inline.out) == {"value": 42}


def test_nothing_is_granted_but_what_is_written(inline: Inline, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("the ferry")
    path = f"path={tmp_path}/a.txt"
    assert inline.run("tools", "call", "files.read", path) == 1
    assert f"files.read needs files.read:{tmp_path}/a.txt, which is not granted" in inline.err
    for grant in (
        [f"files.read:{tmp_path}", path],
        ["files.read", path, "--grant", f"files.read:{tmp_path}"],
    ):
        assert inline.run("tools", "call", *grant) == 0
        assert "the ferry" in inline.out
    assert inline.run("tools", "call", f"files.read:{tmp_path}", "path=/etc/hostname") == 1


def test_a_tool_of_a_file_is_called(inline: Inline, tmp_path: Path) -> None:
    file = tmp_path / "tools_of_a_test.py"
    file.write_text("def double(n: int) -> int:\n    return 2 * n\n")
    assert inline.json("tools", "call", f"{file}:double", "n:=4")["result"] == 8
    assert inline.run("tools", "call", f"{file}:double", "n=4") == 1
    assert "$.n: Input should be a valid integer" in inline.err


def test_what_is_offered_on_the_bus_is_listed_shown_and_called(
    inline: Inline, broker: Broker, prefix: str
) -> None:
    assert inline.run("tools", "show", "service:weather.today") == 1
    assert "nobody offers the tool weather.today on the bus" in inline.err
    with offering(broker, prefix):
        (row,) = [row for row in inline.json("tools", "ls") if row["where"] == "bus"]
        assert (row["tool"], row["does"]) == ("service:weather.today", "Tells the weather.")
        shown = inline.json("tools", "show", "service:weather.today")
        assert shown["parameters"] == weather.parameters
        called = inline.json("tools", "call", "service:weather.today", "city=Lisbon", "days:=3")
        assert called["result"] == {"city": "Lisbon", "days": 3}
        assert inline.run("tools", "call", "service:weather.today", "city=Porto") == 1
        assert "weather.today needs weather:Porto, which is not granted" in inline.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["show", "nope"], "there is no tool 'nope'"),
        (["call", "files", "path=/x"], "name one of them: files.list, files.read"),
        (["show", "agent:triage"], "pepperpy publish triage"),
        (["call", "memory.search", "text=x"], "within a task only"),
    ],
)
def test_what_cannot_be_called_here_is_told(
    inline: Inline, arguments: list[str], told: str
) -> None:
    assert inline.run("tools", *arguments) != 0
    assert told in inline.err
