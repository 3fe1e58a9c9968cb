"""Calls that people must agree to: asked before, durable, and a no goes back to the model."""

from collections import deque
from typing import Any

import pytest

from pepperpy import Client
from pepperpy_agents.thinking import LLMAgent
from pepperpy_agents.thinking.approval import Approval
from pepperpy_agents.tools import tool
from pepperpy_schemas.chat import ToolResult
from tests.agents.conftest import Working, wait_until
from tests.agents.thinking.speaking import calls, says
from tests.provider_svc.asking import Planned


class Shop:
    """Tools with effects that can be counted."""

    def __init__(self) -> None:
        self.done: list[str] = []

        @tool(name="orders.look")
        def look(order: str) -> str:
            """Looks at an order."""
            self.done.append(f"look {order}")
            return "paid"

        @tool(name="orders.refund")
        def refund(order: str) -> str:
            """Refunds an order."""
            self.done.append(f"refund {order}")
            return "refunded"

        @tool(name="mail.send")
        def send(to: str) -> str:
            """Sends a mail."""
            self.done.append(f"mail {to}")
            return "sent"

        self.tools = [look, refund, send]


def agent(shop: Shop, *approve: str, **options: Any) -> LLMAgent:
    return LLMAgent("desk", "Help.", tools=shop.tools, approve=approve, **options)


async def open_question(client: Client, task_id: str) -> Any:
    async def look() -> Any:
        return next(
            (
                one
                for one in await client.questions()
                if one.task_id == task_id and not one.answered
            ),
            None,
        )

    return await wait_until(look)


async def test_two_calls_are_asked_for_one_after_the_other_each_in_another_worker(
    client: Client, working: Working, model: Planned
) -> None:
    shop = Shop()
    model.plan = deque(
        [
            calls(("orders_look", {"order": "a1"})),
            calls(("orders_refund", {"order": "a1"})),
            calls(("mail_send", {"to": "ana"})),
            says("Refunded, and told."),
        ]
    )
    approve = ("orders.refund", "mail")
    async with working(agent(shop, *approve)):
        task_id = await client.submit("desk", "Refund a1.")
        first = await open_question(client, task_id)
    assert shop.done == ["look a1"]
    assert 'desk wants to call orders.refund with {"order":"a1"}' in first.wait.text
    # Nobody is at work while it waits; days may pass.
    await client.answer(task_id, "yes")
    async with working(agent(shop, *approve)):
        second = await open_question(client, task_id)
    assert "mail.send" in second.wait.text
    assert shop.done == ["look a1", "refund a1"]
    await client.answer(task_id, "yes")
    async with working(agent(shop, *approve)):
        assert await client.result(task_id, wait="20s") == "Refunded, and told."
    assert shop.done == ["look a1", "refund a1", "mail ana"]
    assert model.calls == 4


async def test_a_no_goes_back_to_the_model_and_the_other_calls_are_made(
    client: Client, working: Working, model: Planned
) -> None:
    shop = Shop()
    model.plan = deque(
        [
            calls(("orders_refund", {"order": "a1"}), ("orders_look", {"order": "a1"})),
            says("I may not refund it."),
        ]
    )
    async with working(agent(shop, "orders.refund")):
        task_id = await client.submit("desk", "Refund a1.")
        await open_question(client, task_id)
        await client.answer(task_id, "no")
        assert await client.result(task_id, wait="20s") == "I may not refund it."
    assert shop.done == ["look a1"]
    refused, made = [p for p in model.asked[1][1].messages[-1].parts if isinstance(p, ToolResult)]
    assert refused.error
    assert "a person has refused it" in refused.content
    assert not made.error


async def test_people_are_shown_the_arguments_as_the_tool_reads_them(
    client: Client, working: Working, model: Planned
) -> None:
    """Whoever reads of ana, and overlooks what comes behind her, must not agree to eve."""
    shop = Shop()
    model.plan = deque([calls(("mail_send", '{"to":"ana","to":"\\u0065ve"}')), says("Sent.")])
    async with working(agent(shop, "*")):
        task_id = await client.submit("desk", "Write.")
        question = await open_question(client, task_id)
        assert 'mail.send with {"to":"eve"}. May it?' in question.wait.text
        await client.answer(task_id, "yes")
        await client.result(task_id, wait="20s")
    assert shop.done == ["mail eve"]


async def test_no_answer_in_time_is_a_no(client: Client, working: Working, model: Planned) -> None:
    shop = Shop()
    model.plan = deque([calls(("mail_send", {"to": "ana"})), says("Not sent.")])
    async with working(agent(shop, "*", approve_within="1s")):
        assert await client.run("desk", "Write.", wait="20s") == "Not sent."
    assert shop.done == []


async def test_nobody_is_asked_for_a_call_that_cannot_be_made(
    client: Client, working: Working, model: Planned
) -> None:
    shop = Shop()
    model.plan = deque(
        [
            calls(("mail_send", {"address": "ana"}), ("mail_burn", {})),
            calls(("mail_send", {"to": "x" * 9000})),
            says("I cannot."),
        ]
    )
    async with working(agent(shop, "*")):
        assert await client.run("desk", "Write.", wait="20s") == "I cannot."
    assert shop.done == []
    told = model.asked[2][1].messages[-1].parts
    assert isinstance(told[0], ToolResult)
    assert "too many to be agreed to" in told[0].content


@pytest.mark.parametrize(
    ("names", "tool_name", "covered"),
    [
        (("http",), "http.get", True),
        (("http.get",), "http.get", True),
        (("http.get",), "http.post", False),
        (("ht",), "http.get", False),
        (("http.get",), "http_get", True),
        (("http",), "https.get", False),
        (("*",), "anything", True),
        ((), "http.get", False),
    ],
)
def test_a_name_stands_for_what_is_below_it(
    names: tuple[str, ...], tool_name: str, covered: bool
) -> None:
    assert Approval(names).covers(tool_name) is covered
