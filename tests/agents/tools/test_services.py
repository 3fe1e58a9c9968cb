"""Tools on the bus: offered, found, called, and by whom."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from pepperpy import Agent, Client, Context, connect
from pepperpy.stack.broker import Broker
from pepperpy_agents.tools import Grants, Toolbox, ToolUse, looking_up, tool
from pepperpy_agents.tools.agents import agent_tool
from pepperpy_agents.tools.resolving import resolve_all
from pepperpy_agents.tools.services import discover, serve_tools, service_tool
from pepperpy_bus.services.service import Endpoint, Service
from pepperpy_schemas.chat import ToolCall, ToolResult
from pepperpy_schemas.errors import BadConfig, NotFound
from pepperpy_schemas.tools import ToolReply, ToolRequest
from tests.agents.conftest import Seen, Working

USE = ToolUse(caller="tests")


@tool(name="weather.today", needs="weather:{city}", timeout="2s")
async def weather(city: str, days: int = 1, *, use: ToolUse) -> dict[str, Any]:
    """Tells the weather.

    Args:
        city: Where.
    """
    if city == "Atlantis":
        raise LookupError("no such city")
    if city == "Limbo":
        await asyncio.Event().wait()
    return {"city": city, "days": days, "for": use.caller}


@pytest.fixture
async def provider(broker: Broker, prefix: str) -> AsyncIterator[Client]:
    """Another client, which offers tools."""
    async with connect(broker.url, bus__prefix=prefix) as one:
        yield one


async def run(box: Toolbox, name: str, arguments: Any, use: ToolUse = USE) -> ToolResult:
    return await box.run(ToolCall("1", name, json.dumps(arguments)), use)


async def test_an_offered_tool_is_found_with_its_schema_and_called(
    client: Client, provider: Client, seen: Seen
) -> None:
    async with serve_tools(provider, [weather], grants=["weather"], version="1.2.0"):
        (found,) = await discover(client)
        assert (found.name, found.description) == ("weather.today", "Tells the weather.")
        assert (found.parameters, found.timeout) == (weather.parameters, 2.0)
        box = Toolbox([found], grants=["service:weather_today"])
        result = await run(box, "weather_today", {"city": "Lisbon"})
        assert json.loads(result.content) == {"city": "Lisbon", "days": 1, "for": "anon"}
    assert await discover(client) == []
    # What was called is told of where it was done; here nobody has a task.
    told = await seen.events("tool.*.weather_today")
    assert [one.name for one in told] == ["tool.called", "tool.completed"]
    assert (told[0].data["agent"], told[0].data["scopes"]) == ("anon", ["weather:Lisbon"])


async def test_what_goes_wrong_over_there_is_told_to_the_model_here(
    client: Client, provider: Client
) -> None:
    async with serve_tools(provider, [weather], grants=["weather:Lisbon", "weather:Atlantis"]):
        box = Toolbox(await discover(client), grants=["service"])
        for arguments, told in [
            ({"city": 4}, "bad_arguments: weather_today does not take these arguments: $.city"),
            ({"city": "Porto"}, "not_granted: weather.today needs weather:Porto"),
            ({"city": "Atlantis"}, "tool_failed: LookupError: no such city"),
        ]:
            result = await run(box, "weather_today", arguments)
            assert result.error
            assert result.content.startswith(told)
    gone = await run(box, "weather_today", {"city": "Lisbon"})
    assert gone.content.startswith("unavailable: nobody")


async def test_a_tool_over_there_has_no_more_time_than_its_caller(
    client: Client, provider: Client
) -> None:
    async with serve_tools(provider, [weather], grants=["weather"]) as service:
        box = Toolbox(await discover(client), grants=["service"])
        soon = ToolUse(caller="tests", deadline=asyncio.get_running_loop().time() + 0.1)
        result = await run(box, "weather_today", {"city": "Limbo"}, soon)
        assert result.content.partition(":")[0] in ("tool_timeout", "deadline_exceeded")
        async with asyncio.timeout(5):
            while not service.statistics()["weather_today"].errors:
                await asyncio.sleep(0.01)


async def test_a_name_is_looked_up_when_the_toolbox_is_first_used(
    client: Client, provider: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking_up, "HOLDS", 0.0)
    box = Toolbox([service_tool("weather.today")], grants=["service:weather_today"])
    await box.look_up(client)  # nobody is there: a name, and no more
    assert box.specs()[0].parameters == {"type": "object"}
    assert (await run(box, "weather_today", {"city": "x"})).content.startswith("not_found: ")
    find = service_tool("weather.today").find
    assert find is not None
    with pytest.raises(NotFound, match="nobody offers the tool"):
        await find(client)
    async with serve_tools(provider, [weather], grants=["weather"]):
        fresh = Toolbox([service_tool("weather.today")], grants=["service:weather_today"])
        await asyncio.gather(*(fresh.look_up(client) for _ in range(3)))
        assert fresh.specs()[0].parameters == weather.parameters
        assert not (await run(fresh, "weather_today", {"city": "x"})).error
        narrow = Toolbox([*fresh], grants=["service:weather"])
        assert (await run(narrow, "weather_today", {"city": "x"})).content.startswith("not_granted")
    await fresh.look_up(client)  # it is away, and still known
    assert fresh.specs()[0].parameters == weather.parameters
    assert (await run(fresh, "weather_today", {"city": "x"})).content.startswith("unavailable: ")


def _endpoint(op: str, **metadata: str) -> Endpoint:
    async def answer(request: ToolRequest, call: Any) -> ToolReply:
        return ToolReply({"op": call.op, **request.arguments})

    return Endpoint(op=op, request=ToolRequest, reply=ToolReply, handler=answer, metadata=metadata)


async def test_what_programs_tell_of_their_tools_is_not_believed(
    client: Client, provider: Client
) -> None:
    links = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(40)}
    bomb = {"type": "object", "$defs": {**links, "d40": {}}, "$ref": "#/$defs/d0"}
    endpoints = [
        _endpoint("plain"),
        _endpoint("posing", tool="files.read", schema='{"type":"object"}'),
        _endpoint("bomb", schema=json.dumps(bomb)),
        _endpoint("outside", schema='{"type":"object","$ref":"file:///etc/passwd"}'),
        _endpoint("large", schema='{"type":"object","x":"' + "x" * 70_000 + '"}'),
        _endpoint("list", schema='{"type":"array"}'),
        _endpoint("broken", schema="{"),
        _endpoint("deep", schema='{"type":"object","not":' + "[" * 5000 + "]" * 5000 + "}"),
        _endpoint("talkative", description="x" * 9000, timeout="for ever"),
    ]
    service = Service(
        provider.connection,
        provider.prefix,
        "tool",
        version=f"{'9' * 5000}.0.0",
        endpoints=endpoints,
    )
    async with service:
        found = {one.name: one for one in await discover(client)}
        assert list(found) == ["plain", "posing", "talkative"]
        assert len(found["talkative"].description) == 2000
        assert found["talkative"].timeout == 60.0
        box = Toolbox(found.values(), grants=["service:plain"])
        assert (await run(box, "plain", {"a": 1})).content == '{"op":"plain","a":1}'
        assert (await run(box, "posing", {})).content.startswith("not_granted")


async def test_of_two_programs_the_newest_says_what_a_tool_takes(
    client: Client, provider: Client
) -> None:
    @tool(name="weather.today")
    def newer(place: str) -> str:
        """Tells more."""
        return place

    async with (
        serve_tools(provider, [newer], version="1.10.0"),
        serve_tools(provider, [weather], version="1.9.0"),
    ):
        (found,) = await discover(client)
        assert list(found.parameters["properties"]) == ["place"]


async def test_what_works_within_a_task_only_is_not_offered(client: Client) -> None:
    for one in (agent_tool("triage"), service_tool("weather")):
        with pytest.raises(BadConfig, match="cannot be offered"):
            async with serve_tools(client, [one]):
                pass


# --- agents as tools ------------------------------------------------------------------------------


def asking(name: str, topic: str, *specs: str) -> tuple[Agent, Toolbox]:
    """An agent whose tasks call the tools that they name."""
    agent = Agent(name)
    tools, granted = resolve_all(specs)
    box = Toolbox(tools, grants=granted)

    @agent.task(topic)
    async def ask(calls: list[list[str]], ctx: Context) -> list[str]:
        await box.look_up(ctx.client)
        use = ToolUse(caller=name, ctx=ctx)
        results = [box.run(ToolCall(*call), use) for call in calls]
        return [one.content for one in await asyncio.gather(*results)]

    return agent, box


async def test_an_agent_is_asked_by_a_child_task_once(
    client: Client, working: Working, seen: Seen
) -> None:
    done: list[str] = []
    helper = Agent("helper")

    @helper.task("shout")
    async def shout(data: dict[str, str]) -> dict[str, str]:
        """Shouts a text."""
        done.append(data["text"])
        if data["text"] == "no":
            raise ValueError("not that")
        return {"text": data["text"].upper()}

    @helper.task("length", retries=0)
    async def length(text: str) -> int:
        """Measures a text."""
        return len(text)

    boss, box = asking("boss", "ask", "agent:shout", "agent:length", "agent:nobody")
    async with working(helper), working(boss):
        calls = [
            ["a", "agent_shout", '{"text":"hi"}'],
            ["b", "agent_shout", '{"text":"ho"}'],
            ["c", "agent_length", '{"input":"four"}'],
            ["d", "agent_length", '{"text":"four"}'],
            ["e", "agent_shout", '{"text":4}'],
        ]
        task = await client.submit("ask", calls)
        results = await client.result(task, wait=20)
        names = await seen.named(task, "tool.completed", 3)
    assert results[:3] == ['{"text":"HI"}', '{"text":"HO"}', "4"]
    assert results[3].startswith("bad_arguments: agent_length does not take")
    assert results[4].startswith("bad_arguments: agent_shout does not take")
    assert sorted(done) == ["hi", "ho"]
    by_name = {one.name: one for one in box.specs()}
    assert by_name["agent_shout"].description == "Shouts a text."
    assert by_name["agent_length"].parameters["required"] == ["input"]
    assert by_name["agent_nobody"].description == "Asks the agent that takes nobody."
    assert {one.data["scopes"][0] for one in names} == {"agent:shout", "agent:length"}


async def test_a_failed_agent_is_a_failed_call(client: Client, working: Working) -> None:
    helper = Agent("helper")

    @helper.task("refuse", retries=0)
    async def refuse(data: dict[str, str]) -> None:
        raise ValueError("not that")

    boss, _ = asking("boss", "ask", "agent:refuse")
    async with working(helper), working(boss):
        (said,) = await client.run("ask", [["a", "agent_refuse", "{}"]], wait=20)
    assert said == "tool_failed: the agent that takes refuse failed: ValueError: not that"


async def test_agents_do_not_ask_one_another_for_ever(client: Client, working: Working) -> None:
    left, right = Agent("left"), Agent("right")
    asked: list[int] = []
    for agent, own, other in ((left, "ping", "pong"), (right, "pong", "ping")):
        tools, granted = resolve_all([f"agent:{other}"])
        box = Toolbox(tools, grants=granted)

        def handler(box: Toolbox = box, other: str = other, name: str = agent.name) -> Any:
            async def think(data: dict[str, int], ctx: Context) -> str:
                use = ToolUse(caller=name, ctx=ctx)
                if not ctx.replaying:
                    asked.append(data["n"])
                call = ToolCall("1", f"agent_{other}", json.dumps({"n": data["n"] + 1}))
                return (await box.run(call, use)).content

            return think

        agent.task(own)(handler())
    async with working(left), working(right):
        said = await client.run("ping", {"n": 0}, wait=30)
    assert said == "tool_failed: agents have asked one another 8 times: answer from what you have"
    assert max(asked) == 8


async def test_an_agent_cannot_be_asked_without_a_task() -> None:
    box = Toolbox([agent_tool("triage")], grants=Grants.of(["agent"]))
    result = await run(box, "agent_triage", {})
    assert (
        result.content == "tool_failed: agent.triage works for a task only, and is called by none"
    )
