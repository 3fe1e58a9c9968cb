"""An agent that thinks is killed at each of its steps: none that has ended is done again."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from pepperpy import Client
from pepperpy.stack.broker import Broker
from pepperpy_bus.tasks.journal import Journal
from pepperpy_schemas.messages import StepEntry
from tests.agents.conftest import wait_until
from tests.provider_svc.upstreams.raw_server import Exchange, RawServer, raw_server

AGENT = """
import os, urllib.request
from pydantic import BaseModel, field_validator
from pepperpy import LLMAgent, tool
from pepperpy_agents.tools import ToolUse
from pepperpy_agents.thinking import Limits

class Report(BaseModel):
    effects: int

    @field_validator("effects")
    @classmethod
    def _is_all(cls, value: int) -> int:
        if value != 8:
            raise ValueError("there are eight")
        return value

@tool
def effect(task: int, number: int, use: ToolUse) -> str:
    "Has an effect."
    url = f"{os.environ['EFFECTS']}/effect/{task}/{number}"
    with urllib.request.urlopen(url, data=use.key.encode()) as answer:
        return answer.read().decode()

agent = LLMAgent(
    "thinker",
    "Have eight effects, then report them.",
    tools=[effect],
    output_type=Report,
    limits=Limits(repairs=4),
    concurrency=32,
    tool_concurrency=32,
)
"""

MODELS = """
[providers.mock]
kind = "openai"
base_url = "{url}/v1"
keys = [{{env = "MOCK_KEY"}}]

