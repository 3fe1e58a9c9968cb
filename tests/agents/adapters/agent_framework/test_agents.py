"""Agents of Microsoft Agent Framework as agents on the bus, with models of llmock."""

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from agent_framework import Agent as TheirAgent
from agent_framework import AgentResponse, Message, ResponseStream, tool
from agent_framework.openai import OpenAIChatCompletionClient
from llmock.pytest_plugin import LLMock
from llmock.scenarios import Reply
from llmock.scenarios import ToolCall as Called
from pydantic import BaseModel

from pepperpy import Agent, Client, Context
from pepperpy_agents.adapters.agent_framework import agent_framework_agent, run_handler
from pepperpy_agents.loading import load_agent
from pepperpy_schemas.errors import BadConfig, BadPayload, Canceled
from tests.agents.conftest import Seen, Working

EXAMPLE = Path(__file__).parents[4] / "examples/agent_framework/weather.py"


async def told(client: Client, task_id: str) -> tuple[str, list[Any]]:
    """What a watcher of a task saw: its text, and everything else."""
    text, others = "", []
    async for update in client.watch(task_id):
        if update.token is not None and update.token.t:
            text += update.token.t
        elif update.token is not None and not update.token.end:
            others.append(msgspec.json.decode(update.token.data))
    return text, others


@tool(approval_mode="never_require")
def weather(city: str) -> str:
    """Tells the weather in a city."""
    if city == "Atlantis":
        raise ValueError("no such city")
    return f"sunny in {city}"


def guide(**more: Any) -> TheirAgent:
    model = OpenAIChatCompletionClient(model="gpt-4o")
    return TheirAgent(client=model, name="guide", tools=[weather], **more)


async def test_the_first_agent_of_the_documentation_runs_on_the_bus(
    client: Client, working: Working, llmock: LLMock, seen: Seen
) -> None:
    llmock.add(
        Reply(tool_calls=(Called("get_weather", {"location": "Lisbon"}),)),
        Reply(text="It is fine in Lisbon."),
        Reply(text="As I said."),
    )
    async with working(load_agent(f"{EXAMPLE}:agent")):
        task_id = await client.submit("weather", "How is it in Lisbon?", key="ann")
        assert await client.result(task_id, wait="20s") == "It is fine in Lisbon."
        assert await client.run("weather", "Again?", key="ann", wait="20s") == "As I said."
    text, others = await told(client, task_id)
    assert text == "It is fine in Lisbon."
    assert [(one["tool"], one["state"]) for one in others] == [
        ("get_weather", "called"),
        ("get_weather", "done"),
    ]
    [began] = await seen.named(task_id, "tool.called")
    [ended] = await seen.named(task_id, "tool.completed")
    assert (began.event.data["agent"], ended.event.data["tool"]) == ("weather", "get_weather")
    # The second task of the key goes on with the conversation of the first.
    assert "It is fine in Lisbon." in json.dumps(llmock.requests[2].body, ensure_ascii=False)


@pytest.mark.parametrize("granted", ["Rome", "Oslo"])
async def test_a_tool_that_needs_what_is_not_granted_is_not_called(
    client: Client, working: Working, llmock: LLMock, seen: Seen, granted: str
) -> None:
    llmock.add(Reply(tool_calls=(Called("weather", {"city": "Rome"}),)), Reply(text="Well."))
    agent = agent_framework_agent(
        "guide",
        guide(),
        grants=[f"weather.read:{granted}"],
        needs={"weather": lambda given: f"weather.read:{given['city']}"},
    )
    async with working(agent):
        task_id = await client.submit("guide", "How is it?")
        assert await client.result(task_id, wait="20s") == "Well."
    verb, said = ("called", "sunny") if granted == "Rome" else ("refused", "not granted")
    [event] = await seen.named(task_id, f"tool.{verb}")
    assert event.event.data["scopes"] == ["weather.read:Rome"]
    assert said in json.dumps(llmock.requests[1].body)


async def test_a_tool_that_fails_is_told_of(
    client: Client, working: Working, llmock: LLMock, seen: Seen
) -> None:
    llmock.add(Reply(tool_calls=(Called("weather", {"city": "Atlantis"}),)), Reply(text="None."))
    async with working(agent_framework_agent("guide", guide())):
        task_id = await client.submit("guide", "How is it?")
        assert await client.result(task_id, wait="20s") == "None."
    [failed] = await seen.named(task_id, "tool.failed")
    assert failed.event.data["code"] == "handler_error"


