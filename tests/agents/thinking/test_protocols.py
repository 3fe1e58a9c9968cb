"""What providers get of a long task, in each protocol: no call without a result, no empty turn."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from llmock.pytest_plugin import LLMock
from llmock.scenarios import Reply
from llmock.scenarios import ToolCall as Called
from pydantic import BaseModel, field_validator

from pepperpy import Client
from pepperpy.stack.broker import Broker
from pepperpy_agents.thinking import Answer, Limits, LLMAgent
from pepperpy_agents.tools import tool
from tests.agents.conftest import Working
from tests.memory_svc.memory_service import remembering
from tests.provider_svc.gateway.conftest import Serving
from tests.provider_svc.upstreams.speaking import KINDS, MODELS

DECLARATION = """
[providers.mock]
kind = "{kind}"
base_url = "{url}"
keys = [{{env = "MOCK_KEY"}}]

[models.default]
targets = ["mock/{model}"]
"""


class City(BaseModel):
    city: str

    @field_validator("city")
    @classmethod
    def _is_large(cls, value: str) -> str:
        if value == "Bonn":
            raise ValueError("too small")
        return value


@tool
def look(page: int) -> str:
    """Looks at a page."""
    return "" if page == 2 else f"page {page}"


@pytest.fixture(autouse=True)
async def memory(broker: Broker, prefix: str) -> AsyncIterator[None]:
    async with remembering(broker.url, prefix):
        yield


@pytest.mark.parametrize("kind", KINDS)
async def test_a_long_task_is_a_conversation_that_providers_take(
    client: Client, working: Working, serving: Serving, llmock: LLMock, kind: str
) -> None:
    url = llmock.base_url("anthropic" if kind == "anthropic" else "openai")
    looks = (Called("look", {"page": 1}), Called("look", {"page": 2}))
    llmock.add(
        Reply(text="Let me see.", tool_calls=looks),
        Reply(text='{"city":"Bonn"}'),
        Reply(tool_calls=(Called("look", {"page": 3}), Called("look", {"page": 4}))),
        Reply(text='{"city":"Cologne"}'),
        Reply(text='{"city":"Berlin"}'),
    )
    await client.memory.put("Cologne has a cathedral.", source="guide.md")
    agent = LLMAgent(
        "cities",
        "Choose a city.",
        tools=[look],
        memory={"top_k": 2},
        sessions=True,
        output_type=City,
        handoffs=["other"],
        limits=Limits(tool_calls=3),
        options={"max_tokens": 500},
        details=True,
    )
    declaration = DECLARATION.format(kind=kind, url=url, model=MODELS[kind])
    async with serving(declaration=declaration, environ={"MOCK_KEY": "k"}), working(agent):
        first = await client.run("cities", "Which?", key="c1", type=Answer, wait="30s")
        second = await client.run("cities", "And now?", key="c1", type=Answer, wait="30s")
    assert (first.output, first.stopped, first.turns) == ({"city": "Cologne"}, "tool_calls", 4)
    assert second.output == {"city": "Berlin"}
    bodies = [one.body for one in llmock.requests]
    assert len(bodies) == 5
    for body in bodies:
        check(kind, body)
    asked = json.dumps(bodies[4])
    assert "Cologne" in asked
    assert "And now?" in asked


def check(kind: str, body: dict[str, Any]) -> None:
    """Refuses what the real providers refuse."""
    if kind == "openai-responses":
        items = body["input"]
        wanted = [one["call_id"] for one in items if one.get("type") == "function_call"]
        given = [one["call_id"] for one in items if one.get("type") == "function_call_output"]
        assert wanted == given
        return
    messages = body["messages"]
    if kind == "anthropic":
        # Two of one role in a row are taken as one.
        assert all(one["content"] for one in messages)
        assert messages[0]["role"] == "user"
    for n, one in enumerate(messages):
        calls = _calls(one)
        if calls:
            assert calls == _results(messages, n + 1)
        elif one["role"] == "assistant":
            assert one["content"]


def _calls(message: dict[str, Any]) -> list[str]:
    if "tool_calls" in message:
        return [one["id"] for one in message["tool_calls"]]
    return [one["id"] for one in _blocks(message) if one["type"] == "tool_use"]


def _results(messages: list[dict[str, Any]], start: int) -> list[str]:
    found = []
    for one in messages[start:]:
        if one["role"] == "tool":
            found.append(one["tool_call_id"])
            continue
        blocks = [block for block in _blocks(one) if block["type"] == "tool_result"]
        return found or [block["tool_use_id"] for block in blocks]
    return found


def _blocks(message: dict[str, Any]) -> list[dict[str, Any]]:
    content = message["content"]
    return [one for one in content if isinstance(one, dict)] if isinstance(content, list) else []
