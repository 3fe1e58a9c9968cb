"""The generic cell rate algorithm (ITU-T I.371, virtual scheduling): pure arithmetic.

A limit is one time: when what was taken so far would have been allowed at an even pace. Time that
passes pays it off. What may be taken at once, the burst, is how far it may lie ahead of now.
"""

from datetime import datetime, timedelta
from typing import Final

BURST: Final = 1 / 10
"""Part of a minute's worth that may be taken at once; at least 1.

Providers that fill a bucket evenly let a whole minute's worth through at once, so this stays within
their limit; those who count by the second see little more than an even pace.
"""

_MINUTE: Final = timedelta(minutes=1)


def cost(amount: int, per_minute: int) -> timedelta:
    """Returns how long it takes to pay for an amount."""
    return _MINUTE * amount / per_minute


def wait(ahead: datetime | None, now: datetime, amount: int, per_minute: int) -> timedelta:
    """Returns how long to wait until an amount may be taken; zero or less when it may be now.

    More than a burst may be taken when nothing is owed: it is paid off afterwards. It would never
    be allowed otherwise.

    Args:
        ahead: The limit's time; None when nothing was taken yet.
        now: The time.
        amount: How much is wanted.
        per_minute: How much is allowed.
    """
    burst = max(cost(1, per_minute), _MINUTE * BURST)
    due = max(ahead or now, now) + cost(amount, per_minute)
    return due - now - max(burst, cost(amount, per_minute))


def taken(ahead: datetime | None, now: datetime, amount: int, per_minute: int) -> datetime:
    """Returns the limit's time after an amount was taken."""
    return max(ahead or now, now) + cost(amount, per_minute)


def corrected(ahead: datetime | None, now: datetime, more: int, per_minute: int) -> datetime:
    """Returns the limit's time after more was used than was taken; less when it is negative."""
    return max(ahead or now, now) + cost(more, per_minute)


def used(ahead: datetime | None, now: datetime, per_minute: int) -> float:
    """Returns how much of what was taken is not paid off yet."""
    return max(0.0, ((ahead or now) - now) / _MINUTE * per_minute)
