"""Graphs that are gone on with: checkpoints on the bus, questions to people, conversations."""

import asyncio
import operator
from collections import deque
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import tool as langchain_tool
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send, interrupt
from pydantic import BaseModel

from pepperpy import Client
from pepperpy.stack.broker import Broker
from pepperpy_agents.adapters.langchain import (
    BusSaver,
    ChatPepperPy,
    Checkpoints,
    langchain_agent,
)
from pepperpy_schemas.errors import BadConfig, Fenced, HandlerError, Rejected, TooLarge
from pepperpy_schemas.messages import WaitEntry
from tests.agents.conftest import Seen, Working, wait_until
from tests.agents.thinking.speaking import calls, says
from tests.provider_svc.asking import Planned
from tests.worker_processes import Start

KEPT = Checkpoints()


class Trail(TypedDict):
    trail: Annotated[list[str], operator.add]


class Word(TypedDict):
    word: str


def chain_of(**nodes: Any) -> Any:
    """A graph whose nodes follow one another."""
    graph, before = StateGraph(Trail), START
    for name, node in nodes.items():
        graph.add_node(name, node)
        graph.add_edge(before, name)
        before = name
    return graph.compile()


def leaves(word: str, done: list[str]) -> Any:
    async def node(state: Trail) -> Trail:
        done.append(word)
        return {"trail": [word]}

    return node


APP = """
import operator, os, signal
from pathlib import Path
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from pepperpy_agents.adapters.langchain import Checkpoints, langchain_agent

HERE = Path(__file__).parent
KILLED = os.environ["KILLED"]  # the node in which the first worker dies


class Trail(TypedDict):
    trail: Annotated[list[str], operator.add]


def leaves(word):
    async def node(state):
        with (HERE / f"trail-{KILLED}").open("a") as file:
            file.write(word + "\\n")
        if word == KILLED and not (HERE / f"dead-{word}").exists():
            (HERE / f"dead-{word}").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return {"trail": [word]}

    return node


graph, before = StateGraph(Trail), START
for word in ("one", "two", "three"):
    graph.add_node(word, leaves(word))
    graph.add_edge(before, word)
    before = word
agent = langchain_agent(f"walk-{KILLED}", graph.compile(), checkpoints=Checkpoints())
"""


@pytest.mark.slow
async def test_a_killed_worker_s_graph_goes_on_at_the_step_it_died_in(
    broker: Broker, client: Client, workers: Start, tmp_path: Path
) -> None:
    (tmp_path / "app.py").write_text(APP)
    words = ["one", "two", "three"]
    tasks = {}
    for word in words:
        first = workers(broker.url, "app.py:agent", env={"KILLED": word})
        tasks[word] = await client.submit(f"walk-{word}", {"trail": []})
        await asyncio.to_thread(first.ended, 30)
        workers(broker.url, "app.py:agent", env={"KILLED": word})
    for word, task_id in tasks.items():
        assert await client.result(task_id, wait="90s") == {"trail": words}
        trail = (tmp_path / f"trail-{word}").read_text().split()
        assert trail == [*words[: words.index(word)], word, *words[words.index(word) :]]


async def test_a_repeated_attempt_begins_at_the_node_that_failed(
    client: Client, working: Working, seen: Seen
) -> None:
    done: list[str] = []

    async def fails_once(state: Trail) -> Trail:
        done.append("try")
        if done.count("try") == 1:
            raise ValueError("once")
        return {"trail": ["try"]}

    graph = chain_of(one=leaves("one", done), fails=fails_once, last=leaves("last", done))
    agent = langchain_agent("walk", graph, checkpoints=KEPT, retries=1, retry_delay=0)
    async with working(agent):
        task_id = await client.submit("walk", {"trail": []})
        assert await client.result(task_id, wait="20s") == {"trail": ["one", "try", "last"]}
    assert done == ["one", "try", "try", "last"]
    assert len(await seen.named(task_id, "task.started", 2)) == 2


