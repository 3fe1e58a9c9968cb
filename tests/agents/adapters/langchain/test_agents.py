"""Runnables of LangChain and graphs of LangGraph as agents on the bus."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from typing import Annotated, Any, TypedDict

import msgspec
import pytest
from langchain.agents import create_agent
from langchain_core.callbacks import AsyncCallbackManager, UsageMetadataCallbackHandler
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.output_parsers import CommaSeparatedListOutputParser, StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool as langchain_tool
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from pydantic import BaseModel

from pepperpy import Client
from pepperpy.testing import ScriptedModel, unit
from pepperpy_agents.adapters.langchain import (
    BusRunnable,
    ChatPepperPy,
    langchain_agent,
    langchain_tools,
    runnable_handler,
)
from pepperpy_agents.agent import Agent
from pepperpy_agents.shadowing.shadow import Shadow
from pepperpy_provider_svc.upstreams.upstream import Chunk
from pepperpy_schemas.chat import ChatRequest, ToolResult
from pepperpy_schemas.errors import (
    BadPayload,
    Canceled,
    DeadlineExceeded,
    HandlerError,
    NotGranted,
    Rejected,
)
from pepperpy_schemas.upstream_errors import RequestRefused
from tests.agents.conftest import Seen, Working
from tests.agents.thinking.speaking import calls, says
from tests.provider_svc.asking import Planned, fails

PROMPT = ChatPromptTemplate.from_template("Tell a joke about {topic}.")


class State(TypedDict):
    messages: Annotated[list[Any], add_messages]


async def told(client: Client, task_id: str) -> tuple[str, list[Any]]:
    """What a watcher of a task saw: its text, and everything else."""
    text, others = "", []
    async for update in client.watch(task_id):
        if update.token is not None and update.token.t:
            text += update.token.t
        elif update.token is not None and not update.token.end:
            others.append(msgspec.json.decode(update.token.data))
    return text, others


async def test_a_chain_is_an_agent_and_its_words_are_seen_as_they_are_said(
    client: Client, working: Working, model: Planned
) -> None:
    model.plan = deque([says("Otters hold hands.")])
    agent = langchain_agent("joker", PROMPT | ChatPepperPy() | StrOutputParser())
    async with working(agent):
        task_id = await client.submit("joker", {"topic": "otters"})
        assert await client.result(task_id, wait="20s") == "Otters hold hands."
    text, _ = await told(client, task_id)
    assert text == "Otters hold hands."
    assert model.asked[0][1].messages[0].text == "Tell a joke about otters."


async def test_a_runnable_may_handle_one_topic_of_an_agent(
    client: Client, working: Working, model: Planned
) -> None:
    model.plan = deque([says("a, b")])
    agent = Agent("lists")
    chain = PROMPT | ChatPepperPy() | CommaSeparatedListOutputParser()
    agent.task("list")(runnable_handler(chain))
    async with working(agent):
        assert await client.run("list", {"topic": "x"}, wait="20s") == ["a", "b"]


class City(BaseModel):
    name: str


@pytest.mark.parametrize(
    ("value", "result"),
    [
        (AIMessage("Hello."), "Hello."),
        (HumanMessage("Hi."), {"role": "user", "content": "Hi."}),
        (
            [Document("text", id="d1", metadata={"page": 1})],
            [{"text": "text", "metadata": {"page": 1}, "id": "d1"}],
        ),
        ({"city": City(name="Porto"), "n": 1}, {"city": {"name": "Porto"}, "n": 1}),
        (None, None),
    ],
)
async def test_what_a_runnable_gives_is_written_as_json(
    client: Client, working: Working, value: Any, result: Any
) -> None:
    async with working(langchain_agent("it", RunnableLambda(lambda _: value))):
        assert await client.run("it", "?", wait="20s") == result


async def test_types_on_the_wire_and_conversions_may_be_said(
    client: Client, working: Working
) -> None:
    agent = langchain_agent(
        "typed",
        RunnableLambda(lambda text: text.upper()),
        input_type=City,
        output_type=dict,
        read=lambda city: city.name,
        write=lambda text: {"name": text},
    )
    async with working(agent):
        assert await client.run("typed", {"name": "Faro"}, wait="20s") == {"name": "FARO"}
        with pytest.raises(BadPayload, match=r"\$\.name is missing"):
            await client.run("typed", {}, wait="20s")


@langchain_tool
def weather(city: str) -> str:
    """Tells the weather in a city."""
    if city == "Atlantis":
        raise ValueError("no such city: password=hunter2")
    return f"sunny in {city}"


async def test_the_classic_agent_asks_its_tool_and_all_of_it_is_seen(
    client: Client, working: Working, model: Planned, seen: Seen
) -> None:
    model.plan = deque(
        [calls(("weather", {"city": "Lisbon"}), text="I look. "), says("It is sunny.")]
    )
    graph = create_agent(ChatPepperPy(), [weather], system_prompt="You tell the weather.")
    async with working(langchain_agent("weather", graph)):
        task_id = await client.submit("weather", "How is it in Lisbon?")
        assert await client.result(task_id, wait="20s") == "It is sunny."
    text, others = await told(client, task_id)
    assert text == "I look. It is sunny."
    [called, *rest] = [one for one in others if "tool" in one]
    assert (called["tool"], called["state"]) == ("weather", "called")
    assert [one["state"] for one in rest] == ["done"]
    assert [one["node"] for one in others if "node" in one] == ["model", "tools", "model"]
    assert [one.text for one in model.asked[0][1].messages] == [
        "You tell the weather.",
        "How is it in Lisbon?",
    ]
    [began] = await seen.named(task_id, "tool.called")
    [ended] = await seen.named(task_id, "tool.completed")
    assert began.event.data["tool"] == "weather"
    assert began.event.data["agent"] == "weather"
    assert began.event.data["call"] == ended.event.data["call"] == called["id"]
    assert len(began.event.data["arguments"]) == 64
    assert "Lisbon" not in str(began.event.data)


async def test_a_tool_that_fails_is_told_of_and_fails_the_task_as_in_langgraph(
    client: Client, working: Working, model: Planned, seen: Seen
) -> None:
    model.plan = deque([calls(("weather", {"city": "Atlantis"}))])
    graph = create_agent(ChatPepperPy(), [weather])
    async with working(langchain_agent("weather", graph, retries=0)):
        task_id = await client.submit("weather", "How is it in Atlantis?")
        with pytest.raises(HandlerError, match="no such city"):
            await client.result(task_id, wait="20s")
    [failed] = await seen.named(task_id, "tool.failed")
    assert failed.event.data["code"] == "handler_error"
    assert "hunter2" not in str(failed.event.data)


@pytest.mark.parametrize(("granted", "made"), [("places.read:Lisbon", 1), ("places.read:Rome", 0)])
async def test_a_tool_that_needs_what_is_not_granted_does_not_begin(
    client: Client, working: Working, model: Planned, seen: Seen, granted: str, made: int
) -> None:
    asked: list[str] = []

    @langchain_tool
    def places(city: str) -> str:
        """Lists places."""
        asked.append(city)
        return "the tower"

    model.plan = deque([calls(("places", {"city": "Lisbon"})), says("The tower.")])
    agent = langchain_agent(
        "guide",
        create_agent(ChatPepperPy(), [places]),
        grants=[granted],
        needs={"places": lambda given: f"places.read:{given['city']}"},
        retries=3,
    )
    async with working(agent):
        task_id = await client.submit("guide", "What is there?")
        if made:
            assert await client.result(task_id, wait="20s") == "The tower."
        else:
            with pytest.raises(NotGranted, match="which is not granted"):
                await client.result(task_id, wait="20s")
            [refused] = await seen.named(task_id, "tool.refused")
            assert refused.event.data["scopes"] == ["places.read:Lisbon"]
            assert "tool.called" not in await seen.names(task_id)
    assert len(asked) == made


async def test_a_call_whose_needs_cannot_be_said_does_not_begin(
    client: Client, working: Working, model: Planned, seen: Seen
) -> None:
    model.plan = deque([calls(("weather", {}))])
    agent = langchain_agent(
        "guide",
        create_agent(ChatPepperPy(), [weather]),
        grants=["places"],
        needs={"weather": lambda given: f"places.read:{given['city']}"},
    )
    async with working(agent):
        task_id = await client.submit("guide", "?")
        with pytest.raises(NotGranted, match="cannot be said"):
            await client.result(task_id, wait="20s")
        assert await seen.named(task_id, "tool.refused")


async def test_tools_of_ours_are_guarded_and_told_of_once_inside_a_graph(
    client: Client, working: Working, model: Planned, seen: Seen
) -> None:
    model.plan = deque(
        [
            calls(("calculator", {"expression": "6*7"}), ("files_read", {"path": "/etc/passwd"})),
            says("42."),
        ]
    )
    graph = create_agent(ChatPepperPy(), langchain_tools("calculator", "files.read:/nowhere"))
    async with working(langchain_agent("maths", graph)):
        task_id = await client.submit("maths", "6*7?")
        assert await client.result(task_id, wait="20s") == "42."
    results = [
        part
        for said in model.asked[-1][1].messages
        for part in said.parts
        if isinstance(part, ToolResult)
    ]
    assert results[0].content == '{"value":42}'
    assert results[1].error
    assert results[1].content.startswith("not_granted: ")
    names = [one for one in await seen.names(task_id) if one.startswith("tool.")]
    assert sorted(names) == ["tool.called", "tool.completed", "tool.refused"]
    _, others = await told(client, task_id)
    states = sorted((one["tool"], one["state"]) for one in others if "tool" in one)
    assert states == [
        ("calculator", "called"),
        ("calculator", "done"),
        ("files_read", "called"),
        ("files_read", "failed"),
    ]


async def test_a_cancellation_reaches_the_graph_and_its_model(
    client: Client, working: Working, model: Planned
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
    graph = create_agent(ChatPepperPy(), [weather])
    async with working(langchain_agent("weather", graph)):
        task_id = await client.submit("weather", "How is it?")
        await asyncio.wait_for(begun.wait(), 8)
        assert await client.cancel(task_id)
        await asyncio.wait_for(ended.wait(), 8)
        with pytest.raises(Canceled):
            await client.result(task_id, wait="20s")


async def test_a_call_that_is_canceled_is_told_to_have_failed(
    client: Client, working: Working, model: Planned, seen: Seen
) -> None:
    begun = asyncio.Event()

    @langchain_tool
    async def wait_long() -> str:
        """Waits."""
        begun.set()
        await asyncio.Event().wait()
        return "never"

    model.plan = deque([calls(("wait_long", {}))])
    async with working(langchain_agent("slow", create_agent(ChatPepperPy(), [wait_long]))):
        task_id = await client.submit("slow", "Wait.")
        await asyncio.wait_for(begun.wait(), 8)
        await client.cancel(task_id)
        [failed] = await seen.named(task_id, "tool.failed")
    assert failed.event.data["code"] == "canceled"


async def test_the_deadline_ends_a_graph(client: Client, working: Working) -> None:
    async def never(state: State) -> State:
        await asyncio.Event().wait()
        return state

    graph = StateGraph(State).add_node("never", never).add_edge(START, "never").compile()
    async with working(langchain_agent("never", graph)):
        with pytest.raises(DeadlineExceeded):
            await client.run("never", "?", wait="20s", timeout="1s")


async def test_what_a_model_costs_is_spent_from_the_budget_of_the_task(
    client: Client, working: Working, model: Planned
) -> None:
    model.plan = deque([calls(("weather", {"city": "Rome"})), says("Sunny.")])
    graph = create_agent(ChatPepperPy(), [weather])
    async with working(langchain_agent("weather", graph)):
        task_id = await client.submit("weather", "Rome?", budget={"tokens": 5000})
        await client.result(task_id, wait="20s")
    ledger = await client.budgets.ledger(task_id)
    assert ledger is not None
    assert ledger.spent.tokens == 240


async def test_a_graph_that_does_not_end_is_stopped_and_not_repeated(
    client: Client, working: Working, seen: Seen
) -> None:
    graph = (
        StateGraph(State)
        .add_node("again", lambda state: {"messages": [AIMessage("again")]})
        .add_edge(START, "again")
        .add_edge("again", "again")
        .compile()
    )
    agent = langchain_agent("round", graph, config={"recursion_limit": 5})
    async with working(agent):
        task_id = await client.submit("round", "Go.")
        with pytest.raises(Rejected, match="Recursion limit of 5"):
            await client.result(task_id, wait="20s")
    assert (await seen.names(task_id)).count("task.started") == 1


async def test_an_error_of_the_provider_service_is_the_task_s(
    client: Client, working: Working, model: Planned
) -> None:
    model.plan = deque([fails(RequestRefused("no such parameter"))])
    async with working(langchain_agent("weather", create_agent(ChatPepperPy(), [weather]))):
        with pytest.raises(RequestRefused):
            await client.run("weather", "?", wait="20s")


async def test_a_graph_takes_a_conversation_of_ours_and_gives_its_state(
    client: Client, working: Working, model: Planned
) -> None:
    model.plan = deque([says("You are Ana.")])
    talk = [
        {"role": "user", "content": "I am Ana."},
        {"role": "assistant", "content": [{"type": "text", "text": "Hello."}]},
        {"role": "user", "content": "Who am I?"},
    ]
    async with working(langchain_agent("talk", create_agent(ChatPepperPy(), []))):
        state = await client.run("talk", {"messages": talk}, wait="20s")
    assert [one["role"] for one in state["messages"]] == ["user", "assistant", "user", "assistant"]
    assert state["messages"][-1]["content"] == "You are Ana."


async def test_a_list_of_messages_is_a_question_and_answered_with_words(
    client: Client, working: Working, model: Planned
) -> None:
    model.plan = deque([says("You are Ana.")])
    talk = [
        {"role": "user", "content": "I am Ana."},
        {"type": "ai", "content": "Hello."},
        {"role": "user", "content": "Who am I?"},
    ]
    async with working(langchain_agent("talk", create_agent(ChatPepperPy(), []))):
        assert await client.run("talk", talk, wait="20s") == "You are Ana."
        asked = BusRunnable("talk", client=client)
        one = ChatPromptTemplate.from_template("Who is {name}?") | asked
        assert await one.ainvoke({"name": "Bob"}) == "You are Ana."
        several = ChatPromptTemplate.from_messages([("system", "Short."), ("user", "Who?")]) | asked
        assert await several.ainvoke({}) == "You are Ana."
    said = [[(m.role, m.text) for m in request.messages] for _, request, _ in model.asked]
    assert said == [
        [("user", "I am Ana."), ("assistant", "Hello."), ("user", "Who am I?")],
        [("user", "Who is Bob?")],
        [("system", "Short."), ("user", "Who?")],
    ]


async def test_a_structured_response_is_the_answer(
    client: Client, working: Working, model: Planned
) -> None:
    model.plan = deque([calls(("City", {"name": "Porto"}))])
    graph = create_agent(ChatPepperPy(), [], response_format=City)
    async with working(langchain_agent("city", graph)):
        assert await client.run("city", "Which city?", wait="20s") == {"name": "Porto"}


async def test_a_graph_of_other_state_is_given_the_task_s_data(
    client: Client, working: Working
) -> None:
    class Numbers(TypedDict):
        n: int

    async def halve(state: Numbers) -> Numbers:
        get_stream_writer()({"halving": state["n"]})
        return {"n": state["n"] // 2}

    def more(state: Numbers) -> str:
        return "halve" if state["n"] > 10 else END

    graph = (
        StateGraph(Numbers)
        .add_node("halve", halve)
        .add_edge(START, "halve")
        .add_conditional_edges("halve", more, ["halve", END])
        .compile()
    )
    async with working(langchain_agent("halve", graph, retries=0)):
        task_id = await client.submit("halve", {"n": 100})
        assert await client.result(task_id, wait="20s") == {"n": 6}
        with pytest.raises(BadPayload, match="the graph takes no such input"):
            await client.run("halve", None, wait="20s")
    _, others = await told(client, task_id)
    assert [one["custom"]["halving"] for one in others if "custom" in one] == [100, 50, 25, 12]


async def test_a_plain_function_in_a_graph_may_ask_a_model_and_a_tool_too(
    client: Client, working: Working, model: Planned
) -> None:
    model.plan = deque([says("Sunny.")])
    [calculator] = langchain_tools("calculator")

    def node(state: State) -> dict[str, Any]:
        asked = f"Is it {calculator.invoke({'expression': '1+1'})}?"
        return {"messages": [ChatPepperPy().invoke(asked)]}

    graph = StateGraph(State).add_node("node", node).add_edge(START, "node").compile()
    async with working(langchain_agent("plain", graph)):
        assert await client.run("plain", "?", wait="20s") == "Sunny."
    assert model.asked[0][1].messages[0].text == 'Is it {"value":2}?'


async def test_words_of_a_model_that_is_tagged_silent_are_not_shown(
    client: Client, working: Working, model: Planned
) -> None:
    model.plan = deque([says("Secret."), says("Said.")])
    hidden = ChatPepperPy().with_config(tags=["nostream"])

    async def both(text: str) -> str:
        await hidden.ainvoke("think")
        return (await ChatPepperPy().ainvoke("say")).text

    async with working(langchain_agent("both", RunnableLambda(both))):
        task_id = await client.submit("both", "?")
        await client.result(task_id, wait="20s")
    text, _ = await told(client, task_id)
    assert text == "Said."


@pytest.mark.parametrize("managed", [True, False])
async def test_callbacks_of_the_user_s_own_are_kept(
    client: Client, working: Working, model: Planned, managed: bool
) -> None:
    counting = UsageMetadataCallbackHandler()
    model.plan = deque([says("Fine.")])
    callbacks: Any = AsyncCallbackManager([counting], [counting]) if managed else [counting]
    agent = langchain_agent("counted", ChatPepperPy(), config={"callbacks": callbacks})
    async with working(agent):
        assert await client.run("counted", "?", wait="20s") == "Fine."
    [usage] = counting.usage_metadata.values()
    assert usage["total_tokens"] == 120


async def test_a_shadow_leaves_the_work_to_the_live_task(
    client: Client, working: Working, model: Planned
) -> None:
    done: list[str] = []

    async def work(text: str) -> str:
        done.append(text)
        return text

    live = langchain_agent("live", RunnableLambda(work), topics=["it"])
    other = langchain_agent("other", RunnableLambda(work), topics=["it"], version="2.0.0")
    async with working(live), Shadow(client, other, "it") as shadow:
        await client.run("it", "once", wait="20s")
        async with asyncio.timeout(10):
            compared = await shadow.next()
    assert compared.verdict == "diverged"
    assert done == ["once"]


async def test_a_handler_is_tried_without_a_bus() -> None:
    model = ScriptedModel().calls_tool("weather", city="Lisbon").replies("Sunny.")
    graph = create_agent(ChatPepperPy(), [weather])
    played = await unit(runnable_handler(graph), "How is it in Lisbon?", replies=model)
    assert played.result == "Sunny."
