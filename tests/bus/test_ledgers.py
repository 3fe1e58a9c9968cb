from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from pepperpy_bus.state import ledgers
from pepperpy_schemas.budgets import amounts_of, budget_of
from pepperpy_schemas.catalog.state import LEDGER
from pepperpy_schemas.errors import BudgetExceeded
from pepperpy_schemas.shared import Amounts, Ledger, Limits, Reservation

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)

small = st.integers(0, 20)
amounts = st.builds(Amounts, tokens=small, nano_usd=small, ms=small, tasks=small)
limit = st.none() | st.integers(0, 100)
limits = st.builds(Limits, tokens=limit, nano_usd=limit, ms=limit, tasks=limit)


def wish(of: Amounts, *, task: str = "t", attempt: int = 1, named: bool = False) -> Reservation:
    return Reservation(of, task, NOW + HOUR, attempt, named)


def within(ledger: Ledger) -> bool:
    gone = ledgers.taken(ledger)
    return all(
        getattr(ledger.limits, unit) is None or getattr(gone, unit) <= getattr(ledger.limits, unit)
        for unit in Amounts.__struct_fields__
    )


class Spenders(RuleBasedStateMachine):
    """Attempts that reserve, settle for less, die, come back; the model is a list of spendings."""

    @initialize(limits=limits)
    def begin(self, limits: Limits) -> None:
        self.ledger = Ledger(limits)
        self.now = NOW
        self.open: dict[str, Amounts] = {}
        self.truly = Amounts()
        self.count = 0

    @rule(of=amounts, task=st.sampled_from("ab"), attempt=st.integers(1, 3))
    def reserve(self, of: Amounts, task: str, attempt: int) -> None:
        self.count += 1
        name = f"r{self.count}"
        wanted, left = wish(of, task=task, attempt=attempt), ledgers.left(self.ledger)
        units = Amounts.__struct_fields__
        if all(getattr(left, u) is None or getattr(of, u) <= getattr(left, u) for u in units):
            self.ledger = ledgers.reserved(self.ledger, "t", name, wanted, self.now)
            self.open[name] = of
        else:
            with pytest.raises(BudgetExceeded, match="the budget of task t has"):
                ledgers.reserved(self.ledger, "t", name, wanted, self.now)

    @rule(ms=st.integers(1, 20))
    def extend(self, ms: int) -> None:
        self.count += 1
        name = f"r{self.count}"
        try:
            self.ledger, got = ledgers.extended(
                self.ledger, "t", name, wish(Amounts(ms=ms)), self.now
            )
        except BudgetExceeded:
            assert ledgers.left(self.ledger).ms == 0
        else:
            assert 0 < got <= ms
            self.open[name] = Amounts(ms=got)

    @rule(data=st.data(), part=st.fractions(0, 1))
    def settle(self, data: st.DataObject, part: object) -> None:
        if not self.open:
            return
        name = data.draw(st.sampled_from(sorted(self.open)))
        was = self.open.pop(name)
        spent = Amounts(**{f: int(getattr(was, f) * part) for f in Amounts.__struct_fields__})
        self.truly = ledgers.plus(self.truly, spent)
        self.ledger = ledgers.settled(self.ledger, name, was, spent)

    @rule(hours=st.integers(1, 3))
    def time_passes(self, hours: int) -> None:
        self.now += hours * HOUR
        self.ledger = ledgers.tidied(self.ledger, self.now)

    @rule()
    def goes_through_the_bucket(self) -> None:
        self.ledger = LEDGER.decode(LEDGER.encode(self.ledger))

    @invariant()
    def nothing_is_overdrawn(self) -> None:
        assert within(self.ledger)

    @invariant()
    def what_was_spent_is_counted(self) -> None:
        gone = ledgers.taken(self.ledger)
        known = ledgers.plus(self.truly, *self.open.values())
        assert ledgers.beyond(known, gone) == Amounts()


TestSpenders = Spenders.TestCase