async def test_of_parallel_nodes_only_the_one_that_failed_runs_again(
    client: Client, working: Working
) -> None:
    done: list[str] = []

    async def work(state: Word) -> Trail:
        done.append(state["word"])
        if state["word"] == "b" and done.count("b") == 1:
            await wait_until(lambda: {"a", "c"} <= set(done))
            await asyncio.sleep(0)
            raise ValueError("once")
        return {"trail": [state["word"]]}

    graph = (
        StateGraph(Trail)
        .add_node("work", work)
        .add_conditional_edges(
            START, lambda state: [Send("work", {"word": word}) for word in "abc"], ["work"]
        )
        .compile()
    )
    agent = langchain_agent("fan", graph, checkpoints=KEPT, retries=1, retry_delay=0)
    async with working(agent):
        ended = await client.run("fan", {"trail": []}, wait="20s")
    assert ended == {"trail": ["a", "b", "c"]}
    assert sorted(done) == ["a", "b", "b", "c"]


async def test_a_graph_that_had_ended_is_not_run_again(client: Client, working: Working) -> None:
    done: list[str] = []
    tries: list[Any] = []

    def write(value: Any) -> Any:
        tries.append(value)
        if len(tries) == 1:
            raise ValueError("after the graph")
        return value

    agent = langchain_agent(
        "walk", chain_of(one=leaves("one", done)), checkpoints=KEPT, write=write, retry_delay=0
    )
    async with working(agent):
        assert await client.run("walk", {"trail": []}, wait="20s") == {"trail": ["one"]}
    assert done == ["one"]
    assert tries[0] == tries[1]


async def test_a_conversation_goes_on_under_its_key_and_no_other(
    client: Client, working: Working, model: Planned
) -> None:
    model.plan = deque([says("Hello, Ana."), says("Ana."), says("I do not know.")])
    agent = langchain_agent("talk", create_agent(ChatPepperPy(), []), checkpoints=KEPT)
    async with working(agent):
        assert await client.run("talk", "I am Ana.", key="ana", wait="20s") == "Hello, Ana."
        assert await client.run("talk", "Who am I?", key="ana", wait="20s") == "Ana."
        assert await client.run("talk", "Who am I?", key="bob", wait="20s") == "I do not know."
    said = [[one.text for one in request.messages] for _, request, _ in model.asked]
    assert said == [
        ["I am Ana."],
        ["I am Ana.", "Hello, Ana.", "Who am I?"],
        ["Who am I?"],
    ]


@pytest.mark.parametrize("before", [0, 1])
async def test_what_a_task_said_that_failed_is_no_part_of_the_conversation(
    client: Client, working: Working, model: Planned, before: int
) -> None:
    @langchain_tool
    def broken() -> str:
        """Fails."""
        raise ValueError("it is broken")

    model.plan = deque(
        [*[says("Hello.")] * before, calls(("broken", {})), says("Well."), says("2")]
    )
    graph = create_agent(ChatPepperPy(), [broken])
    async with working(langchain_agent("talk", graph, checkpoints=KEPT, retries=0)):
        for _ in range(before):
            await client.run("talk", "I am Ana.", key="ana", wait="20s")
        with pytest.raises(HandlerError, match="it is broken"):
            await client.run("talk", "Use the tool.", key="ana", wait="20s")
        assert await client.run("talk", "And now?", key="ana", wait="20s") == "Well."
        assert await client.run("talk", "And then?", key="ana", wait="20s") == "2"
    whole = ["I am Ana.", "Hello."] * before
    said = [[one.text for one in request.messages] for _, request, _ in model.asked[-2:]]
    assert said == [
        [*whole, "And now?"],
        [*whole, "And now?", "Well.", "And then?"],
    ]


# --- questions to people ------------------------------------------------------------------------


async def asked_of(client: Client, task_id: str, number: int) -> WaitEntry:
    """The question of this number, when the task has come to it."""

    async def there() -> WaitEntry | None:
        question = await client.question(task_id)
        here = question is not None and not question.answered and question.wait.question == number
        return question.wait if question is not None and here else None

    found: WaitEntry = await wait_until(there)
    return found


async def answered(client: Client, task_id: str, *answers: Any) -> list[str]:
    """Answers what a task asks, one after the other; returns the questions."""
    texts: list[str] = []
    for number, answer in enumerate(answers, 1):
        texts.append((await asked_of(client, task_id, number)).text)
        await client.answer(task_id, answer, question=number)
    return texts


