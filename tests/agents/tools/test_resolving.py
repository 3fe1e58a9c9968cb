"""What an agent's author writes, which tools that names, and what it grants."""

from pathlib import Path

import pytest

from pepperpy_agents.tools import Grants, Toolbox, ToolUse, tool
from pepperpy_agents.tools.resolving import built_in, built_in_names, resolve, resolve_all
from pepperpy_schemas.chat import ToolCall
from pepperpy_schemas.errors import BadConfig, BadName


def named(spec: str, base: Path | None = None) -> tuple[list[str], list[str]]:
    tools, granted = resolve(spec, base=base)
    return [one.name for one in tools], [str(one) for one in granted.scopes]


@pytest.mark.parametrize(
    ("spec", "tools", "granted"),
    [
        ("calculator", ["calculator"], []),
        ("files.read:/data", ["files.read"], ["files.read:/data"]),
        ("files.read", ["files.read"], []),
        (
            "files:/data",
            ["files.list", "files.read", "files.search", "files.write"],
            ["files:/data"],
        ),
        ("http.get:*.example.org", ["http.get"], ["http.get:*.example.org"]),
        ("memory.search", ["memory.search"], ["memory.search"]),
        ("memory.search:papers", ["memory.search"], ["memory.search:papers"]),
        ("agent:triage", ["agent.triage"], ["agent:triage"]),
        ("service:weather.today", ["weather.today"], ["service:weather_today"]),
    ],
)
def test_a_spec_names_tools_and_grants_what_is_written(
    spec: str, tools: list[str], granted: list[str]
) -> None:
    assert named(spec) == (tools, granted)


def test_relative_paths_begin_where_the_spec_is_written(tmp_path: Path) -> None:
    assert named("files.read:./papers", tmp_path)[1] == [f"files.read:{tmp_path}/papers"]


def test_tools_of_modules_are_found_beside_the_file_that_names_them(tmp_path: Path) -> None:
    (tmp_path / "shop_tools_here.py").write_text(
        "from pepperpy import tool\n\n"
        "@tool\ndef orders(customer: str) -> str:\n    return customer\n\n"
        "def plain(n: int) -> int:\n    return n\n\n"
        "number = 4\n"
    )
    assert named("shop_tools_here.py:orders", tmp_path) == (["orders"], [])
    assert named("shop_tools_here.py:plain", tmp_path) == (["plain"], [])
    for wrong in ("number", "nothing"):
        with pytest.raises(BadConfig, match="has no tool named"):
            resolve(f"shop_tools_here.py:{wrong}", base=tmp_path)
    with pytest.raises(BadConfig, match="there is no file"):
        resolve("elsewhere.py:orders", base=tmp_path)


def test_functions_and_tools_stand_for_themselves() -> None:
    def plain(n: int) -> int:
        return n

    one = tool(plain)
    assert resolve(one) == ((one,), Grants())
    assert [found.name for found in resolve(plain)[0]] == ["plain"]
    tools, granted = resolve_all([one, one, "files.read:/a", "files.read:/b"])
    assert [found.name for found in tools] == ["plain", "files.read"]
    assert [str(scope) for scope in granted.scopes] == ["files.read:/a", "files.read:/b"]


@pytest.mark.parametrize("spec", ["", "nope", "nope:", "rm -rf /", "../x:y", "a b:c", "files.rea"])
def test_what_there_is_not_is_told_with_what_there_is(spec: str) -> None:
    with pytest.raises(BadConfig) as refused:
        resolve(spec)
    assert "there is no tool" in str(refused.value)
    assert "calculator" in refused.value.hint


@pytest.mark.parametrize("spec", ["agent:", "agent:a.b", "agent:*", "service:", "service:a b"])
def test_names_that_cannot_travel_are_refused(spec: str) -> None:
    with pytest.raises((BadConfig, BadName)):
        resolve(spec)


@pytest.mark.parametrize("name", built_in_names())
async def test_every_built_in_tool_is_there_and_says_what_it_is(name: str) -> None:
    one = built_in(name)
    assert one.name == name
    assert one.description
    assert one.parameters.get("additionalProperties") is False
    result = await Toolbox([one]).run(
        ToolCall("1", one.alias, '{"no_such_argument":1}'), ToolUse(caller="tests")
    )
    assert result.content.startswith("bad_arguments")
