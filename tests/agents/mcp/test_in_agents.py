"""Agents that think with tools of an MCP server, whose life is their worker's."""

import json
import signal
from collections import deque
from pathlib import Path

import pytest

from pepperpy import Client
from pepperpy.stack.broker import Broker
from pepperpy_agents.thinking import LLMAgent
from pepperpy_schemas.chat import ToolResult
from tests.agents.conftest import Seen, Working, wait_until
from tests.agents.mcp.conftest import STDIO, Declare
from tests.agents.thinking.conftest import model  # noqa: F401 - a fixture
from tests.agents.thinking.speaking import calls, says
from tests.provider_svc.asking import Planned
from tests.provider_svc.gateway.conftest import serving  # noqa: F401 - a fixture
from tests.running import gone
from tests.worker_processes import Start

YAML = """
name: clerk
instructions: Add.
tools: [mcp:demo]
"""


async def test_a_model_is_told_of_the_tools_calls_them_and_the_server_ends_with_the_worker(
    client: Client,
    working: Working,
    model: Planned,  # noqa: F811 - the fixture
    seen: Seen,
    declare: Declare,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PEPPERPY_TOOLS_MCP", str(declare(demo=STDIO)))
    model.plan = deque(
        [
            calls(("mcp_demo_process", "{}"), ("mcp_demo_add", '{"a":2,"b":3}')),
            says("Five."),
        ]
    )
    async with working(LLMAgent("clerk", "Add.", tools=["mcp:demo"])):
        task = await client.submit("clerk", "2 and 3?")
        assert await client.result(task, wait="30s") == "Five."
        [(_, first, _), (_, second, _)] = model.asked
        assert {"mcp_demo_add", "mcp_demo_fail"} <= {one.name for one in first.tools}
        results = [
            json.loads(part.content)["result"]
            for message in second.messages
            for part in message.parts
            if isinstance(part, ToolResult)
        ]
        assert results[1] == 5
        assert not gone(results[0])
    assert gone(results[0])
    (called,) = await seen.events("tool.completed.mcp_demo_add")
    assert called.data["scopes"] == ["mcp:demo.add"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_a_worker_that_ends_anyhow_leaves_no_server(
    broker: Broker,
    client: Client,
    workers: Start,
    declare: Declare,
    tmp_path: Path,
    number: signal.Signals,
) -> None:
    marks = tmp_path / "processes"
    path = declare(demo={**STDIO, "env": {"MARKS": str(marks)}})
    (tmp_path / "clerk.yaml").write_text(YAML)
    worker = workers(broker.url, "clerk.yaml", env={"PEPPERPY_TOOLS_MCP": str(path)})
    # What its tools take is looked up before the model is asked, of whom there is none here.
    await client.submit("clerk", "2 and 3?")
    await wait_until(lambda: marks.exists() and marks.read_text().count("\n") == 2, within=30)
    server, child = map(int, marks.read_text().split())
    assert not gone(child)
    worker.send(number)
    worker.ended(40)
    await wait_until(lambda: gone(server) and gone(child), within=20)
