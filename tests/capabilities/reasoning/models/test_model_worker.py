"""The stock agent asks models through the provider service, and asks nothing twice."""

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from llmock.pytest_plugin import LLMock
from llmock.scenarios import Delay, Match, Reply

from pepperpy import Client
from pepperpy.stack.broker import Broker
from pepperpy_bus.streams.consumers import task_consumer
from pepperpy_bus.streams.provision import ensure_consumer
from pepperpy_capabilities.reasoning.built_in import BUILT_IN
from pepperpy_schemas.errors import BadOutput, BadProblem, Canceled, NotFound, TooLong
from pepperpy_schemas.model_reasoning import DeductiveAnswer, InductiveAnswer
from pepperpy_schemas.subjects import stream_name
from tests.capabilities.reasoning.models import saying
from tests.capabilities.reasoning.models.conftest import Served
from tests.capabilities.reasoning.models.saying import HOLDS, says

REASONER = "pepperpy_capabilities.reasoning.reasoner_agent:agent"
DEDUCTIVE, INDUCTIVE = "reason-deductive", "reason-inductive"
OPPOSED = msgspec.structs.replace(saying.SOCRATES, checked_by="opponent")
ENDLESS = Delay(60, times=1, match=Match(model="gpt-4o-mini"))
STEPS = ["reason-deductive 1", "reason-to-rules 1", "rules 1", "reason-refute 1"]


async def has_done(client: Client, task_id: str, count: int) -> None:
    """Returns when so many steps of a task are done."""
    async with asyncio.timeout(60):
        while True:
            try:
                if len((await client.explain(task_id)).steps) >= count:
                    return
            except NotFound:  # it has not begun
                pass
            await asyncio.sleep(0.02)


async def test_a_killed_worker_leaves_steps_that_are_not_asked_again(
    broker: Broker, served: Served, llmock: LLMock, workers: Callable[..., Any]
) -> None:
    llmock.add(*says(saying.MORTAL, saying.MORTAL_RULES, HOLDS, HOLDS), ENDLESS)
    async with served() as client:
        config = task_consumer(client.prefix, DEDUCTIVE, high=False)
        config["ack_wait"] = 10_000_000_000
        await ensure_consumer(client.connection, stream_name(client.prefix, "TASKS"), config)
        first = workers(broker.url, REASONER)
        task_id = await client.submit(DEDUCTIVE, OPPOSED)
        await has_done(client, task_id, 3)
        first.kill()
        workers(broker.url, REASONER)
        answer = await client.result(task_id, type=DeductiveAnswer, wait="60s")
        story = await client.explain(task_id)
    assert answer.proved
    assert [(one.name, one.attempt) for one in story.steps] == [
        *((name, 1) for name in STEPS[:3]),
        (STEPS[3], 2),
    ]
    assert answer.cost.questions == 3
    assert answer.cost.usd > 0
    models = [one.body["model"] for one in llmock.requests]
    assert models.count("gpt-4o") == 2


async def test_bad_problems_bad_models_and_the_end_of_time_leave_the_worker_alive(
    broker: Broker, served: Served, llmock: LLMock, workers: Callable[..., Any]
) -> None:
    async with served() as client:
        worker = workers(broker.url, REASONER)
        with pytest.raises(BadProblem):
            await client.run(INDUCTIVE, {"observations": [" "]}, wait="1m")
        llmock.add(*[Reply(text="no JSON")] * 6)
        with pytest.raises(BadOutput):
            await client.run(INDUCTIVE, saying.SWANS, wait="1m")
        llmock.reset()
        llmock.add(ENDLESS, *says(saying.MOSTLY_WHITE, HOLDS))
        opposed = msgspec.structs.replace(saying.SWANS, checked_by="opponent")
        with pytest.raises(TooLong):
            await client.run(INDUCTIVE, msgspec.structs.replace(opposed, seconds=2), wait="1m")
        llmock.reset()
        llmock.add(ENDLESS, *says(saying.MOSTLY_WHITE, HOLDS))
        task_id = await client.submit(INDUCTIVE, opposed)
        await has_done(client, task_id, 1)
        await client.cancel(task_id)
        with pytest.raises(Canceled):
            await client.result(task_id, wait="1m")
        llmock.reset()
        llmock.add(*says(saying.MOSTLY_WHITE, HOLDS))
        answer = await client.run(INDUCTIVE, saying.SWANS, type=InductiveAnswer, wait="1m")
        assert answer.confidence == 0.6
        assert worker.code is None


def test_each_kind_has_its_topic() -> None:
    names = {one.name for one in BUILT_IN}
    assert {"deductive", "inductive", "abductive", "analogical", "causal", "counterfactual"} < names


async def test_a_file_is_submitted_to_the_reasoner_at_work(
    broker: Broker,
    prefix: str,
    served: Served,
    llmock: LLMock,
    workers: Callable[..., Any],
    tmp_path: Path,
) -> None:
    llmock.add(*says(saying.MORTAL, saying.MORTAL_RULES, HOLDS) * 2)
    file = tmp_path / "socrates.yaml"
    file.write_text(
        "premises:\n  - All men are mortal.\n  - Socrates is a man.\n"
        "question: Is Socrates mortal?\n"
    )
    place = ("--nats", broker.url, "--prefix", prefix)

    async def run(*arguments: str) -> tuple[int | None, str, str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "pepperpy", *place, "reason", str(file), *arguments,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate()
        return process.returncode, out.decode(), err.decode()

    async with served():
        code, _, err = await run()
        assert code != 0
        assert "nobody is at work on reason-deductive" in err
        workers(broker.url, REASONER)
        code, out, err = await run()
        assert code == 0, err
        assert out.startswith("Socrates is mortal.\nproved by rules")
        code, out, err = await run("--json")
        assert code == 0, err
        assert json.loads(out)["verdict"] == "yes"
