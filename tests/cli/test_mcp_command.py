"""`pepperpy mcp`: what is declared, and what cannot be served. `tests/agents/mcp` calls what is."""

import json
import sys
from pathlib import Path

import pytest

from pepperpy_agents.mcp.guarding import accepted, refuse_open
from pepperpy_bus.files import write_secret
from pepperpy_schemas.errors import BadConfig
from tests.cli.inline import Inline

SERVER = Path(__file__).parents[1] / "agents" / "mcp" / "server.py"


@pytest.fixture
def declared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "servers.toml"
    write_secret(path, f"[demo]\ncommand = {json.dumps(sys.executable)}\nargs = ['{SERVER}']\n")
    monkeypatch.setenv("PEPPERPY_TOOLS_MCP", str(path))


@pytest.mark.usefixtures("declared")
def test_servers_and_their_tools_are_listed_without_a_broker(
    prefix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = Inline("nats://127.0.0.1:1", prefix, capsys)
    (row,) = nowhere.json("mcp", "ls")
    assert row == {"server": "demo", "where": f"{sys.executable} {SERVER}"}
    rows = nowhere.json("mcp", "ls", "demo")
    assert {"mcp:demo.add", "mcp:demo.fail"} <= {row["tool"] for row in rows}
    assert nowhere.run("mcp", "ls", "other") == 1
    assert "there is no MCP server 'other'" in nowhere.err


@pytest.mark.usefixtures("declared")
def test_a_tool_of_a_server_is_shown_and_called(inline: Inline) -> None:
    assert inline.json("tools", "show", "mcp:demo.add")["name"] == "mcp.demo.add"
    assert inline.json("tools", "call", "mcp:demo.add", "a:=2", "b:=3")["result"] == {"result": 5}
    assert inline.run("tools", "show", "mcp:demo") == 2
    assert "name one of them: mcp.demo.add" in " ".join(inline.err.split())


def test_what_cannot_be_served_is_said(inline: Inline) -> None:
    for arguments, why in [
        ((), "name what is offered"),
        (("--tool", "calculator", "--http", "here"), "is no HOST:PORT"),
        (("--agent", "nobody"), "no worker has ever announced topic nobody"),
        (("--tool", "agent:nobody"), "works within a task only"),
        (("--tool", "service:nobody"), "nobody offers the tool nobody on the bus"),
        (("--tool", "calculator", "--http", "0.0.0.0:0"), "without a token"),
    ]:
        assert inline.run("mcp", "serve", *arguments) != 0
        assert why in " ".join(inline.err.split()), arguments


def test_what_is_open_to_others_needs_a_token_and_a_name() -> None:
    for host in ("127.0.0.1", "localhost", "::1", "127.1.2.3"):
        refuse_open(host, "", ())
    for host, token, names in [
        ("192.168.0.1", "", ()),
        ("0.0.0.0", "", ("a.example",)),
        ("0.0.0.0", "t" * 16, ()),
        ("", "t" * 16, ()),
        ("127.0.0.1", "short", ()),
        ("127.0.0.1.evil.example", "", ()),
    ]:
        with pytest.raises(BadConfig):
            refuse_open(host, token, names)


def test_names_that_callers_may_use() -> None:
    here = accepted("127.0.0.1", 80, ("proxy.example", "other.example:8080"))
    assert here.allowed_hosts == [
        *("127.0.0.1:80", "localhost:80", "[::1]:80"),
        *("proxy.example", "proxy.example:80", "other.example:8080"),
    ]
    assert "https://proxy.example" in here.allowed_origins
    assert accepted("fe80::1", 80, ()).allowed_hosts == ["[fe80::1]:80"]
