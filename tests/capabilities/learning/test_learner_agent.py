"""The stock agent that learns, asked as any client asks it, on a real server."""

import asyncio
import random
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from pepperpy import Client, connect
from pepperpy.stack.broker import Broker
from pepperpy_agents.worker import Worker, WorkerOptions
from pepperpy_bus.streams.consumers import task_consumer
from pepperpy_bus.streams.provision import set_consumer
from pepperpy_capabilities.learning import serving
from pepperpy_capabilities.learning.learner_agent import agent
from pepperpy_schemas.errors import BadExample, BadPayload, BadProblem, NotFound, TooBig, TooLong
from pepperpy_schemas.learning_online import (
    DriftWatch,
    OnlineAnswer,
    OnlineExample,
    OnlineOptions,
    OnlineQuestion,
    OnlineRequest,
)
from pepperpy_schemas.learning_values import Situation, Step, ValueAnswer, ValueRequest
from pepperpy_schemas.subjects import stream_name
from tests.capabilities.learning.river_data import datasets, examples
from tests.worker_processes import Start

PHISHING = examples(datasets.Phishing(), 300)
TREE = OnlineOptions(learner="hoeffding-tree", parameters={"grace_period": 30})
AGENT = "pepperpy_capabilities.learning.learner_agent:agent"


@pytest.fixture
async def learner(client: Client, broker: Broker, prefix: str) -> AsyncIterator[Worker]:
    """A worker in this process."""
    async with connect(broker.url, bus__prefix=prefix) as own:
        worker = Worker(agent, own, WorkerOptions(concurrency=8, grace=1.0))
        running = asyncio.create_task(worker.run(), name="learner")
        async with asyncio.timeout(10):
            while not worker.ready and not running.done():
                await asyncio.sleep(0.01)
        yield worker
        worker.stop()
        await running


async def online(client: Client, **fields: Any) -> OnlineAnswer:
    answer: OnlineAnswer = await client.run(
        "learn-online", OnlineRequest(**fields), type=OnlineAnswer, wait="180s"
    )
    return answer


