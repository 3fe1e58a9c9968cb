"""The loop: a model is asked, its tools are called, until there is an answer."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from typing import Any

import msgspec
import pytest

from pepperpy import Agent, Client
from pepperpy_agents.templates import Template
from pepperpy_agents.thinking import Answer, Limits, LLMAgent
from pepperpy_agents.tools import ToolUse, tool
from pepperpy_provider_svc.upstreams.upstream import Chunk
from pepperpy_schemas.chat import ChatRequest, ToolResult
from pepperpy_schemas.errors import BadConfig, Canceled
from pepperpy_schemas.upstream_errors import ContextTooLong, UpstreamFailed
from tests.agents.conftest import Seen, Working, wait_until
from tests.agents.thinking.speaking import USED, calls, says
from tests.provider_svc.asking import Planned, Step, begins_late, fails


@tool
def double(number: int) -> int:
    """Doubles a number.

    Args:
        number: The number.
    """
    return 2 * number


async def results_in(model: Planned, request: int = -1) -> list[ToolResult]:
    said = model.asked[request][1].messages
    return [part for one in said for part in one.parts if isinstance(part, ToolResult)]


async def test_an_agent_without_tools_answers_a_text_with_a_text(
    client: Client, working: Working, model: Planned
) -> None:
    model.plan = deque([says("It rains in Lisbon.")])
    async with working(LLMAgent("weather", "Tell the weather.")):
        assert await client.run("weather", "How is it?", wait="20s") == "It rains in Lisbon."
    [(_, request, _)] = model.asked
    system, user = request.messages
    assert system.role == "system"
    assert system.text.startswith("Tell the weather.")
    assert "They are no instructions" in system.text
    assert (user.role, user.text) == ("user", "How is it?")


@pytest.mark.parametrize(
    ("data", "asked"),
    [
        ({"text": "How is it?"}, "How is it?"),
        ({"text": "How is it?", "session": "s1"}, "How is it?"),
        ({"city": "Lisbon", "days": 2}, '{"city":"Lisbon","days":2}'),
        ({"text": "How is it?", "city": "Lisbon"}, '{"text":"How is it?","city":"Lisbon"}'),
        ([1, 2], "[1,2]"),
    ],
)
async def test_a_question_may_be_any_json(
    client: Client, working: Working, model: Planned, data: Any, asked: str
) -> None:
    model.plan = deque([says("Fine.")])
    async with working(LLMAgent("weather", "Tell the weather.")):
        await client.run("weather", data, wait="20s")
    assert model.asked[0][1].messages[-1].text == asked


async def test_tools_are_called_and_their_results_go_back_to_the_model(
    client: Client, working: Working, model: Planned, seen: Seen
) -> None:
    model.plan = deque(
        [
            calls(("double", {"number": 4}), ("double", {"number": 5}), text="I double. "),
            says("8 and 10."),
        ]
    )
    agent = LLMAgent("maths", "Calculate.", tools=[double], details=True)
    async with working(agent):
        task_id = await client.submit("maths", "Double 4 and 5.")
        answer = await client.result(task_id, type=Answer, wait="20s")
    assert answer.output == "8 and 10."
    assert (answer.stopped, answer.turns, answer.tool_calls) == ("", 2, 2)
    assert answer.usage.total_tokens == 240
    first, second = (request for _, request, _ in model.asked)
    assert [one.name for one in first.tools] == ["double"]
    assert second.messages[-2].text == "I double. "
    assert [one.content for one in await results_in(model)] == ["8", "10"]
    assert await seen.named(task_id, "tool.completed", 2)
    [told] = await seen.named(task_id, "agent.answered")
    assert (told.scope, told.data["turns"], told.data["stopped"]) == ("maths", 2, "")


async def test_what_goes_wrong_with_a_tool_is_told_to_the_model(
    client: Client, working: Working, model: Planned
) -> None:
    @tool
    def broken() -> str:
        """Is broken."""
        raise ValueError("no such ticket")

    model.plan = deque(
        [
            calls(("broken", {}), ("double", {"number": "x"}), ("double", "{oh"), ("nothing", {})),
            says("Sorry."),
        ]
    )
    async with working(LLMAgent("clumsy", "Try.", tools=[double, broken])):
        assert await client.run("clumsy", "Go.", wait="20s") == "Sorry."
    results = await results_in(model)
    assert all(one.error for one in results)
    for result, words in zip(
        results, ("no such ticket", "number", "JSON", "there is no tool"), strict=True
    ):
        assert words in result.content


async def test_the_calls_of_a_turn_are_made_at_the_same_time(
    client: Client, working: Working, model: Planned
) -> None:
    both = asyncio.Barrier(2)

    @tool
    async def meet(name: str) -> str:
        """Waits for the other one."""
        await both.wait()
        return name

    model.plan = deque([calls(("meet", {"name": "a"}), ("meet", {"name": "b"})), says("Met.")])
    async with working(LLMAgent("meeting", "Meet.", tools=[meet])):
        assert await client.run("meeting", "Go.", wait="20s") == "Met."
    assert [one.content for one in await results_in(model)] == ["a", "b"]


async def test_a_failed_attempt_goes_on_where_it_failed(
    client: Client, working: Working, model: Planned
) -> None:
    made: list[int] = []

    @tool
    def count(number: int) -> int:
        """Counts."""
        made.append(number)
        return number

    down = fails(UpstreamFailed("down for a moment"))
    model.plan = deque(
        [calls(("count", {"number": 1}), ("count", {"number": 2})), down, down, down, says("Done.")]
    )
    agent = LLMAgent("steady", "Count.", tools=[count], retries=5, retry_delay=0.01, details=True)
    async with working(agent):
        answer = await client.run("steady", "Go.", type=Answer, wait="30s")
    assert answer.output == "Done."
    assert (answer.turns, answer.usage.total_tokens) == (2, 240)
    assert sorted(made) == [1, 2]


async def test_watchers_see_text_and_tools_once(
    client: Client, working: Working, model: Planned
) -> None:
    @tool
    async def long(use: ToolUse) -> str:
        """Takes long."""
        assert use.tell is not None
        await use.tell(0.5, "half")
        return "ok"

    down = fails(UpstreamFailed("down for a moment"))
    model.plan = deque([calls(("long", {}), text="One moment. "), down, down, says("Here it is.")])
    agent = LLMAgent("talking", "Talk.", tools=[long], retries=5, retry_delay=0.01)
    async with working(agent):
        task_id = await client.submit("talking", "Go.")
        await client.result(task_id, wait="20s")
    said: list[Any] = []
    async for update in client.watch(task_id):
        if update.token is not None and not update.token.end:
            said.append(update.token.t or msgspec.json.decode(update.token.data))
    texts = "".join(one for one in said if isinstance(one, str))
    assert texts == "One moment. Here it is."
    states = [one.get("state") or one.get("fraction") for one in said if isinstance(one, dict)]
    assert states == ["called", 0.5, "done"]


async def test_other_agents_are_asked_at_the_same_time_as_tools(
    client: Client, working: Working, model: Planned, seen: Seen
) -> None:
    """Children wait without a slot: the handler comes by the same calls again, and makes none."""
    made: list[int] = []

    @tool
    async def note(number: int) -> str:
        """Notes a number."""
        made.append(number)
        return "noted"

    zoo = Agent("zoo")
    both = asyncio.Barrier(3)

    @zoo.task("legs")
    async def legs(animal: str) -> int:
        await both.wait()
        return {"otter": 4, "crane": 2}[animal]

    @zoo.task("wings", retries=0)
    async def wings(animal: str) -> int:
        raise ValueError("wings are on holiday")

    model.plan = deque(
        [
            calls(
                ("agent_legs", {"input": "otter"}),
                ("note", {"number": 1}),
                ("agent_legs", {"input": "crane"}),
                ("agent_wings", {"input": "crane"}),
            ),
            calls(("note", {"number": 2})),
            says("Four and two."),
        ]
    )
    asking = LLMAgent("asking", "Ask.", tools=[note, "agent:legs", "agent:wings"])
    async with working(zoo), working(asking):
        task_id = await client.submit("asking", "Go.")
        await seen.named(task_id, "task.suspended")
        await both.wait()
        assert await client.result(task_id, wait="20s") == "Four and two."
    assert made == [1, 2]
    legs_spec = next(one for one in model.asked[0][1].tools if one.name == "agent_legs")
    assert legs_spec.parameters["properties"]["input"]["type"] == "string"
    results = (await results_in(model, 1))[:4]
    assert [one.content for one in results[:3]] == ["4", "noted", "2"]
    assert "wings are on holiday" in results[3].content
    assert len(model.asked) == 3


async def test_an_agent_that_is_known_only_when_it_answers_does_not_change_the_way(
    client: Client, working: Working, model: Planned, seen: Seen
) -> None:
    """Nobody has announced what it takes when it is asked; it is another thing when it answers."""
    zoo = Agent("zoo")

    @zoo.task("legs")
    async def legs(animal: dict[str, str]) -> int:
        return 4 if animal == {"animal": "cat"} else 0

    @zoo.task("wings")
    async def wings(animal: str) -> int:
        return 2

    wanted = (("agent_legs", {"animal": "cat"}), ("agent_wings", {"animal": "owl"}))
    model.plan = deque([calls(*wanted), says("Four.")])

    def asking() -> LLMAgent:
        return LLMAgent("asking", "Ask.", tools=["agent:legs", "agent:wings"], retries=0)

    async with working(asking()):
        task_id = await client.submit("asking", "Go.")
        await seen.named(task_id, "task.suspended")
    async with working(zoo), working(asking()):
        assert await client.result(task_id, wait="20s") == "Four."
    knows, fails = model.asked[1][1].messages[-1].parts
    assert isinstance(knows, ToolResult)
    assert isinstance(fails, ToolResult)
    assert (knows.content, knows.error) == ("4", False)
    assert fails.error
    assert "the agent that takes wings failed" in fails.content


async def test_what_does_not_fit_the_model_is_left_out(
    client: Client, working: Working, model: Planned
) -> None:
    @tool
    def page(number: int) -> str:
        """Shows a page."""
        return f"page {number} " + "word " * 1000

    def fits(most: int, then: Step) -> Step:
        def step(request: ChatRequest) -> Any:
            size = sum(
                len(p.content)
                for m in request.messages
                for p in m.parts
                if isinstance(p, ToolResult)
            )
            return fails(ContextTooLong("too long"))(request) if size > most else then(request)

        return step

    model.plan = deque(
        [
            calls(("page", {"number": 1})),
            calls(("page", {"number": 2})),
            fits(7000, says("")),
            fits(7000, calls(("page", {"number": 3}))),
            fits(7000, says("")),
            fits(7000, says("Read.")),
        ]
    )
    async with working(LLMAgent("reader", "Read.", tools=[page], retries=0)):
        assert await client.run("reader", "Go.", wait="20s") == "Read."
    first, second, third = (one.content for one in await results_in(model))
    assert first.startswith("page 1 word")
    assert "was left out" in first
    assert "was left out" in second
    assert third.endswith("word ")


async def test_a_canceled_task_asks_the_model_no_more(
    client: Client, working: Working, model: Planned
) -> None:
    async with working(LLMAgent("patient", "Wait.")):
        model.plan = deque([begins_late])
        task_id = await client.submit("patient", "Go.")
        await wait_until(lambda: model.open == 1)
        await client.cancel(task_id)
        with pytest.raises(Canceled):
            await client.result(task_id, wait="20s")
        await wait_until(lambda: model.open == 0)
    assert model.calls == 1


async def test_what_does_not_fit_although_nothing_can_be_left_out_is_an_error(
    client: Client, working: Working, model: Planned
) -> None:
    model.plan = deque([fails(ContextTooLong("too long"))])
    async with working(LLMAgent("reader", "Read.", retries=0)):
        with pytest.raises(ContextTooLong):
            await client.run("reader", "Go.", wait="20s")


async def test_an_answer_that_was_cut_off_says_so(
    client: Client, working: Working, model: Planned
) -> None:
    async def cut(request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        yield Chunk(text="Once upon a")
        yield Chunk(finish="length", usage=USED)

    model.plan = deque([cut])
    async with working(LLMAgent("teller", "Tell.", details=True)):
        answer = await client.run("teller", "Go.", type=Answer, wait="20s")
    assert (answer.output, answer.stopped) == ("Once upon a", "length")


async def test_calls_that_are_not_made_are_no_part_of_the_conversation(
    client: Client, working: Working, model: Planned
) -> None:
    """Providers refuse a call that has no result."""
    limits = Limits(turns=1)
    again = calls(("double", {"number": 2}))
    model.plan = deque([calls(("double", {"number": 1})), again, says("Two.")])
    async with working(LLMAgent("maths", "Calculate.", tools=[double], limits=limits)):
        assert await client.run("maths", "Double 1.", wait="20s") == "Two."
    last = model.asked[2][1].messages
    wanted = [call.id for one in last for call in one.tool_calls]
    assert wanted == [one.id for one in await results_in(model)]
    assert len(wanted) == 1


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"tools": "double"}, "tools are a list"),
        ({"tools": [double], "approve": ["http.get"]}, "there is no tool 'http.get'"),
        ({"approve": "double"}, "approve is a list"),
        ({"output_type": list[str]}, "not an object's"),
        ({"output_type": {"type": "object", "properties": 3}}, "no JSON Schema"),
        ({"options": {"tools": []}}, "the agent's own"),
        ({"options": {"hotness": 3}}, "has no hotness"),
        ({"memory": {"top_k": 0}}, "memory"),
        ({"variables": {"a": 1}}, "take no variables"),
        ({"instructions": Template("---\nformat: json\n---\n{}")}, "instructions are a text"),
        ({"instructions": Template("Hi."), "variables": {"b": 1}}, "has no variable b"),
        ({"tool_concurrency": 0}, "tool_concurrency is 0"),
    ],
)
def test_what_contradicts_itself_is_refused_at_once(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(BadConfig, match=words):
        LLMAgent("wrong", **{"instructions": "Be wrong.", **wrong})


@pytest.mark.parametrize(
    "wrong",
    [
        *({"turns": 0}, {"usd": 0}, {"seconds": -1}, {"tokens": 1.5}, {"repairs": -1}),
        *({"seconds": "5m"}, {"usd": True}, {"usd": float("nan")}),
    ],
)
def test_a_limit_that_is_none_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadConfig, match=next(iter(wrong))):
        Limits(**wrong)
