"""Conversations over tasks: kept in memory under a key, and shortened when they are long."""

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import pytest

from pepperpy import Client
from pepperpy.stack.broker import Broker
from pepperpy_agents.thinking import Answer, LLMAgent, Sessions
from pepperpy_provider_svc.upstreams.upstream import Chunk
from pepperpy_schemas.chat import ChatRequest
from pepperpy_schemas.upstream_errors import ContextTooLong, UpstreamFailed
from tests.agents.conftest import Working
from tests.agents.thinking.speaking import USED, says
from tests.memory_svc.memory_service import remembering
from tests.provider_svc.asking import Planned, Step, fails


@pytest.fixture(autouse=True)
async def memory(broker: Broker, prefix: str) -> AsyncIterator[None]:
    async with remembering(broker.url, prefix):
        yield


def told(request: ChatRequest) -> list[tuple[str, str]]:
    """What the model was told besides its instructions."""
    return [(one.role, one.text) for one in request.messages[1:]]


async def test_a_task_knows_what_was_said_in_an_earlier_one_in_another_worker(
    client: Client, working: Working, model: Planned
) -> None:
    model.plan = deque([says("Hello Ana."), says("You are Ana."), says("I do not know.")])
    for question, key in (("I am Ana.", "c1"), ("Who am I?", "c1"), ("Who am I?", "c2")):
        async with working(LLMAgent("desk", "Talk.", sessions=True)):
            await client.run("desk", question, key=key, wait="20s")
    _, second, third = (request for _, request, _ in model.asked)
    assert told(second) == [
        ("user", "I am Ana."),
        ("assistant", "Hello Ana."),
        ("user", "Who am I?"),
    ]
    assert told(third) == [("user", "Who am I?")]


@pytest.mark.parametrize("named", ["c1", 42])
async def test_a_question_may_name_its_conversation_itself(
    client: Client, working: Working, model: Planned, named: str | int
) -> None:
    model.plan = deque([says("Hello Ana."), says("You are Ana.")])
    async with working(LLMAgent("desk", "Talk.", sessions=True)):
        for text in ("I am Ana.", "Who am I?"):
            await client.run("desk", {"text": text, "session": named}, wait="20s")
    assert ("assistant", "Hello Ana.") in told(model.asked[1][1])


async def test_without_a_key_nothing_is_kept(
    client: Client, working: Working, model: Planned
) -> None:
    model.plan = deque([says("Hello.")])
    async with working(LLMAgent("desk", "Talk.", sessions=True)):
        await client.run("desk", "I am Ana.", wait="20s")
        await client.run("desk", "Who am I?", wait="20s")
    assert told(model.asked[1][1]) == [("user", "Who am I?")]
    assert [one async for one in client.memory.export()] == []


async def test_a_long_conversation_is_shortened_by_the_model(
    client: Client, working: Working, model: Planned
) -> None:
    long = "word " * 200
    model.plan = deque(
        [
            says("One. " + long),
            says("Two."),
            says("Ana said words."),  # the summary
            says("Three."),
            says("Four."),
        ]
    )
    sessions = Sessions(tokens=200, keep=2)
    agent = LLMAgent("desk", "Talk.", sessions=sessions, details=True)
    answers: list[Answer] = []
    async with working(agent):
        for question in ("I am Ana. " + long, "And?", "And now?", "Still there?"):
            answers.append(await client.run("desk", question, key="c1", type=Answer, wait="20s"))
    summing, third, fourth = (request for _, request, _ in list(model.asked)[2:])
    assert "at most 200 words" in summing.messages[0].text
    assert "user: I am Ana." in summing.messages[1].text
    assert "And?" not in summing.messages[1].text
    assert told(third) == [
        ("user", "What we talked about before, in short:\nAna said words."),
        ("user", "And?"),
        ("assistant", "Two."),
        ("user", "And now?"),
    ]
    # What was shortened stays so: the next task need not shorten it again.
    assert told(fourth)[:4] == [*told(third)[:3], ("user", "And now?")]
    # The summary, of 13 tokens, is paid by the task that needed it.
    assert [one.usage.total_tokens for one in answers] == [120, 120, 133, 120]


def reads(most: int, answer: str) -> Step:
    """A model that can read no more than so many characters."""

    async def step(request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        if sum(len(one.text) for one in request.messages) > most:
            raise ContextTooLong("too long")
        yield Chunk()
        yield Chunk(text=answer, finish="stop", usage=USED)

    return step


@pytest.mark.parametrize("keep", [0, 6])
async def test_a_conversation_that_is_too_long_for_the_model_goes_on(
    client: Client, working: Working, model: Planned, keep: int
) -> None:
    """Neither what is kept word for word nor what must be shortened may end it for ever."""
    model.plan = deque([reads(12_000, "a " * 3000)])
    agent = LLMAgent("desk", "Talk.", sessions=Sessions(keep=keep), retries=0)
    async with working(agent):
        for n in range(6):
            answer = await client.run("desk", f"Question {n}.", key="c1", wait="20s")
            assert answer.startswith("a a a")


async def test_what_was_told_in_short_stays_known_when_the_model_tells_nothing(
    client: Client, working: Working, model: Planned
) -> None:
    long = "word " * 200
    model.plan = deque([says(long), says("Ana said words."), says(long), says(""), says("Three.")])
    async with working(LLMAgent("desk", "Talk.", sessions=Sessions(tokens=100, keep=0))):
        for question in ("I am Ana.", "And?", "And now?"):
            await client.run("desk", question, key="c1", wait="20s")
    assert told(model.asked[-1][1]) == [
        ("user", "What we talked about before, in short:\nAna said words."),
        ("user", "And now?"),
    ]


async def test_a_task_that_is_repeated_keeps_what_was_said_once(
    client: Client, working: Working, model: Planned
) -> None:
    down = fails(UpstreamFailed("down for a moment"))
    model.plan = deque([says("Hello Ana."), down, down, down, says("You are Ana.")])
    agent = LLMAgent("desk", "Talk.", sessions=True, retries=5, retry_delay=0.01)
    async with working(agent):
        await client.run("desk", "I am Ana.", key="c1", wait="20s")
        await client.run("desk", "Who am I?", key="c1", wait="20s")
    entries = [one async for one in client.memory.export()]
    lines: list[tuple[Any, str]] = [(one.metadata["said_by"], one.text) for one in entries]
    assert sorted(lines) == [
        ("assistant", "Hello Ana."),
        ("assistant", "You are Ana."),
        ("user", "I am Ana."),
        ("user", "Who am I?"),
    ]
    assert {(one.scope, one.session, one.agent, one.trusted) for one in entries} == {
        ("session", "c1", "desk", False)
    }
