"""Agents and teams of AutoGen as agents on the bus."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import msgspec
import pytest
from autogen_agentchat.agents import AssistantAgent, BaseChatAgent
from autogen_agentchat.base import Response
from autogen_agentchat.conditions import TextMentionTermination
from autogen_agentchat.messages import BaseChatMessage, TextMessage
from autogen_agentchat.teams import RoundRobinGroupChat, Swarm
from autogen_agentchat.tools import AgentTool
from autogen_core import CancellationToken
from autogen_core.tools import (
    FunctionTool,
    StaticWorkbench,
    ToolOverride,
    ToolSchema,
    Workbench,
)
from autogen_core.tools import ToolResult as AutoGenResult
from pydantic import BaseModel

from pepperpy import Client
from pepperpy_agents.adapters.autogen import (
    PepperPyChatCompletionClient,
    autogen_agent,
    autogen_tools,
    runner_handler,
)
from pepperpy_agents.agent import Agent
from pepperpy_provider_svc.upstreams.upstream import Chunk
from pepperpy_schemas.chat import ChatRequest, ToolResult
from pepperpy_schemas.errors import (
    BadConfig,
    BadPayload,
    Canceled,
    DeadlineExceeded,
    PepperError,
)
from pepperpy_schemas.upstream_errors import RequestRefused
from tests.agents.conftest import Seen, Working
from tests.agents.thinking.speaking import calls, says
from tests.provider_svc.asking import Planned, fails


async def told(client: Client, task_id: str) -> tuple[str, list[Any]]:
    """What a watcher of a task saw: its text, and everything else."""
    text, others = "", []
    async for update in client.watch(task_id):
        if update.token is not None and update.token.t:
            text += update.token.t
        elif update.token is not None and not update.token.end:
            others.append(msgspec.json.decode(update.token.data))
    return text, others


async def weather(city: str) -> str:
    """Tells the weather in a city."""
    if city == "Atlantis":
        raise ValueError("no such city")
    return f"sunny in {city}"


def guide(**more: Any) -> AssistantAgent:
    """The first agent of AutoGen's documentation."""
    options = {"reflect_on_tool_use": True, "model_client_stream": True, **more}
    return AssistantAgent("guide", PepperPyChatCompletionClient(), tools=[weather], **options)


def critics() -> RoundRobinGroupChat:
    writer = AssistantAgent("writer", PepperPyChatCompletionClient(), model_client_stream=True)
    critic = AssistantAgent("critic", PepperPyChatCompletionClient())
    return RoundRobinGroupChat(
        [writer, critic], termination_condition=TextMentionTermination("APPROVE")
    )


def results(request: ChatRequest) -> list[ToolResult]:
    parts = [part for said in request.messages for part in said.parts]
    return [part for part in parts if isinstance(part, ToolResult)]


async def test_the_classic_agent_asks_its_tool_and_all_of_it_is_seen(
    client: Client, working: Working, model: Planned, seen: Seen
) -> None:
    model.plan = deque([calls(("weather", {"city": "Rome"})), says("It is sunny.")])
    async with working(autogen_agent("guide", guide)):
        task_id = await client.submit("guide", {"text": "How is it in Rome?"})
        assert await client.result(task_id, wait="20s") == "It is sunny."
    text, others = await told(client, task_id)
    assert text == "It is sunny."
    assert [(one["tool"], one["state"]) for one in others] == [
        ("weather", "called"),
        ("weather", "done"),
    ]
    [began] = await seen.named(task_id, "tool.called")
    [ended] = await seen.named(task_id, "tool.completed")
    assert (began.event.data["tool"], began.event.data["agent"]) == ("weather", "guide")
    assert began.event.data["call"] == ended.event.data["call"] == others[0]["id"]
    assert "Rome" not in str(began.event.data)
    [found] = results(model.asked[1][1])
    assert (found.content, found.error) == ("sunny in Rome", False)


