"""The arithmetic of a budget: pure functions from one ledger to the next.

What is reserved and what is spent both count against the limits, so nothing can be reserved twice.
A reservation that nobody settles becomes spent, all of it: when the next attempt of its task
reserves something, or when its time is over. What it held back is never given out again.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

import msgspec

from pepperpy_schemas.budgets import UNITS, Allowance, allowance_of
from pepperpy_schemas.errors import BudgetExceeded
from pepperpy_schemas.shared import Amounts, Ledger, Limits, Reservation

_FIELDS: Final = dict(zip(UNITS, Amounts.__struct_fields__, strict=True))


def plus(*amounts: Amounts) -> Amounts:
    """Returns the sum."""
    return Amounts(**{f: sum(getattr(one, f) for one in amounts) for f in _FIELDS.values()})


def beyond(amounts: Amounts, other: Amounts) -> Amounts:
    """Returns by how much the first is more than the other, unit by unit."""
    return Amounts(**{f: max(0, getattr(amounts, f) - getattr(other, f)) for f in _FIELDS.values()})


def taken(ledger: Ledger) -> Amounts:
    """Returns what is spent or reserved."""
    return plus(ledger.spent, *(one.amounts for one in ledger.reserved.values()))


def left(ledger: Ledger) -> Limits:
    """Returns what may still be reserved; None where there is no limit."""
    gone = taken(ledger)
    return Limits(
        **{
            field: None if limit is None else max(0, limit - getattr(gone, field))
            for field in _FIELDS.values()
            for limit in (getattr(ledger.limits, field),)
        }
    )


def least(lefts: Iterable[Limits]) -> Allowance:
    """Returns what all of several budgets still allow."""
    lefts = list(lefts)
    known = {
        field: [n for one in lefts if (n := getattr(one, field)) is not None]
        for field in _FIELDS.values()
    }
    return allowance_of(Limits(**{f: min(found) for f, found in known.items() if found}))


def tidied(ledger: Ledger, now: datetime, *, task: str = "", attempt: int = 0) -> Ledger:
    """Returns the ledger with the reservations that nobody will settle turned into spent.

    Those are the ones whose time is over, and those of earlier attempts of this task but for the
    named ones, which the present attempt may mean to take over.
    """
    stale = [
        id
        for id, one in ledger.reserved.items()  # noqa: A001 - reads best
        if now > one.until or (one.task == task and one.attempt < attempt and not one.named)
    ]
    if not stale:
        return ledger
    spent = plus(ledger.spent, *(ledger.reserved[one].amounts for one in stale))
    kept = {id: one for id, one in ledger.reserved.items() if id not in stale}  # noqa: A001
    return msgspec.structs.replace(ledger, spent=spent, reserved=kept)


def reserved(
    ledger: Ledger, owner: str, reservation_id: str, wanted: Reservation, now: datetime
) -> Ledger:
    """Returns the ledger with a reservation more.

    One that is there under the same id is taken over: it is the same spending, by a later attempt.

    Raises:
        BudgetExceeded: There is less left; the message says of what, and how much.
    """
    known = ledger.reserved.get(reservation_id)
    if known is None:
        ledger = tidied(ledger, now, task=wanted.task, attempt=wanted.attempt)
        refuse_beyond(owner, wanted.amounts, left(ledger))
    elif known.amounts != wanted.amounts:
        wanted = msgspec.structs.replace(wanted, amounts=known.amounts)
    held = {**ledger.reserved, reservation_id: wanted}
    return msgspec.structs.replace(ledger, reserved=held)


def extended(
    ledger: Ledger, owner: str, reservation_id: str, wanted: Reservation, now: datetime
) -> tuple[Ledger, int]:
    """Returns the ledger with a reservation of milliseconds made longer, and by how many.

    It gets what is left when that is less than it wants.

    Raises:
        BudgetExceeded: Nothing is left.
    """
    known = ledger.reserved.get(reservation_id)
    if known is None:
        ledger = tidied(ledger, now, task=wanted.task, attempt=wanted.attempt)
    free = left(ledger).ms
    more = wanted.amounts.ms if free is None else min(wanted.amounts.ms, free)
    if not more:
        refuse_beyond(owner, wanted.amounts, left(ledger))
    before = known.amounts if known is not None else Amounts()
    longer = msgspec.structs.replace(wanted, amounts=plus(before, Amounts(ms=more)))
    held = {**ledger.reserved, reservation_id: longer}
    return msgspec.structs.replace(ledger, reserved=held), more


def settled(ledger: Ledger, reservation_id: str, was: Amounts, spent: Amounts) -> Ledger:
    """Returns the ledger with a reservation replaced by what was really spent.

    Args:
        ledger: The ledger.
        reservation_id: The reservation.
        was: What it reserved. When it counts as spent already, only what goes beyond is added.
        spent: What was spent. More than was reserved is counted too: it is gone.
    """
    held = dict(ledger.reserved)
    known = held.pop(reservation_id, None)
    more = spent if known is not None else beyond(spent, was)
    return msgspec.structs.replace(ledger, spent=plus(ledger.spent, more), reserved=held)


def refuse_beyond(owner: str, wanted: Amounts, rest: Limits) -> None:
    """Raises BudgetExceeded when more is wanted than is left."""
    for unit, field in _FIELDS.items():
        limit, amount = getattr(rest, field), getattr(wanted, field)
        if limit is not None and amount > limit:
            has = getattr(allowance_of(rest), unit)
            asked = getattr(allowance_of(wanted), unit)
            raise BudgetExceeded(
                f"the budget of task {owner} has {has:,} {unit} left, not {asked:,}",
                context={"owner": owner, "unit": unit, "left": has, "wanted": asked},
            )
