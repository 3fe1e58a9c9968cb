import math
from typing import Any

import pytest

from pepperpy_schemas.budgets import (
    MAX_ABOVE,
    Allowance,
    Budget,
    Owner,
    allowance_of,
    amounts_of,
    budget_of,
    read_budget,
    write_budget,
)
from pepperpy_schemas.errors import BadHeader, BadPayload
from pepperpy_schemas.shared import Amounts, Limits


def test_a_budget_comes_back_from_its_header() -> None:
    budget = Budget(tokens=10_000, usd=1.5, above=[Owner(id="root", seconds=300.0, tasks=50)])
    assert read_budget(write_budget(budget)) == budget
    assert write_budget(budget_of({"tokens": 5})) == '{"tokens":5}'


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ({"tokens": -1}, "tokens: Expected `int` >= 0"),
        ({"usd": -0.1}, r"usd: Expected `float` >= 0\.0"),
        ({"usd": math.nan}, "usd: "),
        ({"seconds": math.inf}, "seconds: "),
        ({"tasks": 1.5}, "tasks: "),
        ({"tasks": True}, "tasks: "),
        ({"usd": "1"}, "usd: "),
        ({"dollars": 1}, "unknown field `dollars`"),
    ],
)
def test_a_wrong_limit_is_named(limits: dict[str, Any], told: str) -> None:
    with pytest.raises(BadHeader, match=told) as refused:
        budget_of(limits)
    assert refused.value.context["header"] == "Pp-Budget"
    assert "tokens, usd, seconds, tasks" in refused.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ten",
        "[]",
        '{"tokens":-1}',
        '{"above":[{"tokens":1}]}',
        '{"above":[{"id":"a b","tokens":1}]}',
        '{"above":[' + ",".join(['{"id":"a"}'] * (MAX_ABOVE + 1)) + "]}",
    ],
)
def test_a_header_that_is_no_budget_is_refused(text: str) -> None:
    with pytest.raises(BadHeader, match="the budget is wrong"):
        read_budget(text)


def test_what_a_task_spends_counts_for_itself_and_all_above_it_that_have_limits() -> None:
    above = [Owner(id="root", usd=5.0)]
    assert Budget(above=above).owners("me") == above
    assert Budget(tokens=3, above=above).owners("me") == [*above, Owner(id="me", tokens=3)]
    assert Budget().owners("me") == []


def test_amounts_are_whole_numbers_on_the_ledger_and_back() -> None:
    assert amounts_of(tokens=3, usd=1.5e-7, seconds=0.25, tasks=1) == Amounts(3, 150, 250, 1)
    limits = budget_of({"usd": 0.1, "seconds": 2}).limits()
    assert limits == Limits(nano_usd=100_000_000, ms=2000)
    assert allowance_of(limits) == Allowance(usd=0.1, seconds=2.0)
    with pytest.raises(BadPayload, match="tokens"):
        amounts_of(tokens=-1)