async def test_an_interrupt_is_a_question_to_people_and_nothing_before_it_runs_again(
    client: Client, working: Working
) -> None:
    done: list[str] = []

    async def asks(state: Trail) -> Trail:
        said = interrupt({"question": "Send it?", "choices": ["yes", "no"]})
        return {"trail": [said]}

    graph = chain_of(one=leaves("one", done), asks=asks, last=leaves("last", done))
    async with working(langchain_agent("walk", graph, checkpoints=KEPT)):
        task_id = await client.submit("walk", {"trail": []})
        assert (await asked_of(client, task_id, 1)).choices == ["yes", "no"]
        assert await answered(client, task_id, "yes") == ["Send it?"]
        assert await client.result(task_id, wait="20s") == {"trail": ["one", "yes", "last"]}
    assert done == ["one", "last"]


async def test_each_question_of_a_graph_gets_its_own_answer(
    client: Client, working: Working
) -> None:
    async def asks(state: Trail) -> Trail:
        return {"trail": [interrupt("first?"), interrupt("second?")]}

    async def asks_more(state: Trail) -> Trail:
        return {"trail": [str(interrupt({"of": "what", "n": 3}))]}

    graph = chain_of(asks=asks, more=asks_more)
    async with working(langchain_agent("walk", graph, checkpoints=KEPT)):
        task_id = await client.submit("walk", {"trail": []})
        asked = await answered(client, task_id, "a", "b", 7)
        assert asked == ["first?", "second?", '{"of": "what", "n": 3}']
        assert await client.result(task_id, wait="20s") == {"trail": ["a", "b", "7"]}


async def test_nodes_that_ask_at_the_same_time_are_asked_for_one_after_the_other(
    client: Client, working: Working
) -> None:
    async def asks(state: Word) -> Trail:
        return {"trail": [state["word"] + interrupt(f"{state['word']}?")]}

    graph = (
        StateGraph(Trail)
        .add_node("asks", asks)
        .add_conditional_edges(
            START, lambda state: [Send("asks", {"word": word}) for word in "ab"], ["asks"]
        )
        .compile()
    )
    async with working(langchain_agent("fan", graph, checkpoints=KEPT)):
        task_id = await client.submit("fan", {"trail": []})
        assert await answered(client, task_id, "1", "2") == ["a?", "b?"]
        assert await client.result(task_id, wait="20s") == {"trail": ["a1", "b2"]}


async def test_an_approval_of_langchain_s_own_is_asked_for_on_the_bus(
    client: Client, working: Working, model: Planned
) -> None:
    sent: list[str] = []

    @langchain_tool
    def send(text: str) -> str:
        """Sends a mail."""
        sent.append(text)
        return "sent"

    model.plan = deque([calls(("send", {"text": "Hi."})), says("Done.")])
    graph = create_agent(
        ChatPepperPy(),
        [send],
        middleware=[HumanInTheLoopMiddleware(interrupt_on={"send": True})],
    )
    async with working(langchain_agent("mail", graph, checkpoints=KEPT)):
        task_id = await client.submit("mail", "Send a mail.")
        [asked] = await answered(client, task_id, {"decisions": [{"type": "approve"}]})
        assert await client.result(task_id, wait="20s") == "Done."
    assert '"name": "send"' in asked
    assert sent == ["Hi."]
    assert len(model.asked) == 2


async def test_a_tool_may_ask_people_and_is_called_again_with_their_answer(
    client: Client, working: Working, model: Planned, seen: Seen
) -> None:
    @langchain_tool
    def pay(amount: int) -> str:
        """Pays."""
        return f"paid {amount}" if interrupt(f"Pay {amount}?") == "yes" else "refused"

    model.plan = deque([calls(("pay", {"amount": 7})), says("Paid.")])
    graph = create_agent(ChatPepperPy(), [pay])
    async with working(langchain_agent("bank", graph, checkpoints=KEPT)):
        task_id = await client.submit("bank", "Pay 7.")
        assert await answered(client, task_id, "yes") == ["Pay 7?"]
        assert await client.result(task_id, wait="20s") == "Paid."
        [asked] = await seen.named(task_id, "tool.failed")
        [done] = await seen.named(task_id, "tool.completed")
    assert asked.event.data["code"] == "interrupted"
    assert asked.event.data["call"] == done.event.data["call"]
    assert len(model.asked) == 2


async def test_a_failure_after_an_answer_asks_nobody_again(
    client: Client, working: Working
) -> None:
    tries: list[int] = []

    async def asks(state: Trail) -> Trail:
        return {"trail": [interrupt("Sure?")]}

    async def fails_once(state: Trail) -> Trail:
        tries.append(1)
        if len(tries) == 1:
            raise ValueError("once")
        return {"trail": ["end"]}

    graph = chain_of(asks=asks, fails=fails_once)
    agent = langchain_agent("walk", graph, checkpoints=KEPT, retry_delay=0)
    async with working(agent):
        task_id = await client.submit("walk", {"trail": []})
        await answered(client, task_id, "yes")
        assert await client.result(task_id, wait="20s") == {"trail": ["yes", "end"]}


