import sqlite3

import pytest
import support

from pepperpy import ToolUse
from pepperpy_agents.tools.scopes import Grants
from pepperpy_schemas.errors import ToolFailed

pytestmark = pytest.mark.pepper("support:agent")

TICKET = "My desk lamp, order a-1001, arrived broken."
REPLY = {"category": "damage", "urgent": False, "reply": "It is on its way back to you."}


@pytest.fixture(autouse=True)
def book(monkeypatch, tmp_path):
    monkeypatch.setattr(support, "REFUNDS", tmp_path / "refunds.db")


def refunded():
    with sqlite3.connect(support.REFUNDS) as book:
        return book.execute("SELECT number, amount FROM refunds").fetchall()


def results(pepper):
    """What the tools have told the model so far, and whether it was an error."""
    parts = [part for said in pepper.model.requests[-1].messages for part in said.parts]
    return [(part.error, part.content) for part in parts if hasattr(part, "content")]


async def test_a_refund_is_made_when_a_person_agrees(pepper):
    pepper.model.calls_tool("orders.find", order="a-1001")
    pepper.model.calls_tool("orders.refund", order="a-1001", amount=49.0).replies(REPLY)
    task = await pepper.client.submit("support", TICKET)
    question = await pepper.answer("yes")
    assert '"amount":49.0' in question.wait.text
    assert await pepper.result(task, topic="support") == support.Triage(**REPLY)
    assert refunded() == [("a-1001", 49.0)]
    pepper.assert_events("tool.called", "task.input_required", "tool.called", "task.completed")


@pytest.mark.parametrize("says_no", [True, False])
async def test_without_a_yes_nothing_is_refunded_and_the_customer_gets_a_reply(pepper, says_no):
    pepper.model.calls_tool("orders.refund", order="a-1001", amount=49.0).replies(REPLY)
    task = await pepper.client.submit("support", TICKET)
    if says_no:
        await pepper.answer("no")
    else:
        await pepper.wait_for_events("task.input_required", task=task)
        await pepper.advance("2d")
    assert await pepper.result(task, topic="support") == support.Triage(**REPLY)
    assert not support.REFUNDS.exists()
    [(error, told)] = results(pepper)
    assert error
    assert "a person has refused it" in told


async def test_a_call_that_is_made_again_after_a_crash_refunds_once():
    first, other = (ToolUse(caller="support", grants=Grants(), key=key) for key in ("1", "2"))
    asked = {"order": "a-1001", "amount": 49.0}
    assert await support.refund.call(asked, first) == await support.refund.call(asked, first)
    with pytest.raises(ToolFailed, match="refunded before"):
        await support.refund.call(asked, other)
    assert refunded() == [("a-1001", 49.0)]


async def test_the_tools_refuse_what_no_person_should_have_to(pepper):
    for order, amount in (("a-1001", 490.0), ("a-9", 1.0), ("a-1001", 49.0), ("a-1001", 49.0)):
        pepper.model.calls_tool("orders.refund", order=order, amount=amount)
    pepper.model.replies(REPLY)
    task = await pepper.client.submit("support", TICKET)
    for _ in range(4):
        await pepper.answer("yes", task=task)
    await pepper.result(task, topic="support")
    told = results(pepper)
    assert [error for error, _ in told] == [True, True, False, True]
    assert "49.0 was paid" in told[0][1]
    assert "there is no order a-9" in told[1][1]
    assert "was refunded before" in told[3][1]
    assert refunded() == [("a-1001", 49.0)]