class City(BaseModel):
    name: str


async def test_an_answer_with_a_form_is_an_object(
    client: Client, working: Working, llmock: LLMock
) -> None:
    llmock.add(Reply(text='{"name": "Faro"}'))
    theirs = guide(default_options={"response_format": City})
    async with working(agent_framework_agent("city", theirs, topics=["town"])):
        assert await client.run("town", {"text": "Where?"}, wait="20s") == {"name": "Faro"}


async def test_a_conversation_may_be_asked(
    client: Client, working: Working, llmock: LLMock
) -> None:
    llmock.add(Reply(text="Fine.", times=3))
    said = [
        {"role": "user", "content": "Hi."},
        {"role": "assistant", "content": "Hello."},
        Message("user", ["Well?"]).to_dict(),
    ]
    agent = Agent("chat")
    agent.task("chat")(run_handler(guide()))
    agent.task("last")(run_handler(guide(), write=lambda response: response.text))
    async with working(agent):
        for data in (said, {"messages": said}):
            ended = await client.run("chat", data, wait="20s")
            assert ended["messages"][-1]["contents"][0]["text"] == "Fine."
        assert await client.run("last", said, wait="20s") == "Fine."
    sent = [(one["role"], one["content"]) for one in llmock.requests[0].body["messages"]]
    assert [role for role, _ in sent] == ["user", "assistant", "user"]


@pytest.mark.parametrize(
    "data", [7, [], {"question": "?"}, [{"role": "nobody", "content": ""}], [{"contents": 7}]]
)
async def test_what_is_no_question_is_refused(client: Client, working: Working, data: Any) -> None:
    async with working(agent_framework_agent("guide", Bare())):
        with pytest.raises(BadPayload):
            await client.run("guide", data, wait="20s")


async def test_a_task_that_is_repeated_after_its_answer_was_kept_does_not_ask_again(
    client: Client, working: Working, llmock: LLMock
) -> None:
    llmock.add(Reply(text="One."))
    inner = run_handler(guide(), keep=True)
    agent, attempts = Agent("talk"), []

    @agent.task("talk", retries=1, retry_delay=0.01)
    async def talk(data: Any, ctx: Context) -> Any:
        said = await inner(data, ctx)
        attempts.append(said)
        if len(attempts) == 1:
            raise ConnectionError("the worker is gone")
        return said

    async with working(agent):
        assert await client.run("talk", "A?", key="ann", wait="20s") == "One."
    assert (attempts, len(llmock.requests)) == (["One.", "One."], 1)


class Bare:
    """An agent of somebody's own, as the framework's protocol asks for: it waits for ever."""

    id, name, description = "bare", "bare", None

    def __init__(self) -> None:
        self.begun, self.ended = asyncio.Event(), asyncio.Event()

    def run(self, messages: Any = None, *, stream: bool = False, session: Any = None) -> Any:
        async def updates() -> Any:
            self.begun.set()
            try:
                await asyncio.Event().wait()
                yield None
            finally:
                self.ended.set()

        return ResponseStream(updates(), finalizer=AgentResponse.from_updates)

    def create_session(self, *, session_id: str | None = None) -> Any:
        raise NotImplementedError

    def get_session(self, service_session_id: Any, *, session_id: str | None = None) -> Any:
        raise NotImplementedError


async def test_a_cancellation_reaches_any_agent(client: Client, working: Working) -> None:
    bare = Bare()
    async with working(agent_framework_agent("bare", bare)):
        task_id = await client.submit("bare", "Wait.")
        await asyncio.wait_for(bare.begun.wait(), 8)
        assert await client.cancel(task_id)
        await asyncio.wait_for(bare.ended.wait(), 8)
        with pytest.raises(Canceled):
            await client.result(task_id, wait="20s")


def test_tools_that_cannot_be_guarded_are_not_said_to_be() -> None:
    with pytest.raises(BadConfig, match="cannot be guarded"):
        agent_framework_agent("bare", Bare(), needs={"weather": "weather"})
