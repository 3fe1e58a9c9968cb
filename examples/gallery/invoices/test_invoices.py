from decimal import Decimal
from pathlib import Path

import pytest

from pepperpy import PepperError

pytestmark = pytest.mark.pepper("invoices:agent")

INBOX = Path(__file__).with_name("inbox")
LAMPS = {
    "number": "77/2026",
    "date": "2026-11-02",
    "seller": "Lampenhaus Weber GmbH",
    "currency": "EUR",
    "lines": [
        {"item": "Tischleuchte Ella", "quantity": 3, "price": 41.0},
        {"item": "Leuchtmittel E14", "quantity": 12, "price": 3.5},
    ],
    "tax": 31.35,
    "total": 196.35,
}


async def test_a_sum_that_is_wrong_goes_back_to_the_model(pepper):
    pepper.model.replies(LAMPS | {"total": 169.35}, LAMPS)
    invoice = await pepper.run("invoice", (INBOX / "lampen.txt").read_text("utf-8"))
    assert invoice.total == Decimal("196.35")
    assert [line.price for line in invoice.lines] == [Decimal(41), Decimal("3.5")]
    told = pepper.model.requests[1].messages[-1].text
    assert "with the tax of 31.35 that is 196.35, and the total is said to be 169.35" in told


async def test_what_never_adds_up_is_no_invoice(pepper):
    pepper.model.answers(lambda _: LAMPS | {"tax": 0})
    with pytest.raises(PepperError, match="the total is said to be"):
        await pepper.run("invoice", (INBOX / "lampen.txt").read_text("utf-8"))
    assert len(pepper.model.requests) == 3  # the answer, and two repairs
    pepper.assert_events("task.failed")
