"""Tools of LangChain as ours, and ours as LangChain's."""

import asyncio
from collections import deque
from typing import Annotated, Any

import pytest
from langchain_core.messages import ToolMessage
from langchain_core.tools import InjectedToolArg, StructuredTool, ToolException
from langchain_core.tools import tool as langchain_tool
from pydantic import BaseModel

from pepperpy import Client, ToolUse, tool
from pepperpy_agents.adapters.langchain import from_langchain, langchain_tools
from pepperpy_agents.thinking import LLMAgent
from pepperpy_agents.tools import Tool
from pepperpy_agents.tools.resolving import resolve
from pepperpy_agents.tools.running import Toolbox
from pepperpy_agents.tools.services import serve_tools
from pepperpy_schemas.chat import ToolCall
from pepperpy_schemas.errors import BadConfig
from tests.agents.conftest import Seen, Working
from tests.agents.thinking.speaking import calls, says
from tests.provider_svc.asking import Planned


class Place(BaseModel):
    city: str
    days: int = 1


@langchain_tool(args_schema=Place)
async def forecast(city: str, days: int) -> dict[str, Any]:
    """Forecasts the weather."""
    return {"city": city, "days": days}


@langchain_tool
def secret(key: Annotated[str, InjectedToolArg], city: str) -> str:
    """Tells a secret."""
    return key + city


@langchain_tool
def broken(city: str) -> str:
    """Fails."""
    raise ToolException(f"nothing is known of {city}")


async def ran(made: Tool, arguments: str, **more: Any) -> tuple[bool, str]:
    result = await Toolbox([made], **more).run(ToolCall("c", made.alias, arguments), USE)
    return result.error, result.content


USE = ToolUse(caller="somebody")


async def test_a_tool_of_langchain_is_one_of_ours_with_its_schema() -> None:
    made = from_langchain(forecast)
    assert (made.name, made.description) == ("forecast", "Forecasts the weather.")
    assert made.parameters["required"] == ["city"]
    assert await ran(made, '{"city": "Faro", "days": 2}') == (False, '{"city": "Faro", "days": 2}')
    error, why = await ran(made, '{"days": 2}')
    assert error
    assert why.startswith("bad_arguments: ")


async def test_what_langchain_injects_is_no_argument_of_a_model() -> None:
    assert list(from_langchain(secret).parameters["properties"]) == ["city"]


async def test_an_error_of_the_tool_goes_to_the_model() -> None:
    error, why = await ran(from_langchain(broken), '{"city": "Atlantis"}')
    assert error
    assert "nothing is known of Atlantis" in why
    forgiving = StructuredTool.from_function(
        lambda city: 1 / 0, name="zero", description="Fails.", handle_tool_error=True
    )
    error, why = await ran(from_langchain(forgiving), '{"city": "x"}')
    assert error
    assert "ZeroDivisionError" in why


async def test_a_tool_of_langchain_needs_what_its_owner_says() -> None:
    made = from_langchain(forecast, needs=["weather.read"])
    error, why = await ran(made, '{"city": "Faro"}')
    assert error
    assert why.startswith("not_granted: ")
    assert await ran(made, '{"city": "Faro"}', grants=["weather"]) == (
        False,
        '{"city": "Faro", "days": 1}',
    )
    by_city = from_langchain(forecast, needs=lambda given: (f"weather.read:{given['city']}",))
    error, _ = await ran(by_city, '{"city": "Faro"}', grants=["weather.read:Lagos"])
    assert error


async def test_an_agent_that_thinks_takes_tools_of_langchain(
    client: Client, working: Working, model: Planned, seen: Seen
) -> None:
    model.plan = deque([calls(("forecast", {"city": "Faro"})), says("Sunny.")])
    (made,), grants = resolve(forecast)
    assert made.name == "forecast"
    assert not grants.scopes
    async with working(LLMAgent("weather", "Tell the weather.", tools=[forecast])):
        task_id = await client.submit("weather", "Faro?")
        assert await client.result(task_id, wait="20s") == "Sunny."
    assert await seen.named(task_id, "tool.completed")


@tool(needs="orders.read:{customer}")
async def orders(customer: str, limit: int = 5) -> list[str]:
    """Lists a customer's orders.

    Args:
        customer: The customer's number.
        limit: How many.
    """
    return [f"{customer}-{n}" for n in range(limit)]


async def test_a_tool_of_ours_is_one_of_langchain_under_its_grants() -> None:
    [made] = langchain_tools(orders, grants=["orders.read:c1"])
    assert made.args["customer"]["description"] == "The customer's number."
    call = {"type": "tool_call", "name": "orders", "id": "x"}
    said = await made.ainvoke({**call, "args": {"customer": "c1", "limit": 2}})
    assert isinstance(said, ToolMessage)
    assert (said.status, said.content) == ("success", '["c1-0","c1-1"]')
    said = await made.ainvoke({**call, "args": {"customer": "c2"}})
    assert said.status == "error"
    assert said.text.startswith("not_granted: ")
    said = await made.ainvoke({**call, "args": {"customer": "c1", "limit": "two"}})
    assert said.status == "error"
    assert said.text.startswith("bad_arguments: ")


async def test_a_tool_of_ours_is_called_without_await_too() -> None:
    [made] = langchain_tools("calculator")
    said = await asyncio.to_thread(made.invoke, {"expression": "6*7"})
    assert said == '{"value":42}'


async def test_tools_on_the_bus_are_found_by_the_client(client: Client, prefix: str) -> None:
    @tool
    def double(number: int) -> int:
        """Doubles a number."""
        return 2 * number

    async with serve_tools(client, [double]):
        [made] = langchain_tools("service:double", client=client)
        assert await made.ainvoke({"number": 4}) == "8"
        assert await asyncio.to_thread(made.invoke, {"number": 5}) == "10"


def test_a_tool_that_waits_in_the_journal_is_refused() -> None:
    with pytest.raises(BadConfig, match=r"agent\.triage waits in the journal") as raised:
        langchain_tools("agent:triage")
    assert "BusRunnable" in raised.value.hint
