"""What providers get of a graph's conversation, in each protocol: they take it as it is."""

import json

import pytest
from langchain.agents import create_agent
from langchain_core.tools import tool as langchain_tool
from llmock.pytest_plugin import LLMock
from llmock.scenarios import Reply
from llmock.scenarios import ToolCall as Called

from pepperpy import Client
from pepperpy_agents.adapters.langchain import ChatPepperPy, langchain_agent
from tests.agents.conftest import Working
from tests.agents.thinking.test_protocols import DECLARATION, check
from tests.provider_svc.gateway.conftest import Serving
from tests.provider_svc.upstreams.speaking import KINDS, MODELS


@langchain_tool
def look(page: int) -> str:
    """Looks at a page."""
    return "" if page == 3 else f"page {page}"


@pytest.mark.parametrize("kind", KINDS)
async def test_calls_and_results_of_a_graph_are_a_conversation_that_providers_take(
    client: Client,
    working: Working,
    serving: Serving,
    llmock: LLMock,
    kind: str,
) -> None:
    url = llmock.base_url("anthropic" if kind == "anthropic" else "openai")
    llmock.add(
        Reply(
            text="Let me see.",
            tool_calls=(Called("look", {"page": 1}), Called("look", {"page": 3})),
        ),
        Reply(tool_calls=(Called("look", {"page": 1}),)),
        Reply(text="It says page 1."),
    )
    graph = create_agent(ChatPepperPy(max_tokens=500), [look], system_prompt="You read a book.")
    declaration = DECLARATION.format(kind=kind, url=url, model=MODELS[kind])
    agent = langchain_agent("reader", graph)
    async with serving(declaration=declaration, environ={"MOCK_KEY": "k"}), working(agent):
        assert await client.run("reader", "What does it say?", wait="30s") == "It says page 1."
    bodies = [one.body for one in llmock.requests]
    assert len(bodies) == 3
    for body in bodies:
        check(kind, body)
    assert "page 1" in json.dumps(bodies[2])
