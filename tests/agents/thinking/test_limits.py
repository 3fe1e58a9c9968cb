"""Limits: where a task is stopped, and the one answer without tools that it still gets."""

import asyncio
from collections import deque
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pepperpy import Client
from pepperpy_agents.thinking import Answer, Limits, LLMAgent
from pepperpy_agents.thinking.limits import Spent, reached, refusals, sameness
from pepperpy_agents.tools import tool
from pepperpy_schemas.chat import ToolCall, ToolResult, Usage
from tests.agents.conftest import Working, wait_until
from tests.agents.thinking.speaking import calls, says
from tests.provider_svc.asking import Planned
from tests.provider_svc.gateway.conftest import SCRIPT, Serving, planned


class Counting:
    """A tool that counts its calls."""

    def __init__(self) -> None:
        self.made: list[int] = []

        @tool
        async def look(page: int) -> str:
            """Looks at a page."""
            self.made.append(page)
            await asyncio.sleep(0.05)
            return f"page {page}"

        self.tool = look


@pytest.mark.parametrize(
    ("limits", "stopped", "turns", "made"),
    [
        (Limits(turns=3), "turns", 4, 3),
        (Limits(tool_calls=2), "tool_calls", 4, 2),
        (Limits(tool_calls=0), "tool_calls", 2, 0),
        (Limits(tokens=200), "tokens", 3, 2),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
async def test_at_a_limit_one_answer_without_tools_is_given(
    client: Client,
    working: Working,
    model: Planned,
    limits: Limits,
    stopped: str,
    turns: int,
    made: int,
) -> None:
    looking = Counting()
    steps = [calls(("look", {"page": n})) for n in range(turns - 1)]
    model.plan = deque([*steps, says("What I know.")])
    agent = LLMAgent("looking", "Look.", tools=[looking.tool], limits=limits, details=True)
    async with working(agent):
        answer = await client.run("looking", "Go.", type=Answer, wait="20s")
    assert (answer.output, answer.stopped, answer.turns) == ("What I know.", stopped, turns)
    assert (len(looking.made), answer.tool_calls) == (made, made)
    *before, last = (request for _, request, _ in model.asked)
    assert {one.tool_choice for one in before} == {"auto"}
    assert last.tool_choice == "none"
    assert "Call no more tools" in last.messages[-1].text


async def test_a_tool_has_no_more_than_the_seconds_that_are_left(
    client: Client, working: Working, model: Planned
) -> None:
    ended: list[str] = []

    @tool
    async def stay() -> str:
        """Stays."""
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("stay")
        return ""

    model.plan = deque([calls(("stay", {})), says("It took too long.")])
    limits = Limits(seconds=2)
    agent = LLMAgent("patient", "Wait.", tools=[stay], limits=limits, details=True)
    async with working(agent):
        answer = await client.run("patient", "Go.", type=Answer, wait="20s")
    assert (answer.output, answer.stopped) == ("It took too long.", "seconds")
    assert ended == ["stay"]


async def test_money_is_a_limit_where_prices_are_known(
    client: Client, working: Working, serving: Serving
) -> None:
    looking = Counting()
    priced = SCRIPT + '[prices."script/any"]\ninput = 100.0\noutput = 1000.0\n'
    agent = LLMAgent("paying", "Look.", tools=[looking.tool], limits=Limits(usd=0.05), details=True)
    async with serving(declaration=priced) as offer, working(agent):
        model = planned(
            offer, calls(("look", {"page": 1})), calls(("look", {"page": 2})), says(".")
        )
        answer = await client.run("paying", "Go.", type=Answer, wait="20s")
    # 100 tokens in and 20 out are 0.03: after two answers it is too much.
    assert (answer.stopped, answer.turns) == ("usd", 3)
    assert answer.usd == pytest.approx(0.09)
    assert model.calls == 3


async def test_the_same_call_again_and_again_ends_the_work(
    client: Client, working: Working, model: Planned
) -> None:
    looking = Counting()
    same = calls(("look", '{"page": 1}'))
    model.plan = deque([same, same, same, says("I keep looking.")])
    agent = LLMAgent("stuck", "Look.", tools=[looking.tool], limits=Limits(repeats=2), details=True)
    async with working(agent):
        answer = await client.run("stuck", "Go.", type=Answer, wait="20s")
    assert (answer.output, answer.stopped, looking.made) == ("I keep looking.", "repeats", [1, 1])
    results = [p for m in model.asked[-1][1].messages for p in m.parts if isinstance(p, ToolResult)]
    assert "same call" in results[-1].content


async def test_shortly_before_the_deadline_an_answer_is_asked_for(
    client: Client, working: Working, model: Planned
) -> None:
    async def slow(request: Any) -> Any:
        await asyncio.sleep(3.0)
        async for one in calls(("look", {"page": 1}))(request):
            yield one

    looking = Counting()
    model.plan = deque([slow, says("In time.")])
    agent = LLMAgent("hasty", "Look.", tools=[looking.tool], details=True)
    async with working(agent):
        answer = await client.run("hasty", "Go.", timeout="8s", type=Answer, wait="20s")
    assert (answer.output, answer.stopped) == ("In time.", "deadline")


async def test_calls_in_the_last_answer_are_not_made(
    client: Client, working: Working, model: Planned
) -> None:
    looking = Counting()
    model.plan = deque(
        [calls(("look", {"page": 1})), calls(("look", {"page": 2}), text="I was not done.")]
    )
    agent = LLMAgent("eager", "Look.", tools=[looking.tool], limits=Limits(turns=1))
    async with working(agent):
        assert await client.run("eager", "Go.", wait="20s") == "I was not done."
    assert looking.made == [1]


@given(
    pages=st.lists(st.integers(0, 3), max_size=12),
    most=st.integers(0, 6),
    repeats=st.integers(1, 3),
)
@settings(max_examples=100)
def test_never_more_calls_are_allowed_than_the_limits_say(
    pages: list[int], most: int, repeats: int
) -> None:
    wanted = [ToolCall(str(n), "look", f'{{"page": {page}}}') for n, page in enumerate(pages)]
    found = refusals(Limits(tool_calls=most, repeats=repeats), Spent(), wanted)
    allowed = [page for page, why in zip(pages, found, strict=True) if not why]
    assert len(allowed) <= most
    assert all(allowed.count(page) <= repeats for page in allowed)
    # And none is forbidden without a reason.
    if len(pages) <= most and all(pages.count(page) <= repeats for page in pages):
        assert allowed == pages


def test_calls_are_the_same_whatever_the_order_of_their_arguments() -> None:
    one, other = ToolCall("1", "t", '{"a":1,"b":2}'), ToolCall("2", "t", '{ "b": 2, "a": 1 }')
    assert sameness(one) == sameness(other)
    assert sameness(one) != sameness(ToolCall("3", "t", '{"a":1}'))
    assert sameness(ToolCall("4", "t", "{oh")) == sameness(ToolCall("5", "t", "{oh"))


def test_no_limit_is_reached_before_anything_was_spent() -> None:
    assert reached(Limits(turns=1, tokens=1, usd=0.01, seconds=0.1), Spent(), left=0.001) == ""
    spent = Spent(turns=1, usage=Usage(1, 0), longest=1.0)
    assert reached(Limits(), spent, left=2.1) == ""
    assert reached(Limits(), spent, left=1.9) == "deadline"
    assert reached(Limits(tokens=1), spent, left=None) == "tokens"


async def test_a_running_task_goes_by_its_journal_whatever_the_limits_have_become(
    client: Client, working: Working, model: Planned
) -> None:
    looking = Counting()

    def agent(limits: Limits) -> LLMAgent:
        tools, approve = [looking.tool], ["look"]
        return LLMAgent(
            "looking", "Look.", tools=tools, approve=approve, limits=limits, details=True
        )

    async def asked() -> Any:
        return [one for one in await client.questions() if not one.answered]

    looks = [calls(("look", {"page": page})) for page in (1, 2)]
    model.plan = deque([*looks, says("Two pages.")])
    async with working(agent(Limits())):
        task_id = await client.submit("looking", "Go.")
        await wait_until(asked)
        await client.answer(task_id, "yes")
        await wait_until(lambda: looking.made == [1])
        await wait_until(asked)
    # By the new limits the second call, and even the first one, would not have been allowed.
    await client.answer(task_id, "yes")
    async with working(agent(Limits(turns=1, tool_calls=0))):
        answer = await client.result(task_id, type=Answer, wait="20s")
    assert (answer.output, answer.stopped, answer.turns) == ("Two pages.", "turns", 3)
    assert looking.made == [1, 2]