async def test_words_that_are_not_streamed_are_seen_when_they_are_there(
    client: Client, working: Working, model: Planned
) -> None:
    model.plan = deque([says("It is sunny.")])
    agent = Agent("places")
    agent.task("ask")(runner_handler(lambda: guide(model_client_stream=False)))
    async with working(agent):
        task_id = await client.submit("ask", "How is it?")
        assert await client.result(task_id, wait="20s") == "It is sunny."
    assert await told(client, task_id) == ("It is sunny.", [])


async def test_a_tool_that_fails_is_told_of_and_the_model_acts_upon_it(
    client: Client, working: Working, model: Planned, seen: Seen
) -> None:
    model.plan = deque([calls(("weather", {"city": "Atlantis"})), says("There is none.")])
    async with working(autogen_agent("guide", guide)):
        task_id = await client.submit("guide", "How is it in Atlantis?")
        assert await client.result(task_id, wait="20s") == "There is none."
    [failed] = await seen.named(task_id, "tool.failed")
    assert failed.event.data["code"] == "tool_failed"
    assert results(model.asked[1][1])[0].error


NEEDS = {"weather": lambda given: f"weather.read:{given['city']}"}


@pytest.mark.parametrize("team", [False, True])
@pytest.mark.parametrize("granted", ["Rome", "Oslo"])
async def test_a_tool_that_needs_what_is_not_granted_is_not_called(
    client: Client, working: Working, model: Planned, seen: Seen, granted: str, team: bool
) -> None:
    asked: list[str] = []

    async def weather(city: str) -> str:
        """Tells the weather in a city."""
        asked.append(city)
        return "sunny"

    def made() -> Any:
        one = AssistantAgent(
            "guide", PepperPyChatCompletionClient(), tools=[weather], reflect_on_tool_use=True
        )
        return RoundRobinGroupChat([one], max_turns=1) if team else one

    model.plan = deque([calls(("weather", {"city": "Rome"})), says("Well.")])
    agent = autogen_agent("guide", made, grants=[f"weather.read:{granted}"], needs=NEEDS)
    async with working(agent):
        task_id = await client.submit("guide", "How is it?")
        await client.result(task_id, wait="20s")
    if granted == "Rome":
        [event] = await seen.named(task_id, "tool.called")
        assert asked == ["Rome"]
    else:
        [event] = await seen.named(task_id, "tool.refused")
        assert asked == []
        assert "not granted" in results(model.asked[1][1])[0].content
    assert event.event.data["scopes"] == ["weather.read:Rome"]


@pytest.mark.parametrize("granted", ["Rome", "Oslo"])
async def test_a_tool_with_another_name_for_models_is_guarded_by_its_own(
    client: Client, working: Working, model: Planned, seen: Seen, granted: str
) -> None:
    def made() -> AssistantAgent:
        tools = [FunctionTool(weather, "Tells the weather.", name="weather")]
        bench = StaticWorkbench(tools, {"weather": ToolOverride(name="look_outside")})
        return AssistantAgent("guide", PepperPyChatCompletionClient(), workbench=bench)

    model.plan = deque([calls(("look_outside", {"city": "Rome"}))])
    agent = autogen_agent("guide", made, grants=[f"weather.read:{granted}"], needs=NEEDS)
    async with working(agent):
        task_id = await client.submit("guide", "How is it?")
        said = await client.result(task_id, wait="20s")
    verb = "called" if granted == "Rome" else "refused"
    [event] = await seen.named(task_id, f"tool.{verb}")
    assert event.event.data["scopes"] == ["weather.read:Rome"]
    assert ("sunny in Rome" in said) is (granted == "Rome")


@pytest.mark.parametrize("arguments", ["{}", "[1]", "7", '{"city": ["Rome"]}'])
async def test_arguments_of_which_nobody_knows_what_they_need_are_refused(
    client: Client, working: Working, model: Planned, seen: Seen, arguments: str
) -> None:
    model.plan = deque([calls(("weather", arguments)), says("Well.")])
    async with working(autogen_agent("guide", guide, grants=["weather.read:Rome"], needs=NEEDS)):
        task_id = await client.submit("guide", "How is it?")
        assert await client.result(task_id, wait="20s") == "Well."
    await seen.named(task_id, "tool.refused")
    assert "weather" in results(model.asked[1][1])[0].content