async def test_a_graph_within_a_graph_asks_and_goes_on_at_its_own_step(
    client: Client, working: Working
) -> None:
    done: list[str] = []
    tries: list[str] = []

    async def asks(state: Trail) -> Trail:
        return {"trail": [interrupt("inner?")]}

    async def fails_once(state: Trail) -> Trail:
        tries.append("try")
        if len(tries) == 1:
            raise ValueError("once")
        return {"trail": ["tried"]}

    inner = chain_of(first=leaves("first", done), asks=asks, fails=fails_once)
    outer = (
        StateGraph(Trail)
        .add_node("before", leaves("before", done))
        .add_node("inner", inner)
        .add_edge(START, "before")
        .add_edge("before", "inner")
        .compile()
    )
    async with working(langchain_agent("nest", outer, checkpoints=KEPT, retry_delay=0)):
        task_id = await client.submit("nest", {"trail": []})
        assert await answered(client, task_id, "yes") == ["inner?"]
        ended = await client.result(task_id, wait="20s")
    assert ended["trail"][-3:] == ["first", "yes", "tried"]
    assert done == ["before", "first"]
    assert tries == ["try", "try"]


@pytest.mark.parametrize("said", ["yes", "no"])
async def test_a_graph_that_is_made_to_stop_before_a_node_goes_on_when_people_say_so(
    client: Client, working: Working, said: str
) -> None:
    done: list[str] = []
    graph = chain_of(one=leaves("one", done), two=leaves("two", done), last=leaves("last", done))
    graph.interrupt_before_nodes = ["two", "last"]
    async with working(langchain_agent("walk", graph, checkpoints=KEPT)):
        task_id = await client.submit("walk", {"trail": []})
        asked = await answered(client, task_id, "yes", said)
        assert asked == ["Go on with two?", "Go on with last?"]
        if said == "yes":
            assert await client.result(task_id, wait="20s") == {"trail": ["one", "two", "last"]}
        else:
            with pytest.raises(Rejected, match="somebody said 'no'"):
                await client.result(task_id, wait="20s")
    assert done == ["one", "two", "last"][: 3 if said == "yes" else 2]


# --- the store --------------------------------------------------------------------------------


def saver_of(client: Client, **options: Any) -> BusSaver:
    return BusSaver(client.agent_state("walk").keyed, **options)


def thread(name: str, **more: Any) -> RunnableConfig:
    return {"configurable": {"thread_id": name, **more}}


async def test_it_keeps_what_langgraph_s_own_keeps(client: Client) -> None:
    done: list[str] = []
    ours, memory = saver_of(client), InMemorySaver()
    histories = []
    for saver in (ours, memory):
        graph = chain_of(one=leaves("one", done), two=leaves("two", done))
        graph.checkpointer = saver
        await graph.ainvoke({"trail": ["a"]}, thread("t"))
        await graph.ainvoke({"trail": ["b"]}, thread("t"))
        histories.append([one async for one in graph.aget_state_history(thread("t"))])
    first, second = (
        [(one.values, one.next, (one.metadata or {}).get("step")) for one in history]
        for history in histories
    )
    assert first == second
    assert len(first) == 8
    # A graph is run again from any of them.
    graph = chain_of(one=leaves("one", done), two=leaves("two", done))
    graph.checkpointer = ours
    before_two = next(one for one in histories[0] if one.next == ("two",))
    ended = await graph.ainvoke(None, before_two.config)
    assert ended == {"trail": ["a", "one", "two", "b", "one", "two"]}


