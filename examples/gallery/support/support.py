"""Support triage: tickets are sorted and answered, and nobody is refunded before a person agreed.

The model decides what to do; what it may do stands in the tools. It can look orders up, and it can
ask for a refund, which `approve` puts before people.
"""

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from pepperpy import Limits, LLMAgent, ToolUse, tool
from pepperpy_schemas.errors import ToolFailed

HERE = Path(__file__).parent
REFUNDS = Path(os.environ.get("SUPPORT_REFUNDS", "refunds.db"))
ORDERS = json.loads((HERE / "orders.json").read_text("utf-8"))


class Triage(BaseModel):
    """What becomes of a ticket."""

    category: Literal["delivery", "damage", "product", "other"]
    urgent: bool
    reply: str


def paid_for(order: str) -> float:
    if order not in ORDERS:
        raise ToolFailed(f"there is no order {order}; ask the customer for its number")
    return float(ORDERS[order]["paid"])


@tool(name="orders.find")
def find(order: str) -> dict[str, object]:
    """Tells what is known of an order.

    Args:
        order: Its number, such as a-1001.
    """
    paid_for(order)
    return dict(ORDERS[order])


@tool(name="orders.refund")
def refund(order: str, amount: float, use: ToolUse) -> str:
    """Gives money back.

    Args:
        order: The order's number.
        amount: How much, at most what was paid.
    """
    most = paid_for(order)
    if not 0 < amount <= most:
        raise ToolFailed(f"{amount} cannot be refunded; {most} was paid")
    with closing(sqlite3.connect(REFUNDS)) as book, book:
        book.execute("CREATE TABLE IF NOT EXISTS refunds (number TEXT PRIMARY KEY, amount, call)")
        row = (order, amount, use.key)
        book.execute("INSERT OR IGNORE INTO refunds VALUES (?, ?, ?)", row)
        [by] = book.execute("SELECT call FROM refunds WHERE number = ?", (order,)).fetchone()
    # A worker may die right here. The key of a call is the same when it is made again after that,
    # and so the money is given back once. Payment services take such keys.
    if by != use.key:
        raise ToolFailed(f"{order} was refunded before")
    return f"{amount} refunded for {order}"


agent = LLMAgent(
    "support",
    (HERE / "instructions.md").read_text("utf-8"),
    version="1.0.0",
    tools=[find, refund],
    output_type=Triage,
    approve=["orders.refund"],
    approve_within="2d",  # then no answer is a no
    limits=Limits(turns=6, tool_calls=6, usd=0.05),
)
