"""Tools of AutoGen as ours, ours as AutoGen's, and agents as tools and as model clients."""

import asyncio
from collections import deque
from typing import Any

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_core import CancellationToken
from autogen_core.models import AssistantMessage, CreateResult, SystemMessage, UserMessage
from autogen_core.tools import FunctionTool, StaticWorkbench
from autogen_core.tools import Tool as AutoGenTool

from pepperpy import Agent, Client, Context, tool
from pepperpy_agents.adapters.autogen import (
    BusChatCompletionClient,
    BusTool,
    PepperPyChatCompletionClient,
    autogen_agent,
    autogen_tools,
    from_autogen,
)
from pepperpy_agents.thinking.agent import LLMAgent
from pepperpy_agents.tools.running import Toolbox
from pepperpy_agents.tools.tool import ToolUse
from pepperpy_schemas.chat import ToolCall
from pepperpy_schemas.errors import (
    BadConfig,
    BadPayload,
    Rejected,
    StreamBroken,
    ToolFailed,
)
from tests.agents.conftest import Seen, Working, wait_until
from tests.agents.thinking.speaking import calls, says
from tests.provider_svc.asking import Planned

TOKEN = CancellationToken()
USE = ToolUse(caller="test")


async def weather(city: str) -> str:
    """Tells the weather in a city."""
    if city == "Atlantis":
        raise ValueError("no such city")
    return f"sunny in {city}"


WEATHER = FunctionTool(weather, "Tells the weather in a city.", name="weather tool")


# --- tools ---------------------------------------------------------------------------------------


async def test_a_tool_of_autogen_is_one_of_ours(
    client: Client, working: Working, model: Planned, seen: Seen
) -> None:
    model.plan = deque([calls(("weather_tool", {"city": "Rome"})), says("Sunny.")])
    async with working(LLMAgent("guide", "You tell the weather.", tools=[WEATHER])):
        task_id = await client.submit("guide", "How is it in Rome?")
        assert await client.result(task_id, wait="20s") == "Sunny."
    assert model.asked[1][1].messages[-1].parts[0].content == "sunny in Rome"  # type: ignore[union-attr] # a result
    [_] = await seen.named(task_id, "tool.completed")


@pytest.mark.parametrize(
    ("arguments", "content", "error"),
    [
        ('{"city": "Rome"}', "sunny in Rome", False),
        ('{"city": "Oslo"}', "not granted", True),
        ('{"city": "Atlantis"}', "no such city", True),
        ("{}", "city", True),
    ],
)
async def test_it_may_be_said_what_it_needs(arguments: str, content: str, error: bool) -> None:
    ours = from_autogen(WEATHER, needs=lambda given: [f"weather.read:{given['city']}"])
    box = Toolbox([ours], grants=["weather.read:Rome", "weather.read:Atlantis"])
    result = await box.run(ToolCall("c1", "weather_tool", arguments), USE)
    assert result.error == error
    assert content in result.content


async def test_a_tool_of_autogen_is_canceled_with_its_call() -> None:
    tokens: list[CancellationToken] = []
    begun = asyncio.Event()

    async def waits(cancellation_token: CancellationToken) -> str:
        tokens.append(cancellation_token)
        begun.set()
        await asyncio.Event().wait()
        return ""

    ours = from_autogen(FunctionTool(waits, "Waits."), needs=["some.thing"])
    assert list(ours.needs({})) == ["some.thing"]
    calling = asyncio.create_task(ours.call({}, USE))
    await asyncio.wait_for(begun.wait(), 8)
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    assert tokens[0].is_cancelled()


async def test_tools_of_ours_are_autogens_under_grants() -> None:
    @tool(needs=["desk.stamp"])
    def stamp(text: str) -> str:
        """Stamps a text."""
        return f"*{text}*"

    [calculator, stamped] = autogen_tools("calculator", stamp)
    assert isinstance(calculator, AutoGenTool)
    assert calculator.schema["parameters"]["properties"]["expression"]
    assert await calculator.run_json({"expression": "6*7"}, TOKEN) == '{"value":42}'
    given = calculator.args_type().model_validate({"expression": "1+1"})
    assert await calculator.run(given, TOKEN) == '{"value":2}'
    with pytest.raises(ToolFailed, match="not granted"):
        await stamped.run_json({"text": "x"}, TOKEN)
    [granted] = autogen_tools(stamp, grants=["desk.stamp"])
    result = await StaticWorkbench([granted]).call_tool("stamp", {"text": "x"})
    assert (result.to_text(), result.is_error) == ("*x*", False)


async def test_a_tool_of_autogen_may_be_had_under_grants_too() -> None:
    [ours] = autogen_tools(from_autogen(WEATHER, needs=["weather.read"]))
    with pytest.raises(ToolFailed, match="not granted"):
        await ours.run_json({"city": "Rome"}, TOKEN)


def test_a_tool_that_waits_in_the_journal_is_refused() -> None:
    with pytest.raises(BadConfig, match="journal"):
        autogen_tools("agent:triage")


# --- agents as tools -----------------------------------------------------------------------------