@given(limits=limits, first=amounts, second=amounts)
def test_tidying_up_never_changes_what_is_left(
    limits: Limits, first: Amounts, second: Amounts
) -> None:
    ledger = Ledger(limits, spent=first, reserved={"r": wish(second)})
    assert ledgers.left(ledgers.tidied(ledger, NOW + 2 * HOUR)) == ledgers.left(ledger)
    assert ledgers.tidied(ledger, NOW + 2 * HOUR).reserved == {}


@given(was=amounts, spent=amounts)
def test_settling_twice_counts_once(was: Amounts, spent: Amounts) -> None:
    ledger = ledgers.reserved(Ledger(Limits()), "t", "r", wish(was), NOW)
    once = ledgers.settled(ledger, "r", was, spent)
    assert once == Ledger(Limits(), spent=spent)
    again = ledgers.settled(once, "r", was, spent)
    assert again.spent == ledgers.plus(spent, ledgers.beyond(spent, was))


def test_a_later_attempt_pays_for_what_the_earlier_one_left_open() -> None:
    ledger = Ledger(Limits(tokens=10))
    ledger = ledgers.reserved(ledger, "t", "1", wish(Amounts(tokens=4), attempt=1), NOW)
    ledger = ledgers.reserved(
        ledger, "t", "other", wish(Amounts(tokens=1), task="other", attempt=1), NOW
    )
    ledger = ledgers.reserved(ledger, "t", "2", wish(Amounts(tokens=5), attempt=2), NOW)
    assert ledger.spent == Amounts(tokens=4)
    assert sorted(ledger.reserved) == ["2", "other"]
    with pytest.raises(BudgetExceeded, match="task t has 0 tokens left, not 1"):
        ledgers.reserved(ledger, "t", "3", wish(Amounts(tokens=1), attempt=2), NOW)


def test_a_later_attempt_takes_over_what_it_reserves_under_the_same_name() -> None:
    ledger = Ledger(Limits(tasks=1))
    one = Amounts(tasks=1)
    ledger = ledgers.reserved(ledger, "t", "t.child-1", wish(one, named=True), NOW)
    ledger = ledgers.reserved(ledger, "t", "x", wish(Amounts(tokens=1), attempt=2), NOW)
    again = wish(one, attempt=2, named=True)
    ledger = ledgers.reserved(ledger, "t", "t.child-1", again, NOW)
    assert ledgers.taken(ledger) == Amounts(tasks=1, tokens=1)


def test_what_was_settled_late_counts_only_beyond_what_counts_already() -> None:
    ledger = ledgers.reserved(Ledger(Limits(tokens=10)), "t", "r", wish(Amounts(tokens=4)), NOW)
    ledger = ledgers.tidied(ledger, NOW + 2 * HOUR)
    late = ledgers.settled(ledger, "r", Amounts(tokens=4), Amounts(tokens=2))
    assert late.spent == Amounts(tokens=4)
    more = ledgers.settled(ledger, "r", Amounts(tokens=4), Amounts(tokens=6))
    assert more.spent == Amounts(tokens=6)


def test_more_than_was_reserved_counts_and_leaves_nothing() -> None:
    ledger = ledgers.reserved(Ledger(Limits(tokens=10)), "t", "r", wish(Amounts(tokens=4)), NOW)
    ledger = ledgers.settled(ledger, "r", Amounts(tokens=4), Amounts(tokens=13))
    assert ledger.spent == Amounts(tokens=13)
    assert ledgers.left(ledger).tokens == 0


def test_cents_add_up_exactly() -> None:
    ledger = Ledger(budget_of({"usd": 1.0}).limits())
    for n in range(10):
        ledger = ledgers.reserved(ledger, "t", f"{n}", wish(amounts_of(usd=0.1)), NOW)
    with pytest.raises(BudgetExceeded, match=r"has 0\.0 usd left, not 1e-09"):
        ledgers.reserved(ledger, "t", "more", wish(amounts_of(usd=1e-9)), NOW)


def test_the_least_of_several_budgets_is_what_is_left() -> None:
    found = ledgers.least([Limits(tokens=5, ms=1500), Limits(tokens=7), Limits(nano_usd=10**9)])
    assert (found.tokens, found.usd, found.seconds, found.tasks) == (5, 1.0, 1.5, None)
    assert not ledgers.least([]).limited