async def test_checkpoints_are_listed_by_what_is_asked_and_forgotten_by_thread(
    client: Client,
) -> None:
    saver, ids = saver_of(client), []
    config = thread("t", checkpoint_ns="")
    for step in range(4):
        checkpoint = empty_checkpoint()
        ids.append(checkpoint["id"])
        config = await saver.aput(config, checkpoint, {"step": step, "source": "loop"}, {})
    await saver.aput(thread("other"), empty_checkpoint(), {"step": 9}, {})

    async def listed(config: RunnableConfig, **how: Any) -> list[str]:
        return [
            one.config["configurable"]["checkpoint_id"] async for one in saver.alist(config, **how)
        ]

    assert await listed(thread("t")) == ids[::-1]
    assert await listed(thread("t"), limit=2) == ids[:1:-1]
    assert await listed(thread("t"), before=thread("t", checkpoint_id=ids[2])) == ids[1::-1]
    assert await listed(thread("t"), filter={"step": 1}) == [ids[1]]
    assert await listed(thread("t", checkpoint_id=ids[1])) == [ids[1]]
    newest = await saver.aget_tuple(thread("t"))
    assert newest is not None
    assert newest.checkpoint["id"] == ids[-1]
    assert newest.parent_config is not None
    assert newest.parent_config["configurable"]["checkpoint_id"] == ids[-2]
    with pytest.raises(BadConfig, match="listed by thread"):
        await anext(aiter(saver.alist(None)))
    values = client.agent_state("walk").keyed("t")
    await values.set("own", 1)
    await saver.adelete_thread("t")
    assert await values.keys() == ["own"]
    assert await saver.aget_tuple(thread("t")) is None
    assert await saver.aget_tuple(thread("other")) is not None


class Place(BaseModel):
    city: str


class Places(TypedDict):
    places: list[Any]


async def test_a_type_that_was_not_allowed_is_refused_at_once_and_an_allowed_one_comes_back(
    client: Client, working: Working
) -> None:
    tries: list[Any] = []

    async def finds(state: Places) -> Places:
        return {"places": [Place(city="Faro")]}

    async def tells(state: Places) -> Places:
        tries.append(state["places"])
        if len(tries) == 1:
            raise ValueError("once")
        return {"places": [one.city for one in state["places"]]}

    graph = (
        StateGraph(Places)
        .add_node("finds", finds)
        .add_node("tells", tells)
        .add_edge(START, "finds")
        .add_edge("finds", "tells")
        .compile()
    )
    strict = langchain_agent("strict", graph, checkpoints=KEPT, retries=0)
    open_ = langchain_agent("open", graph, checkpoints=Checkpoints(allowed=(Place,)), retry_delay=0)
    async with working(strict), working(open_):
        with pytest.raises(BadConfig, match=r"Place, which is not read back"):
            await client.run("strict", {"places": []}, wait="20s")
        assert not tries
        assert await client.run("open", {"places": []}, wait="20s") == {"places": ["Faro"]}
    assert tries[0] == tries[1] == [Place(city="Faro")]


async def test_an_attempt_that_has_lost_its_task_writes_no_more(client: Client) -> None:
    old = saver_of(client, writer="task", attempt=1)
    new = saver_of(client, writer="task", attempt=2)
    await old.aput(thread("t"), empty_checkpoint(), {}, {})
    mine = empty_checkpoint()
    await new.aput(thread("t"), mine, {}, {})
    with pytest.raises(Fenced, match="attempt 2"):
        await old.aput(thread("t"), empty_checkpoint(), {}, {})
    newest = await new.aget_tuple(thread("t"))
    assert newest is not None
    assert newest.checkpoint["id"] == mine["id"]
    # The next task of the key may.
    await saver_of(client, writer="next", attempt=1).aput(thread("t"), empty_checkpoint(), {}, {})


async def test_a_state_that_is_too_large_is_refused_by_its_size(
    client: Client, working: Working
) -> None:
    async def grows(state: Trail) -> Trail:
        return {"trail": ["x" * 600_000]}

    agent = langchain_agent("grow", chain_of(grows=grows), checkpoints=KEPT, retries=0)
    async with working(agent):
        with pytest.raises(TooLarge):
            await client.run("grow", {"trail": []}, wait="20s")


async def test_a_graph_with_a_checkpointer_of_its_own_keeps_it(
    client: Client, working: Working
) -> None:
    saver = InMemorySaver()
    graph = StateGraph(Trail)
    graph.add_node("one", lambda state: {"trail": ["one"]})
    graph.add_edge(START, "one")
    graph.add_edge("one", END)
    agent = langchain_agent("walk", graph.compile(checkpointer=saver))
    async with working(agent):
        await client.run("walk", {"trail": []}, key="k", wait="20s")
        assert await client.run("walk", {"trail": ["b"]}, key="k", wait="20s") == {
            "trail": ["one", "b", "one"]
        }
    assert list(saver.storage) == ["k"]