async def test_needs_of_a_tool_that_nobody_has_are_a_mistake(
    client: Client, working: Working, model: Planned
) -> None:
    async with working(autogen_agent("guide", guide, needs={"wether": "weather"}, retries=0)):
        with pytest.raises(PepperError, match="wether") as raised:
            await client.run("guide", "How is it?", wait="20s")
    assert raised.value.code == BadConfig.code
    assert "weather" in raised.value.hint


async def test_tools_of_ours_are_guarded_and_told_of_once(
    client: Client, working: Working, model: Planned, seen: Seen
) -> None:
    model.plan = deque([calls(("calculator", {"expression": "6*7"})), says("42")])

    def made() -> AssistantAgent:
        return AssistantAgent(
            "sums",
            PepperPyChatCompletionClient(),
            tools=autogen_tools("calculator"),
            reflect_on_tool_use=True,
        )

    async with working(autogen_agent("sums", made)):
        task_id = await client.submit("sums", "What is 6 times 7?")
        assert await client.result(task_id, wait="20s") == "42"
    [_] = await seen.named(task_id, "tool.completed")
    [began] = await seen.named(task_id, "tool.called")
    assert began.event.data["agent"] == "sums"
    assert [one["state"] for one in (await told(client, task_id))[1]] == ["called", "done"]


class Server(Workbench):
    """Tools that change, as those of an MCP server."""

    def __init__(self) -> None:
        self.log: list[str] = []

    async def list_tools(self) -> list[ToolSchema]:
        return [{"name": "stamp", "description": "Stamps."}]

    async def call_tool(
        self, name: str, arguments: Any = None, cancellation_token: Any = None, call_id: Any = None
    ) -> AutoGenResult:
        self.log.append(name)
        if arguments:
            raise ConnectionError("the server is gone")
        return AutoGenResult(name=name, result=[])

    async def start(self) -> None:
        self.log.append("start")

    async def stop(self) -> None:
        self.log.append("stop")

    async def reset(self) -> None:
        self.log.append("reset")

    async def save_state(self) -> dict[str, Any]:
        return {"log": self.log}

    async def load_state(self, state: Any) -> None:
        self.log = state["log"]


@pytest.mark.parametrize("granted", [True, False])
async def test_tools_that_an_agent_finds_are_guarded_too(
    client: Client, working: Working, model: Planned, seen: Seen, granted: bool
) -> None:
    model.plan = deque([calls(("stamp", {})), says("Done.")])
    server = Server()
    one = AssistantAgent(
        "clerk", PepperPyChatCompletionClient(), workbench=server, reflect_on_tool_use=True
    )
    agent = autogen_agent(
        "clerk", one, grants=["desk.stamp"] if granted else [], needs={"stamp": "desk.stamp"}
    )
    async with working(agent):
        task_id = await client.submit("clerk", "Stamp it.")
        assert await client.result(task_id, wait="20s") == "Done."
    await seen.named(task_id, "tool.completed" if granted else "tool.refused")
    assert server.log == ["stamp"] * granted
    [bench] = one._workbench or []  # what stands before the server is one like it
    await bench.start()
    await bench.call_tool("stamp")
    await bench.reset()
    await bench.load_state(await bench.save_state())
    await bench.stop()
    assert server.log[-4:] == ["start", "stamp", "reset", "stop"]


async def test_a_server_that_is_gone_is_an_error_that_the_model_reads(
    client: Client, working: Working, model: Planned, seen: Seen
) -> None:
    model.plan = deque([calls(("stamp", {"text": "x"})), says("Later.")])
    one = AssistantAgent(
        "clerk", PepperPyChatCompletionClient(), workbench=Server(), reflect_on_tool_use=True
    )
    async with working(autogen_agent("clerk", one)):
        task_id = await client.submit("clerk", "Stamp it.")
        assert await client.result(task_id, wait="20s") == "Later."
    await seen.named(task_id, "tool.failed")
    assert "gone" in results(model.asked[1][1])[0].content