[models.default]
targets = ["mock/thinker"]
timeouts = {{first_byte = "60s", first_token = "60s", idle = "60s"}}
"""

TURNS: dict[int, tuple[int, ...]] = {
    **{1: (1,), 2: (), 3: (2, 3), 4: (4,), 5: (), 6: (5,)},
    **{7: (), 8: (6,), 9: (7,), 10: (), 11: (8,), 12: ()},
}
"""What each answer of the model calls; those without calls have not the form, but the last."""
STEPS = [
    step
    for turn, calls in TURNS.items()
    for step in [("model", turn)] + [("effect", n) for n in calls]
]
AT_ONCE = {("effect", 2): ("effect", 3), ("effect", 3): ("effect", 2)}
WHOLE = 99
"""The task that nothing happens to."""


class World:
    """The model, and what the tools do: what was asked for, what was answered, what is held."""

    def __init__(self) -> None:
        self.asked: Counter[tuple[int, str, int]] = Counter()
        self.answered: Counter[tuple[int, str, int]] = Counter()
        self.keys: dict[tuple[int, str, int], set[bytes]] = {}
        self.holding = True

    async def act(self, exchange: Exchange) -> None:
        place = self._place(exchange)
        self.asked[place] += 1
        task, kind, number = place
        if kind == "effect":
            self.keys.setdefault(place, set()).add(exchange.body)
        if self.holding and task != WHOLE and STEPS[task] == (kind, number):
            # Its worker is killed meanwhile: nobody ever gets this answer.
            await exchange.gone()
            return
        self.answered[place] += 1
        if kind == "effect":
            await exchange.answer(f"effect {number}".encode(), kind="text/plain")
        else:
            await exchange.stream(list(_answer(task, number)))

    @property
    def held(self) -> int:
        return sum((self.asked - self.answered).values())

    def _place(self, exchange: Exchange) -> tuple[int, str, int]:
        path = exchange.request.split(" ", 2)[1].split("/")
        if path[1] == "effect":
            return int(path[2]), "effect", int(path[3])
        messages = json.loads(exchange.body)["messages"]
        [task] = {int(m["content"][5:]) for m in messages if str(m["content"]).startswith("task ")}
        return task, "model", 1 + sum(m["role"] == "assistant" for m in messages)


def _answer(task: int, turn: int) -> list[object]:
    calls = [
        {
            "index": index,
            "id": f"call-{number}",
            "type": "function",
            "function": {
                "name": "effect",
                "arguments": json.dumps({"task": task, "number": number}),
            },
        }
        for index, number in enumerate(TURNS[turn])
    ]
    text = json.dumps({"effects": 8 if turn == len(TURNS) else turn})
    said: dict[str, Any] = {"tool_calls": calls} if calls else {"content": text}
    about = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "thinker"}

    def piece(delta: dict[str, Any], finish: str | None) -> dict[str, Any]:
        return {**about, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

    usage = {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}
    return [
        piece({"role": "assistant", **said}, None),
        piece({}, "tool_calls" if calls else "stop"),
        {**about, "choices": [], "usage": usage},
        "[DONE]",
    ]


@pytest.fixture
async def upstream() -> AsyncIterator[tuple[World, RawServer]]:
    world = World()
    async with raw_server(world.act) as server:
        yield world, server


@contextlib.asynccontextmanager
async def provider(
    folder: Path, broker: Broker, client: Client, server: RawServer
) -> AsyncIterator[None]:
    (folder / "models.toml").write_text(MODELS.format(url=server.url))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pepperpy", "provider", "run", "--declaration", "models.toml"),
        cwd=folder,
        env={
            **os.environ,
            "PEPPERPY_NATS_URL": broker.url,
            "PEPPERPY_BUS_PREFIX": client.prefix,
            "MOCK_KEY": "k",
        },
    )
    try:

        async def up() -> bool:
            return bool(await client.registry.instances(agent="provider"))

        await wait_until(up, within=30)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), 20)


async def steps_of(client: Client, task_id: str) -> int:
    journal = Journal(client.connection, client.prefix, task_id, "")
    await journal.read()
    return sum(isinstance(one, StepEntry) for one in journal.history.entries)


async def test_a_killed_agent_pays_for_no_answer_and_does_no_effect_twice(
    client: Client,
    broker: Broker,
    workers: Callable[..., Any],
    audit: Any,
    tmp_path: Path,
    upstream: tuple[World, RawServer],
) -> None:
    """As many tasks as there are steps: each stands at another one when their worker is killed."""
    world, server = upstream
    assert (len(TURNS), len(STEPS)) == (12, 20)
    (tmp_path / "thinker.py").write_text(AGENT)
    await audit.impatient(client, "thinker", 2.0)
    environment = {"EFFECTS": server.url}
    async with provider(tmp_path, broker, client, server):
        first = workers(broker.url, "thinker.py", env=environment)
        numbers = [*range(len(STEPS)), WHOLE]
        tasks = {n: await client.submit("thinker", f"task {n}") for n in numbers}
        untouched = await client.result(tasks[WHOLE], wait="60s")

        async def standing() -> bool:
            if world.held < len(STEPS):
                return False
            done = [await steps_of(client, tasks[n]) for n in range(len(STEPS))]
            return done == [_before(n) for n in range(len(STEPS))]

        await wait_until(standing, within=60)
        first.kill()
        world.holding = False
        workers(broker.url, "thinker.py", env=environment)
        results = [await client.result(tasks[n], wait="60s") for n in range(len(STEPS))]
    assert untouched == {"effects": 8}
    assert results == [untouched] * len(STEPS)
    everything = Counter({(n, kind, number): 1 for n in numbers for kind, number in STEPS})
    # Each answer was paid once, and each effect was had once.
    assert world.answered == everything
    # Asked for again was only what had no answer when the worker died.
    again = Counter({(n, *STEPS[n]): 1 for n in range(len(STEPS))})
    assert world.asked == everything + again
    # Who is asked for an effect again can know it.
    keys = [key for one in world.keys.values() for key in one]
    assert len(set(keys)) == len(keys) == len(world.keys) == 8 * len(numbers)


def _before(task: int) -> int:
    """The steps that are in the journal when a task stands at its own."""
    pair = AT_ONCE.get(STEPS[task])
    if pair is None:
        return task
    return min(task, STEPS.index(pair)) + 1
