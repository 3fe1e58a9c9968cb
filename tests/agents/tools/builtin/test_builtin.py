"""The table of built-in tools: each is there, harmless until granted, and imported when wanted."""

import subprocess
import sys

import pytest

from pepperpy_agents.tools import Toolbox, ToolUse
from pepperpy_agents.tools.builtin import BUILTIN
from pepperpy_agents.tools.resolving import built_in, resolve
from pepperpy_schemas.chat import ToolCall
from pepperpy_schemas.codec import encode

HARMLESS = {"calculator", "clock"}
ARGUMENTS = {
    "files.list": {"path": "/"},
    "files.read": {"path": "/etc/hostname"},
    "files.search": {"path": "/etc", "text": "root"},
    "files.write": {"path": "/tmp/x", "text": "x"},
    "http.get": {"url": "http://example.org/"},
    "http.post": {"url": "http://example.org/", "body": ""},
    "memory.put": {"text": "x"},
    "memory.search": {"text": "x"},
    "postgres.query": {"database": "crm", "statement": "SELECT 1"},
    "python.run": {"code": "1"},
    "shell.run": {"argv": ["id"]},
    "sql.query": {"path": "/data/a.db", "statement": "SELECT 1"},
}


@pytest.mark.parametrize("name", BUILTIN)
def test_each_tool_is_where_the_table_says(name: str) -> None:
    tool = built_in(name)
    assert tool.name == name
    assert tool.description
    assert tool.parameters["additionalProperties"] is False


@pytest.mark.parametrize("name", sorted(set(BUILTIN) - HARMLESS))
async def test_nothing_is_granted_by_default(name: str) -> None:
    toolbox = Toolbox([built_in(name)])
    call = ToolCall("c1", name, encode(ARGUMENTS[name]).decode())
    result = await toolbox.run(call, ToolUse(caller="tester"))
    assert result.error
    assert result.content.startswith("not_granted:")


@pytest.mark.parametrize(
    ("spec", "names", "granted"),
    [
        ("files.read:/data", ["files.read"], ["files.read:/data"]),
        (
            "files:/data",
            ["files.list", "files.read", "files.search", "files.write"],
            ["files:/data"],
        ),
        ("http.get:example.org", ["http.get"], ["http.get:example.org"]),
        ("shell.run:git", ["shell.run"], ["shell.run:git"]),
        ("sql.query:/data/a.db", ["sql.query"], ["sql.query:/data/a.db"]),
        ("postgres.query:crm", ["postgres.query"], ["postgres.query:crm"]),
        ("python.run", ["python.run"], []),
    ],
)
def test_what_authors_write_names_tools_and_grants(
    spec: str, names: list[str], granted: list[str]
) -> None:
    tools, grants = resolve(spec)
    assert sorted(one.name for one in tools) == names
    assert [str(one) for one in grants.scopes] == granted


def test_no_client_is_imported_before_it_is_used() -> None:
    code = (
        "import sys, importlib\n"
        "from pepperpy_agents.tools.builtin import BUILTIN\n"
        "for place in BUILTIN.values(): importlib.import_module(place.partition(':')[0])\n"
        "heavy = {'httpcore2', 'anyio', 'asyncpg', 'pydantic'}\n"
        "print(heavy & set(sys.modules))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "set()\n"
