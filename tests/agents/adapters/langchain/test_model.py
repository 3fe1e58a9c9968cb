"""The models of the bus as a chat model of LangChain."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from typing import Any, cast

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable, RunnableLambda
from langchain_core.tools import tool as langchain_tool
from pydantic import BaseModel

from pepperpy import Client, connect_sync, tool
from pepperpy.stack.broker import Broker
from pepperpy_agents.adapters.langchain import ChatPepperPy, langchain_agent
from pepperpy_provider_svc.upstreams.upstream import Chunk
from pepperpy_schemas.chat import ChatRequest, ResponseFormat, ToolResult, ToolSpec, Usage
from pepperpy_schemas.errors import BadConfig, BadOutput, BadPayload, StreamBroken, UnknownModel
from tests.agents.conftest import Working
from tests.agents.thinking.speaking import calls, says
from tests.provider_svc.asking import Planned, fails

USED = Usage(100, 20, cached_tokens=60, cache_write_tokens=5, reasoning_tokens=8)


@langchain_tool
def weather(city: str) -> str:
    """Tells the weather in a city."""
    return f"sunny in {city}"


async def test_a_conversation_is_answered_with_what_it_took(client: Client, model: Planned) -> None:
    model.plan = deque([says("Fine.", USED)])
    asked = [SystemMessage("Be short."), HumanMessage("How are you?")]
    reply = await ChatPepperPy(client=client, temperature=0.5, max_tokens=99).ainvoke(asked)
    assert isinstance(reply, AIMessage)
    assert reply.text == "Fine."
    assert reply.usage_metadata == {
        "input_tokens": 100,
        "output_tokens": 20,
        "total_tokens": 120,
        "input_token_details": {"cache_read": 60, "cache_creation": 5},
        "output_token_details": {"reasoning": 8},
    }
    assert reply.response_metadata["finish_reason"] == "stop"
    assert "/" in reply.response_metadata["model_name"]
    [(_, request, _)] = model.asked
    assert [one.role for one in request.messages] == ["system", "user"]
    assert (request.temperature, request.max_tokens) == (0.5, 99)


async def test_an_answer_comes_in_pieces_and_a_chain_passes_them_on(
    client: Client, model: Planned
) -> None:
    model.plan = deque([says("It rains in Lisbon.", USED)])
    chain = (
        ChatPromptTemplate.from_messages([("system", "Weather of {city}."), ("user", "{text}")])
        | ChatPepperPy(client=client)
        | StrOutputParser()
    )
    pieces = [one async for one in chain.astream({"city": "Lisbon", "text": "Today?"})]
    assert "".join(pieces) == "It rains in Lisbon."
    assert len([one for one in pieces if one]) > 1


async def test_the_last_piece_says_what_the_answer_took(client: Client, model: Planned) -> None:
    model.plan = deque([says("Well, then.", USED)])
    pieces = [one async for one in ChatPepperPy(client=client).astream("Well?")]
    total = sum(pieces[1:], pieces[0])
    assert total.usage_metadata is not None
    assert total.usage_metadata["output_tokens"] == 20
    assert total.response_metadata["finish_reason"] == "stop"


async def test_tools_are_bound_called_and_answered(client: Client, model: Planned) -> None:
    model.plan = deque([calls(("weather", {"city": "Lisbon"})), says("Sunny.")])

    @tool
    def double(number: int) -> int:
        """Doubles a number."""
        return 2 * number

    bound = ChatPepperPy(client=client).bind_tools([weather, double], tool_choice="any")
    asked = HumanMessage("How is it in Lisbon?")
    reply = await bound.ainvoke([asked])
    [call] = reply.tool_calls
    assert (call["name"], call["args"]) == ("weather", {"city": "Lisbon"})
    answered = await weather.ainvoke(call)
    assert (await bound.ainvoke([asked, reply, answered])).text == "Sunny."
    (_, first, _), (_, second, _) = model.asked
    assert [one.name for one in first.tools] == ["weather", "double"]
    assert first.tools[0].parameters["properties"]["city"]["type"] == "string"
    assert first.tools[1].description == "Doubles a number."
    assert first.tool_choice == "required"
    assert second.messages[-1].parts == [ToolResult(call["id"] or "", "sunny in Lisbon")]


async def test_streamed_calls_are_whole_in_the_sum_of_the_pieces(
    client: Client, model: Planned
) -> None:
    model.plan = deque([calls(("weather", {"city": "Rome"}), ("weather", "{"), text="I look. ")])
    pieces = [one async for one in ChatPepperPy(client=client).bind_tools([weather]).astream("?")]
    total = sum(pieces[1:], pieces[0])
    assert [one["args"] for one in total.tool_calls] == [{"city": "Rome"}, {}]
    assert total.text == "I look. "


async def test_a_call_with_broken_arguments_is_invalid_and_goes_back_as_it_was(
    client: Client, model: Planned
) -> None:
    model.plan = deque([calls(("weather", '{"city": ')), says("Sorry.")])
    asking = ChatPepperPy(client=client).bind_tools([weather])
    reply = await asking.ainvoke("?")
    [invalid] = reply.invalid_tool_calls
    assert invalid["args"] == '{"city": '
    said = ToolMessage("no JSON", tool_call_id=invalid["id"] or "", status="error")
    await asking.ainvoke([HumanMessage("?"), reply, said])
    [call] = model.asked[-1][1].messages[1].tool_calls
    assert call.arguments == '{"city": '


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("auto", "auto"),
        ("none", "none"),
        ("any", "required"),
        (True, "required"),
        ("weather", "weather"),
        ({"type": "function", "function": {"name": "weather"}}, "weather"),
    ],
)
async def test_the_choice_of_a_tool_is_said_in_our_words(
    client: Client, model: Planned, given: object, sent: str
) -> None:
    await ChatPepperPy(client=client).bind_tools([weather], tool_choice=given).ainvoke("?")
    assert model.asked[0][1].tool_choice == sent


async def test_no_such_choice_is_refused(client: Client) -> None:
    with pytest.raises(BadPayload, match="tool_choice is 7"):
        ChatPepperPy(client=client).bind_tools([weather], tool_choice=7)


class City(BaseModel):
    """A city."""

    name: str
    people: int


async def test_an_answer_has_the_form_that_was_asked_for(client: Client, model: Planned) -> None:
    model.plan = deque([says('{"name": "Porto", "people": 250000}')])
    asking = ChatPepperPy(client=client).with_structured_output(City)
    assert await asking.ainvoke("Which?") == City(name="Porto", people=250000)
    form = model.asked[0][1].response_format
    assert isinstance(form, ResponseFormat)
    assert form.name == "City"
    assert form.schema["required"] == ["name", "people"]
    as_dict = ChatPepperPy(client=client).with_structured_output(City.model_json_schema())
    assert await as_dict.ainvoke("Which?") == {"name": "Porto", "people": 250000}


async def test_the_raw_answer_comes_beside_what_was_read_of_it(
    client: Client, model: Planned
) -> None:
    model.plan = deque([says('{"name": "Porto", "people": 1}')])
    asking = ChatPepperPy(client=client).with_structured_output(City, include_raw=True)
    found = await asking.ainvoke("Which?")
    assert found["parsed"] == City(name="Porto", people=1)
    assert found["parsing_error"] is None
    assert found["raw"].usage_metadata["total_tokens"] == 120


async def test_an_answer_that_cannot_be_mended_is_an_error_of_ours(
    client: Client, model: Planned
) -> None:
    model.plan = deque([says("Porto.")])
    with pytest.raises(BadOutput):
        await ChatPepperPy(client=client).with_structured_output(City).ainvoke("Which?")


async def test_errors_are_those_of_the_provider_service(client: Client, model: Planned) -> None:
    with pytest.raises(UnknownModel):
        await ChatPepperPy(client=client, model="nobody").ainvoke("?")


async def test_a_stream_that_breaks_does_not_begin_anew(client: Client, model: Planned) -> None:
    model.plan = deque([fails(StreamBroken("broke"), after=2), says("Whole.")])
    pieces = ChatPepperPy(client=client).astream("?")
    with pytest.raises(StreamBroken):
        [piece async for piece in pieces]
    assert len(model.asked) == 1


async def test_without_a_client_and_a_task_there_is_nobody_to_ask() -> None:
    with pytest.raises(BadConfig, match="outside of a task, and without a client"):
        await ChatPepperPy().ainvoke("?")


async def test_leaving_a_stream_ends_the_request(client: Client, model: Planned) -> None:
    ended = asyncio.Event()

    async def endless(request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        try:
            while True:
                yield Chunk(text="on ")
                await asyncio.sleep(0.01)
        finally:
            ended.set()

    model.plan = deque([endless])
    stream = cast("AsyncGenerator[Any, None]", ChatPepperPy(client=client).astream("?"))
    await anext(stream)
    await stream.aclose()
    async with asyncio.timeout(8):
        await ended.wait()


async def test_scripts_ask_without_await(broker: Broker, prefix: str, model: Planned) -> None:
    model.plan = deque([says("Fine."), says("And you?")])

    def script() -> tuple[str, list[str]]:
        with connect_sync(broker.url, bus__prefix=prefix) as bus:
            asking = ChatPepperPy(client=bus)
            return asking.invoke("How?").text, [one.text for one in asking.stream("?")]

    whole, pieces = await asyncio.to_thread(script)
    assert whole == "Fine."
    assert "".join(pieces) == "And you?"


async def test_waiting_in_the_loop_of_the_bus_is_refused(client: Client, model: Planned) -> None:
    with pytest.raises(BadConfig, match="would stop the event loop"):
        ChatPepperPy(client=client).invoke("?")


async def test_a_coroutine_of_another_loop_is_refused(
    client: Client, broker: Broker, prefix: str, working: Working, model: Planned
) -> None:
    def script() -> None:
        with connect_sync(broker.url, bus__prefix=prefix) as bus:
            asyncio.run(ChatPepperPy(client=bus).ainvoke("?"))

    with pytest.raises(BadConfig, match="another event loop"):
        await asyncio.to_thread(script)
    inside: Runnable[str, Any] = RunnableLambda(
        lambda text: asyncio.run(ChatPepperPy().ainvoke(text))
    )
    async with working(langchain_agent("inside", inside, retries=0)):
        with pytest.raises(BadConfig, match="another event loop"):
            await client.run("inside", "?", wait="20s")


def test_a_tool_is_told_of_in_any_of_its_forms() -> None:
    from pepperpy_agents.adapters.langchain.model import tool_spec

    spec = ToolSpec("a", "b", {"type": "object"})
    assert tool_spec(spec) is spec
    assert tool_spec(City).name == "City"
