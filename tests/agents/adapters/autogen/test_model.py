"""The models of the bus as a model client of AutoGen."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_core import CancellationToken, FunctionCall
from autogen_core.models import CreateResult, SystemMessage, UserMessage
from autogen_core.tools import FunctionTool
from pydantic import BaseModel

from pepperpy import Client
from pepperpy_agents.adapters.autogen import PepperPyChatCompletionClient
from pepperpy_provider_svc.upstreams.upstream import Chunk
from pepperpy_schemas.chat import ChatRequest
from pepperpy_schemas.errors import BadConfig, BadOutput, StreamBroken
from tests.agents.thinking.speaking import calls, says
from tests.provider_svc.asking import Planned, fails

ASKED = [SystemMessage(content="Be short."), UserMessage(content="How is it?", source="user")]


async def weather(city: str) -> str:
    """Tells the weather in a city."""
    return f"sunny in {city}"


WEATHER = FunctionTool(weather, "Tells the weather in a city.")


async def test_a_conversation_is_answered_and_what_it_took_is_counted(
    client: Client, model: Planned
) -> None:
    model.plan = deque([says("Fine.")])
    ours = PepperPyChatCompletionClient(client=client, temperature=0.5, max_tokens=99)
    reply = await ours.create(ASKED, extra_create_args={"max_tokens": 50})
    assert (reply.content, reply.finish_reason) == ("Fine.", "stop")
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (100, 20)
    await ours.create(ASKED)
    assert ours.total_usage().prompt_tokens == ours.actual_usage().prompt_tokens == 200
    request = model.asked[0][1]
    assert [one.role for one in request.messages] == ["system", "user"]
    assert (request.temperature, request.max_tokens) == (0.5, 50)
    await ours.close()
    assert (await ours.create(ASKED)).content == "Fine."


async def test_tools_may_be_called_and_one_be_chosen(client: Client, model: Planned) -> None:
    model.plan = deque([calls(("weather", {"city": "Rome"}), text="I look.")])
    ours = PepperPyChatCompletionClient(client=client)
    reply = await ours.create(ASKED, tools=[WEATHER, {"name": "bare"}], tool_choice=WEATHER)
    [call] = reply.content
    assert isinstance(call, FunctionCall)
    assert (call.name, call.arguments) == ("weather", '{"city":"Rome"}')
    assert (reply.thought, reply.finish_reason) == ("I look.", "function_calls")
    request = model.asked[0][1]
    assert request.tools[0].parameters["properties"]["city"]["type"] == "string"
    assert [one.name for one in request.tools] == ["weather", "bare"]
    assert request.tool_choice == "weather"


class City(BaseModel):
    name: str


async def test_an_answer_has_the_form_that_was_asked_for(client: Client, model: Planned) -> None:
    model.plan = deque([says('{"name": "Faro"}'), says("no"), says("nor this")])
    ours = PepperPyChatCompletionClient(client=client)
    assert (await ours.create(ASKED, json_output=City)).content == '{"name": "Faro"}'
    form = model.asked[0][1].response_format
    assert form is not None
    assert (form.name, form.schema["required"]) == ("City", ["name"])
    with pytest.raises(BadOutput):
        await ours.create(ASKED, json_output=True)


async def test_an_answer_comes_in_pieces_and_then_whole(client: Client, model: Planned) -> None:
    model.plan = deque([says("It rains in Rome.")])
    ours = PepperPyChatCompletionClient(client=client)
    *pieces, whole = [one async for one in ours.create_stream(ASKED)]
    assert isinstance(whole, CreateResult)
    assert len(pieces) > 1
    assert "".join(map(str, pieces)) == whole.content == "It rains in Rome."
    assert ours.total_usage().completion_tokens == 20


async def test_calls_that_are_streamed_are_whole_at_the_end(client: Client, model: Planned) -> None:
    model.plan = deque([calls(("weather", {"city": "Rome"}))])
    ours = PepperPyChatCompletionClient(client=client)
    [whole] = [one async for one in ours.create_stream(ASKED, tools=[WEATHER])]
    assert isinstance(whole, CreateResult)
    assert [one.name for one in whole.content if isinstance(one, FunctionCall)] == ["weather"]


async def test_an_answer_that_breaks_after_a_piece_is_an_error(
    client: Client, model: Planned
) -> None:
    model.plan = deque([fails(StreamBroken(), after=1), says("Anew.")])
    ours = PepperPyChatCompletionClient(client=client)
    with pytest.raises(StreamBroken):
        _ = [one async for one in ours.create_stream(ASKED)]


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_token_that_is_canceled_ends_the_request(
    client: Client, model: Planned, streamed: bool
) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def endless(request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        begun.set()
        try:
            while True:
                yield Chunk(text="on ")
                await asyncio.sleep(0.01)
        finally:
            ended.set()

    model.plan = deque([endless])
    ours, token = PepperPyChatCompletionClient(client=client), CancellationToken()

    async def asked() -> None:
        if streamed:
            async for _ in ours.create_stream(ASKED, cancellation_token=token):
                pass
        else:
            await ours.create(ASKED, cancellation_token=token)

    asking = asyncio.create_task(asked())
    await asyncio.wait_for(begun.wait(), 8)
    token.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await asyncio.wait_for(ended.wait(), 8)
    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(asked())


async def test_an_agent_of_autogen_uses_it_in_a_program(client: Client, model: Planned) -> None:
    model.plan = deque([calls(("weather", {"city": "Rome"})), says("Sunny.")])
    agent = AssistantAgent(
        "guide",
        PepperPyChatCompletionClient(client=client),
        tools=[weather],
        reflect_on_tool_use=True,
        model_client_stream=True,
    )
    ended = await agent.run(task="How is it in Rome?")
    assert ended.messages[-1].to_text() == "Sunny."


async def test_tokens_are_reckoned_where_the_window_is_known(client: Client) -> None:
    ours = PepperPyChatCompletionClient(client=client, context_window=8_000)
    few, many = ours.count_tokens(ASKED), ours.count_tokens(ASKED, tools=[WEATHER])
    assert 0 < few < many
    assert ours.remaining_tokens(ASKED) == 8_000 - few
    with pytest.raises(BadConfig, match="is not known"):
        PepperPyChatCompletionClient(client=client).remaining_tokens(ASKED)


async def test_outside_of_a_task_it_wants_a_client() -> None:
    with pytest.raises(BadConfig, match="without a client"):
        await PepperPyChatCompletionClient().create(ASKED)