async def test_an_agent_inside_of_a_tool_is_guarded_too(
    client: Client, working: Working, model: Planned, seen: Seen
) -> None:
    model.plan = deque(
        [
            calls(("inner", {"task": "Rome"})),
            calls(("weather", {"city": "Rome"})),
            says("Not granted."),
            says("Nobody knows."),
        ]
    )

    def made() -> AssistantAgent:
        inner = AssistantAgent(
            "inner", PepperPyChatCompletionClient(), tools=[weather], reflect_on_tool_use=True
        )
        tools = [AgentTool(inner)]
        return AssistantAgent(
            "outer", PepperPyChatCompletionClient(), tools=tools, reflect_on_tool_use=True
        )

    async with working(autogen_agent("outer", made, needs=NEEDS)):
        task_id = await client.submit("outer", "How is it?")
        assert await client.result(task_id, wait="20s") == "Nobody knows."
    [refused] = await seen.named(task_id, "tool.refused")
    assert refused.event.data["tool"] == "weather"


async def test_outside_of_a_task_a_guarded_tool_is_as_it_was() -> None:
    from pepperpy_agents.adapters.autogen.workbenches import guard

    one = guide()
    guard(one, ())
    guard(one, ())
    [bench] = one._workbench or []
    assert isinstance(bench, StaticWorkbench)
    result = await bench.call_tool("weather", {"city": "Rome"})
    assert result.to_text() == "sunny in Rome"


# --- teams ---------------------------------------------------------------------------------------


async def test_a_team_talks_until_it_is_done(
    client: Client, working: Working, model: Planned
) -> None:
    model.plan = deque([says("Roses."), says("Longer."), says("Red roses."), says("APPROVE")])
    async with working(autogen_agent("poets", critics)):
        task_id = await client.submit("poets", "Write about roses.")
        ended = await client.result(task_id, wait="20s")
    assert [(one["source"], one["content"]) for one in ended["messages"]] == [
        ("writer", "Roses."),
        ("critic", "Longer."),
        ("writer", "Red roses."),
        ("critic", "APPROVE"),
    ]
    assert "APPROVE" in ended["stop_reason"]
    text, others = await told(client, task_id)
    assert text == "Roses.Longer.Red roses.APPROVE"
    assert [one["speaker"] for one in others] == ["writer", "critic", "writer", "critic"]


async def test_agents_hand_over_and_it_is_seen(
    client: Client, working: Working, model: Planned
) -> None:
    model.plan = deque([calls(("transfer_to_desk", {})), says("At your service.")])

    def made() -> Swarm:
        ours = PepperPyChatCompletionClient()
        door = AssistantAgent("door", ours, handoffs=["desk"])
        return Swarm([door, AssistantAgent("desk", ours)], max_turns=2)

    async with working(autogen_agent("house", made, write=lambda it: it.messages[-1].to_text())):
        task_id = await client.submit("house", "Hello?")
        assert await client.result(task_id, wait="20s") == "At your service."
    _, others = await told(client, task_id)
    assert {"handoff": "desk", "from": "door"} in others


async def test_what_a_model_in_a_team_failed_with_fails_the_task(
    client: Client, working: Working, model: Planned
) -> None:
    model.plan = deque([fails(RequestRefused("no"))])
    async with working(autogen_agent("poets", critics, retries=0)):
        with pytest.raises(RequestRefused):
            await client.run("poets", "Write.", wait="20s")


async def test_what_a_team_says_is_not_in_the_log(
    client: Client, working: Working, model: Planned, caplog: pytest.LogCaptureFixture
) -> None:
    model.plan = deque([says("Leaves fall."), says("APPROVE")])
    with caplog.at_level(logging.INFO):
        async with working(autogen_agent("poets", critics)):
            await client.run("poets", "Write.", wait="20s")
    assert "Leaves fall." not in caplog.text


