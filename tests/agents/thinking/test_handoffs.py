"""Handing a question on: to any worker of a topic, with what was said, and not in a circle."""

import json
import subprocess
import sys
from collections import deque
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from pepperpy import Agent, Client, Context
from pepperpy.stack.broker import Broker
from pepperpy_agents.thinking import Answer, Handoff, LLMAgent
from pepperpy_agents.thinking.handoffs import MAX_HOPS, open_to
from pepperpy_agents.thinking.questions import Question
from pepperpy_schemas.chat import ToolResult
from pepperpy_schemas.errors import BadConfig, BadName
from tests.agents.conftest import Seen, Working
from tests.agents.thinking.speaking import calls, says
from tests.provider_svc.asking import Planned

TRANSFER = ("transfer_to_billing", {"reason": "it is about money"})

FOREIGN = """
import asyncio, json, sys
import nats

async def main():
    url, prefix = sys.argv[1:]
    link = await nats.connect(url)
    tasks = await link.jetstream().pull_subscribe_bind(
        consumer="w_billing", stream=f"{prefix.upper()}_TASKS"
    )
    print("ready", flush=True)
    [message] = await tasks.fetch(1, timeout=30)
    meta = message.metadata
    task = message.headers.get("Nats-Msg-Id") or f"{meta.stream}-{meta.sequence.stream}"
    asked = json.loads(message.data)
    said = f"billed after {len(asked['conversation'])} lines: {asked['text']}"
    result = json.dumps({"ok": True, "data": said}).encode()
    headers = {"Nats-Msg-Id": f"{task}:result"}
    await link.jetstream().publish(f"{prefix}.result.{task}", result, headers=headers)
    reply_to = message.headers.get("Pp-Reply-To")
    if reply_to:
        await link.jetstream().publish(reply_to, json.dumps({"child": task}).encode())
    await message.ack()
    print(json.dumps(asked), flush=True)
    await link.close()

asyncio.run(main())
"""


async def test_the_other_agent_answers_with_what_was_said(
    client: Client, working: Working, model: Planned, seen: Seen
) -> None:
    got: list[Any] = []
    billing = Agent("billing")

    @billing.task("billing")
    async def bill(data: dict[str, Any], ctx: Context) -> str:
        got.append(data)
        return "You owe nothing."

    model.plan = deque([calls(TRANSFER, text="One moment.")])
    desk = LLMAgent("desk", "Help.", handoffs=[Handoff("billing", "money")], details=True)
    async with working(billing), working(desk):
        task_id = await client.submit("desk", {"text": "What do I owe?", "session": "ana"})
        answer = await client.result(task_id, type=Answer, wait="20s")
    assert (answer.output, answer.handed_to, answer.turns) == ("You owe nothing.", "billing", 1)
    assert got == [
        {
            "text": "What do I owe?",
            "session": "ana",
            "conversation": [],
            "handoff": {"from": "desk", "reason": "it is about money", "hops": ["desk"]},
        }
    ]
    [tool] = model.asked[0][1].tools
    assert tool.name == "transfer_to_billing"
    assert "money" in tool.description
    [told] = await seen.named(task_id, "agent.handed_on")
    assert told.data["to"] == "billing"


async def test_nobody_gets_the_question_back(
    client: Client, working: Working, model: Planned
) -> None:
    model.plan = deque([calls(TRANSFER), says("I do it myself.")])
    desk = LLMAgent("desk", "Help.", handoffs=["billing"])
    billing = LLMAgent("billing", "Bill.", handoffs=["desk", "legal"])
    async with working(billing), working(desk):
        assert await client.run("desk", "What do I owe?", wait="20s") == "I do it myself."
    offered = [[one.name for one in request.tools] for _, request, _ in model.asked]
    assert offered == [["transfer_to_billing"], ["transfer_to_legal"]]


async def test_one_that_fails_leaves_the_question_with_the_model(
    client: Client, working: Working, model: Planned
) -> None:
    billing = Agent("billing")

    @billing.task("billing", retries=0)
    async def bill(data: dict[str, Any]) -> str:
        raise ValueError("no ledger")

    model.plan = deque([calls(TRANSFER, ("other", {})), says("Billing is closed.")])
    desk = LLMAgent("desk", "Help.", handoffs=["billing"])
    async with working(billing), working(desk):
        assert await client.run("desk", "What do I owe?", wait="20s") == "Billing is closed."
    results = [p for p in model.asked[1][1].messages[-1].parts if isinstance(p, ToolResult)]
    assert len(results) == 2
    assert "no ledger" in results[0].content