@pytest.mark.usefixtures("learner")
class TestOnTheBus:
    async def test_it_learns_in_batches_and_says_how_well(self, client: Client) -> None:
        first = await online(client, do="learn", examples=PHISHING[:200], options=TREE)
        assert (first.learned, first.version, first.options) == (200, 1, TREE)
        asked = [OnlineQuestion(one.features) for one in PHISHING[200:210]]
        second = await online(client, do="learn", examples=PHISHING[200:], asked=asked)
        assert (second.version, len(second.guesses)) == (2, 10)
        guessed = await online(client, do="predict", asked=asked)
        assert guessed.guesses == second.guesses
        assert guessed.guesses[0].explanation
        figures = (await online(client, do="evaluate")).figures
        assert figures[-1].examples == 300
        assert figures[-1].figures["accuracy"] > 0.7

    async def test_it_saves_loads_resets_lists_and_forgets(self, client: Client) -> None:
        await online(client, do="learn", name="a", examples=PHISHING[:50], options=TREE)
        saved = await online(client, do="save", name="a")
        await online(client, do="learn", name="a", examples=PHISHING[50:100])
        await online(client, do="load", name="b", state=saved.state)
        assert (await online(client, do="list")).names == ["a", "b"]
        assert (await online(client, do="evaluate", name="b")).figures[-1].examples == 50
        await online(client, do="load", name="a", state=saved.state)
        assert (await online(client, do="evaluate", name="a")).figures[-1].examples == 50
        reset = await online(client, do="reset", name="a")
        assert reset.options == TREE
        assert (await online(client, do="evaluate", name="a")).figures[-1].examples == 0
        await online(client, do="forget", name="a")
        with pytest.raises(NotFound, match="no learner a"):
            await online(client, do="predict", name="a", asked=[])

    async def test_a_new_learner_begins_with_what_another_one_knows(self, client: Client) -> None:
        await online(client, do="learn", name="old", examples=PHISHING[:250], options=TREE)
        await online(client, do="learn", name="warm", start="old", examples=PHISHING[250:])
        await online(client, do="learn", name="cold", options=TREE, examples=PHISHING[250:])
        warm, cold = [
            (await online(client, do="evaluate", name=name)).figures[-1]
            for name in ("warm", "cold")
        ]
        assert warm.examples == cold.examples == 50
        assert warm.figures["accuracy"] > cold.figures["accuracy"]

    async def test_drift_is_told_in_the_answer_and_as_an_event(self, client: Client) -> None:
        watch = DriftWatch(detector="page-hinkley", parameters={"threshold": 10.0})
        options = OnlineOptions(drift=watch)
        told = [OnlineExample({"x": float(n % 10)}, (n % 10 > 4) == (n < 400)) for n in range(800)]
        answer = await online(client, do="learn", examples=told, options=options)
        assert any("drift after" in one for one in answer.news)
        async for event in client.events("learner.changed", since="1m"):
            assert event.data["news"] in answer.news
            break

    async def test_what_is_wrong_is_named_and_nothing_of_the_batch_is_learned(
        self, client: Client
    ) -> None:
        await online(client, do="learn", examples=PHISHING[:20], options=TREE)
        bad = OnlineExample({"is_popular": "yes"}, True)
        with pytest.raises(BadExample, match="is_popular") as refused:
            await online(client, do="learn", examples=[*PHISHING[20:25], bad])
        assert refused.value.context["field"] == "examples[5].features.is_popular"
        with pytest.raises(BadProblem, match="other options"):
            await online(client, do="learn", examples=PHISHING[:1], options=OnlineOptions())
        with pytest.raises(BadProblem, match="no learner 'oracle'"):
            await online(
                client,
                do="learn",
                name="n",
                examples=PHISHING,
                options=OnlineOptions(learner="oracle"),
            )
        with pytest.raises(NotFound):
            await online(client, do="learn", name="n", start="never", examples=PHISHING[:1])
        with pytest.raises(BadProblem):
            await online(client, do="load")
        wide: Any = {f"f{n}": 1.0 for n in range(200_000)}
        with pytest.raises(TooBig):
            await online(client, do="learn", examples=[OnlineExample(wide, True)])
        long = OnlineExample({"w": "x" * 10_000_000}, True)
        with pytest.raises(BadExample):
            await online(client, do="learn", examples=[long])
        with pytest.raises(BadPayload):
            await client.run("learn-online", {"do": "learn", "name": "no.token"}, wait="10s")
        raw = b'{"do":"learn","examples":[{"features":{"a":NaN},"target":1}]}'
        with pytest.raises(BadPayload):
            await client.run("learn-online", raw, wait="10s")
        # The worker lives, and knows what it knew.
        assert (await online(client, do="evaluate")).figures[-1].examples == 20

    async def test_what_takes_too_long_is_ended_and_nothing_is_learned(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await online(client, do="learn", examples=PHISHING[:1], options=TREE)
        monkeypatch.setattr(serving, "SECONDS", 1e-6)
        with pytest.raises(TooLong):
            await online(client, do="learn", examples=PHISHING)
        asked = [OnlineQuestion(one.features) for one in PHISHING[:20]]
        with pytest.raises(TooLong, match="of 20 questions"):
            await online(client, do="predict", asked=asked)
        assert (await online(client, do="evaluate")).figures[-1].examples == 1

    async def test_many_clients_at_once_lose_nothing(self, client: Client) -> None:
        await asyncio.gather(
            *(
                online(client, do="learn", examples=PHISHING[n : n + 5], options=TREE)
                for n in range(0, 300, 5)
            )
        )
        answer = await online(client, do="evaluate")
        assert answer.figures[-1].examples == 300
        assert answer.version < 60  # those that came together were stored together

    async def test_values_are_learned_and_chosen_by(self, client: Client) -> None:
        steps = [
            Step(state="here", action="left", reward=1.0, end=True),
            Step(state="here", action="right", reward=5.0, end=True),
        ]
        request = ValueRequest(do="learn", examples=steps, asked=[Situation(state="here")])
        answer = await client.run("learn-values", request, type=ValueAnswer, wait="10s")
        assert answer.guesses[0].action == "right"


async def be_impatient(client: Client) -> None:
    """Has the server deliver again after ten seconds, and not thirty, what nobody settles."""
    for high in (False, True):
        config = task_consumer(client.prefix, "learn-online", high=high)
        config["ack_wait"] = 10_000_000_000
        await set_consumer(client.connection, stream_name(client.prefix, "TASKS"), config)


async def test_workers_that_are_killed_count_no_example_twice_and_lose_none(
    client: Client, broker: Broker, prefix: str, workers: Start
) -> None:
    await be_impatient(client)
    started = [workers(broker.url, AGENT) for _ in range(2)]
    chance = random.Random(7)
    waiting = [
        asyncio.create_task(
            online(client, do="learn", examples=PHISHING[n : n + 3], options=TREE),
            name=f"learn {n}",
        )
        for n in range(0, 240, 3)
    ]
    for _ in range(3):
        done = sum(one.done() for one in waiting)
        async with asyncio.timeout(120):
            while sum(one.done() for one in waiting) < min(done + 8, len(waiting)):
                await asyncio.sleep(0.005)
        started.pop(chance.randrange(2)).kill()
        started.append(workers(broker.url, AGENT))
    answers = await asyncio.gather(*waiting)
    assert len(answers) == 80
    figures = (await online(client, do="evaluate")).figures
    assert figures[-1].examples == 240
    for one in started:
        one.send(signal.SIGTERM)
        assert one.ended() == 0


async def test_a_task_that_was_learned_and_comes_again_is_not_learned_again(
    client: Client, broker: Broker, prefix: str, workers: Start, tmp_path: Path
) -> None:
    """The worst moment: the state is stored, and the worker dies before it says so."""
    await be_impatient(client)
    (tmp_path / "dying.py").write_text(
        "import os\n"
        "from pepperpy_capabilities.learning import serving\n"
        "from pepperpy_capabilities.learning.learner_agent import agent\n"
        "change = serving.Keeper.change\n"
        "async def and_die(*args, **kwargs):\n"
        "    await change(*args, **kwargs)\n"
        "    os._exit(9)\n"
        "serving.Keeper.change = and_die\n"
    )
    dying = workers(broker.url, "dying.py:agent")
    learning = asyncio.create_task(
        online(client, do="learn", examples=PHISHING[:30], options=TREE, asked=[]), name="learn"
    )
    async with asyncio.timeout(120):
        while dying.code is None:
            await asyncio.sleep(0.05)
    workers(broker.url, AGENT)
    answer = await learning
    assert (answer.before, answer.version) == (True, 1)
    assert (await online(client, do="evaluate")).figures[-1].examples == 30