def test_a_level_that_is_set_for_autogens_log_stays(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="autogen_core"):
        runner_handler(critics)
        assert logging.getLogger("autogen_core").level == logging.DEBUG


async def test_an_error_of_a_teams_own_stays_autogens(
    client: Client, working: Working, model: Planned
) -> None:
    class Broken(Speaker):
        async def on_messages(self, messages: Any, cancellation_token: Any) -> Response:
            raise ValueError("broken pencil")

    team = lambda: RoundRobinGroupChat([Broken("broken", "")], max_turns=1)  # noqa: E731
    async with working(autogen_agent("poets", team, retries=0)):
        with pytest.raises(PepperError, match="broken pencil"):
            await client.run("poets", "Write.", wait="20s")


class Speaker(BaseChatAgent):
    """One that says what it was told, and counts."""

    def __init__(self, name: str, description: str = "") -> None:
        super().__init__(name, description)
        self.count = 0

    @property
    def produced_message_types(self) -> Sequence[type[BaseChatMessage]]:
        return (TextMessage,)

    async def on_messages(
        self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
    ) -> Response:
        self.count += 1
        said = " ".join(f"{one.source}:{one.to_text()}" for one in messages)
        return Response(chat_message=TextMessage(content=f"{self.count} {said}", source=self.name))

    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        self.count = 0


async def test_one_agent_works_on_one_task_after_the_other_each_as_if_it_were_new(
    client: Client, working: Working
) -> None:
    async with working(autogen_agent("echo", Speaker("echo"))):
        said = await asyncio.gather(*(client.run("echo", f"n{i}", wait="20s") for i in range(4)))
    assert said == [f"1 user:n{i}" for i in range(4)]


def test_a_team_is_made_for_each_task() -> None:
    with pytest.raises(BadConfig, match="no state to go on"):
        autogen_agent("poets", critics())


# --- what goes in and comes out ------------------------------------------------------------------


async def test_a_conversation_may_be_asked(client: Client, working: Working) -> None:
    said = [
        {"role": "user", "content": "Hi."},
        {"role": "assistant", "content": "Hello."},
        {"type": "TextMessage", "content": "Well?", "source": "ann"},
    ]
    async with working(autogen_agent("echo", lambda: Speaker("echo"))):
        for data in (said, {"messages": said}):
            ended = await client.run("echo", data, wait="20s")
            [message] = ended["messages"]
            assert message["content"] == "1 user:Hi. assistant:Hello. ann:Well?"
            assert ended["stop_reason"] is None


@pytest.mark.parametrize(
    "data",
    [
        7,
        [],
        {"question": "?"},
        [{"role": "system", "content": "Obey."}],
        [{"role": "nobody", "content": "Hi."}],
        [{"type": "NoMessage", "content": "x"}],
        [{"type": "ToolCallRequestEvent", "content": [], "source": "x"}],
    ],
)
async def test_what_is_no_question_is_refused(client: Client, working: Working, data: Any) -> None:
    async with working(autogen_agent("echo", lambda: Speaker("echo"))):
        with pytest.raises(BadPayload):
            await client.run("echo", data, wait="20s")


class City(BaseModel):
    name: str


async def test_an_answer_with_a_form_is_an_object(
    client: Client, working: Working, model: Planned
) -> None:
    model.plan = deque([says('{"name": "Faro"}')])

    async def later() -> Any:
        return AssistantAgent("city", PepperPyChatCompletionClient(), output_content_type=City)

    async with working(autogen_agent("city", later, topics=["city", "town"])):
        assert await client.run("town", "Where?", wait="20s") == {"name": "Faro"}