async def test_what_the_other_agent_gives_must_have_the_form(
    client: Client, working: Working, model: Planned
) -> None:
    class Bill(BaseModel):
        euros: int

    billing = Agent("billing")

    @billing.task("billing")
    async def bill(data: dict[str, Any]) -> dict[str, Any]:
        return {"euros": 7} if data["text"] == "good" else {"dollars": 7}

    model.plan = deque([calls(TRANSFER), calls(TRANSFER), says('{"euros": 8}')])
    desk = LLMAgent("desk", "Help.", handoffs=["billing"], output_type=Bill)
    async with working(billing), working(desk):
        assert await client.run("desk", "good", wait="20s") == {"euros": 7}
        assert await client.run("desk", "bad", wait="20s") == {"euros": 8}
    [result] = model.asked[2][1].messages[-1].parts
    assert isinstance(result, ToolResult)
    assert "in another form: $.euros" in result.content


async def test_an_agent_of_texts_hands_on_to_one_of_objects(
    client: Client, working: Working, model: Planned
) -> None:
    billing = Agent("billing")

    @billing.task("billing")
    async def bill(data: dict[str, Any]) -> dict[str, Any]:
        return {"euros": 7}

    model.plan = deque([calls(TRANSFER)])
    async with working(billing), working(LLMAgent("desk", "Help.", handoffs=["billing"])):
        assert await client.run("desk", "What?", wait="20s") == '{"euros":7}'


async def test_agents_that_ask_one_another_come_to_an_end(
    client: Client, working: Working, model: Planned
) -> None:
    """Asked as a tool, an agent does not know who has had the question; the depth still counts."""
    model.plan = deque([calls(TRANSFER)])
    desk = LLMAgent("desk", "Help.", tools=["agent:desk2"], handoffs=["billing"])
    billing = Agent("billing")

    @billing.task("billing")
    async def bill(data: dict[str, Any], ctx: Context) -> str:
        return ctx.headers["agent-depth"]

    async with working(billing), working(desk):
        assert await client.run("desk", "What?", headers={"Agent-Depth": "3"}, wait="20s") == "4"
        model.plan = deque([calls(TRANSFER), says("No more.")])
        given = {"Agent-Depth": "8"}
        assert await client.run("desk", "What?", headers=given, wait="20s") == "No more."


async def test_a_worker_that_knows_nothing_but_the_wire_answers(
    client: Client, working: Working, model: Planned, broker: Broker, prefix: str, tmp_path: Path
) -> None:
    model.plan = deque([calls(TRANSFER)])
    announcing = Agent("billing")

    @announcing.task("billing")
    async def bill(data: dict[str, Any]) -> str:
        raise AssertionError("it only makes the consumer")

    async with working(announcing):
        pass
    (tmp_path / "foreign.py").write_text(FOREIGN)
    command = [sys.executable, "foreign.py", broker.url, prefix]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as foreign:
        assert foreign.stdout is not None
        assert foreign.stdout.readline() == "ready\n"
        async with working(LLMAgent("desk", "Help.", handoffs=["billing"])):
            data = {
                "text": "What do I owe?",
                "conversation": [{"role": "user", "text": "Hi."}, {"role": "x", "text": "no"}],
            }
            answer = await client.run("desk", data, wait="30s")
        asked = json.loads(foreign.stdout.readline())
    assert answer == "billed after 1 lines: What do I owe?"
    assert asked["handoff"]["hops"] == ["desk"]
    assert foreign.returncode == 0


def test_a_question_is_not_handed_on_for_ever() -> None:
    known = [Handoff("a"), Handoff("b")]
    assert open_to(known, "c", Question(text="?")) == tuple(known)
    assert open_to(known, "a", Question(text="?")) == (Handoff("b"),)
    assert open_to(known, "c", Question(text="?", hops=("b",))) == (Handoff("a"),)
    many = tuple(f"t{n}" for n in range(MAX_HOPS))
    assert open_to(known, "c", Question(text="?", hops=many)) == ()


def test_a_topic_that_is_none_is_refused() -> None:
    with pytest.raises(BadName):
        LLMAgent("desk", "Help.", handoffs=["no topic"])


def test_a_tool_may_not_have_the_name_of_a_handoff() -> None:
    def transfer_to_billing(reason: str) -> str:
        """Looks like it."""
        return reason

    with pytest.raises(BadConfig, match="handed on to billing"):
        LLMAgent("desk", "Help.", tools=[transfer_to_billing], handoffs=["billing"])


@pytest.mark.parametrize("other", ["b" * 60, "b" * 59 + "x"])
def test_a_model_must_be_able_to_tell_handoffs_apart(other: str) -> None:
    with pytest.raises(BadConfig, match="are both transfer_to_b"):
        LLMAgent("desk", "Help.", handoffs=["b" * 60, other])