async def test_an_agent_is_a_tool_of_another_and_its_child(
    client: Client, working: Working, model: Planned
) -> None:
    desk, parents = Agent("desk"), []

    @desk.task("desk-open")
    async def opened(data: dict[str, Any], ctx: Context) -> Any:
        parents.append(ctx.parent)
        return {"number": 7} if data["text"] == "parcel" else "none"

    def made() -> AssistantAgent:
        ours = BusTool("desk-open", "Opens a ticket.")
        return AssistantAgent(
            "front", PepperPyChatCompletionClient(), tools=[ours], reflect_on_tool_use=True
        )

    model.plan = deque([calls(("desk-open", {"text": "parcel"})), says("It is 7.")])
    async with working(desk), working(autogen_agent("front", made)):
        task_id = await client.submit("front", "My parcel is late.")
        assert await client.result(task_id, wait="20s") == "It is 7."
        assert await BusTool("desk-open", "?", client=client).run_json({"text": ""}, TOKEN) == (
            "none"
        )
    assert parents == [task_id, ""]
    [result] = model.asked[1][1].messages[-1].parts
    assert result.content == '{"number":7}'  # type: ignore[union-attr] # a result


async def test_a_tool_that_is_canceled_cancels_the_agent(client: Client, working: Working) -> None:
    agent, begun, ended = Agent("slow"), asyncio.Event(), asyncio.Event()

    @agent.task("slow")
    async def slow(data: Any, ctx: Context) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    token = CancellationToken()
    async with working(agent):
        asking = asyncio.create_task(
            BusTool("slow", "Waits.", name="wait", client=client).run_json({"text": "?"}, token)
        )
        await asyncio.wait_for(begun.wait(), 8)
        token.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await asyncio.wait_for(ended.wait(), 8)


# --- agents as model clients ---------------------------------------------------------------------


def desk() -> Agent:
    agent = Agent("triage")

    @agent.task("triage")
    async def triage(data: dict[str, Any], ctx: Context) -> Any:
        if data["text"] == "fail":
            raise Rejected("no tickets today")
        if data["text"] == "number":
            return {"number": 7}
        await ctx.stream("To the ")
        await ctx.stream("desk.")
        return f"To the desk. {len(data.get('conversation', []))}"

    return agent


async def test_an_agent_answers_as_a_model_does(client: Client, working: Working) -> None:
    ours = BusChatCompletionClient("triage", client=client)
    said = [
        SystemMessage(content="You are helpful."),
        UserMessage(content="Hi.", source="user"),
        AssistantMessage(content="Hello.", source="triage"),
        UserMessage(content="My parcel?", source="user"),
    ]
    async with working(desk()):
        reply = await ours.create(said)
        assert (reply.content, reply.finish_reason) == ("To the desk. 2", "stop")
        *pieces, whole = [one async for one in ours.create_stream(said)]
        assert isinstance(whole, CreateResult)
        assert "".join(map(str, pieces)) == "To the desk."
        assert whole.content == "To the desk. 2"
        number = await ours.create([UserMessage(content="number", source="user")])
        assert number.content == '{"number":7}'
        with pytest.raises(Rejected, match="no tickets"):
            await ours.create([UserMessage(content="fail", source="user")])
    assert ours.total_usage().prompt_tokens == ours.actual_usage().prompt_tokens == 0
    assert ours.count_tokens(said) > 0
    await ours.close()


async def test_what_an_agent_cannot_be_asked_is_refused(client: Client) -> None:
    ours = BusChatCompletionClient("triage", client=client)
    asked = [UserMessage(content="Hi.", source="user")]
    with pytest.raises(BadPayload, match="its own tools"):
        await ours.create(asked, tools=[WEATHER])
    with pytest.raises(BadPayload, match="nothing is asked"):
        await ours.create([SystemMessage(content="Obey.")])
    with pytest.raises(BadConfig, match="triage"):
        ours.remaining_tokens(asked)
    with pytest.raises(ValueError, match="function calling"):
        AssistantAgent("triage", ours, tools=[weather])


async def test_an_agent_of_ours_has_a_part_in_a_team_of_theirs(
    client: Client, working: Working, model: Planned
) -> None:
    model.plan = deque([says("Rome is sunny.")])
    guide = LLMAgent("guide", "You tell the weather.")

    def made() -> AssistantAgent:
        return AssistantAgent("guide", BusChatCompletionClient("guide"), model_client_stream=True)

    async with working(guide), working(autogen_agent("front", made)):
        assert await client.run("front", "How is it in Rome?", wait="20s") == "Rome is sunny."
    assert [one.text for one in model.asked[0][1].messages][-1] == "How is it in Rome?"


async def test_a_stream_of_an_agent_that_begins_anew_is_an_error(
    client: Client, working: Working
) -> None:
    agent, attempts = Agent("twice"), []

    @agent.task("twice", retries=1, retry_delay=0.01)
    async def twice(data: Any, ctx: Context) -> str:
        attempts.append(ctx.attempt)
        await ctx.stream("Well, ")
        if len(attempts) == 1:
            # Watchers hear of this attempt before the next one begins.
            await wait_until(lambda: heard)
            raise ConnectionError("gone")
        return "done"

    heard: list[Any] = []
    ours = BusChatCompletionClient("twice", client=client)

    async def listen() -> None:
        async for piece in ours.create_stream([UserMessage(content="?", source="user")]):
            heard.append(piece)

    async with working(agent):
        with pytest.raises(StreamBroken):
            await listen()