# --- keys ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("team", [False, True])
async def test_the_tasks_of_a_key_are_one_conversation(
    client: Client, working: Working, model: Planned, team: bool
) -> None:
    model.plan = deque([says("One."), says("Two."), says("Three.")])

    def made() -> Any:
        one = AssistantAgent("talk", PepperPyChatCompletionClient(), system_message=None)
        return RoundRobinGroupChat([one], max_turns=1) if team else one

    agent = autogen_agent("talk", made, keep=True, write=lambda it: it.messages[-1].to_text())
    async with working(agent):
        assert await client.run("talk", "A?", key="ann", wait="20s") == "One."
    async with working(agent):  # another worker
        assert await client.run("talk", "B?", key="ann", wait="20s") == "Two."
        assert await client.run("talk", "C?", key="bob", wait="20s") == "Three."
    asked = [[one.text for one in request.messages] for _, request, _ in model.asked]
    assert asked == [["A?"], ["A?", "One.", "B?"], ["C?"]]


async def test_a_task_that_is_repeated_after_its_answer_was_kept_does_not_ask_again(
    client: Client, working: Working, model: Planned
) -> None:
    model.plan = deque([says("One."), says("Two.")])
    inner = runner_handler(lambda: guide(system_message=None), keep=True)
    agent, attempts = Agent("talk"), []

    @agent.task("talk", retries=1, retry_delay=0.01)
    async def talk(data: Any, ctx: Any) -> Any:
        said = await inner(data, ctx)
        attempts.append(said)
        if len(attempts) == 1:
            raise ConnectionError("the worker is gone")
        return said

    async with working(agent):
        assert await client.run("talk", "A?", key="ann", wait="20s") == "One."
    assert (attempts, len(model.asked)) == (["One.", "One."], 1)


# --- ends ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["agent", "team"])
async def test_a_cancellation_reaches_the_model(
    client: Client, working: Working, model: Planned, kind: str
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
    async with working(autogen_agent("it", critics if kind == "team" else guide)):
        task_id = await client.submit("it", "Write.")
        await asyncio.wait_for(begun.wait(), 8)
        assert await client.cancel(task_id)
        await asyncio.wait_for(ended.wait(), 8)
        with pytest.raises(Canceled):
            await client.result(task_id, wait="20s")


@pytest.mark.parametrize("kind", ["agent", "team"])
async def test_a_cancellation_reaches_a_tool_and_the_next_task_is_answered(
    client: Client, working: Working, model: Planned, seen: Seen, kind: str
) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def waits(city: str) -> str:
        """Waits."""
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return ""

    one = AssistantAgent("it", PepperPyChatCompletionClient(), tools=[waits])
    runner: Any = one if kind == "agent" else lambda: RoundRobinGroupChat([one], max_turns=1)
    model.plan = deque([calls(("waits", {"city": "Rome"})), says("Fine.")])
    async with working(autogen_agent("it", runner, write=lambda it: it.messages[-1].to_text())):
        task_id = await client.submit("it", "Wait.")
        await asyncio.wait_for(begun.wait(), 8)
        await client.cancel(task_id)
        await asyncio.wait_for(ended.wait(), 8)
        with pytest.raises(Canceled):
            await client.result(task_id, wait="20s")
        [failed] = await seen.named(task_id, "tool.failed")
        assert failed.event.data["code"] == "canceled"
        assert await client.run("it", "Again.", wait="20s") == "Fine."


async def test_the_deadline_ends_a_run(client: Client, working: Working, model: Planned) -> None:
    async def silent(request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        yield Chunk()
        await asyncio.Event().wait()

    model.plan = deque([silent])
    async with working(autogen_agent("guide", guide, retries=0)):
        with pytest.raises(DeadlineExceeded):
            await client.run("guide", "How is it?", timeout="1s", wait="20s")


async def test_a_run_that_cancels_itself_has_failed_and_does_not_hang(
    client: Client, working: Working
) -> None:
    class Quits(Speaker):
        async def on_messages(self, messages: Any, cancellation_token: Any) -> Response:
            cancellation_token.cancel()
            raise asyncio.CancelledError

    async with working(autogen_agent("quits", lambda: Quits("quits"), retries=0)):
        with pytest.raises(PepperError, match="from inside"):
            await client.run("quits", "Go.", wait="20s")
