"""The generic cell rate algorithm (ITU-T I.371, virtual scheduling): pure arithmetic.

A limit is one time: when what was taken so far would have been allowed at an even pace. Time that
passes pays it off. What may be taken at once, the burst, is how far it may lie ahead of now.
"""

from datetime import datetime, timedelta
from typing import Final

BURST: Final = 1 / 10
"""Part of a minute's worth that may be taken at once; at least 1.

Providers that fill a bucket evenly let a whole minute's worth through at once, so this stays within
their limit; those who count by the second see little more than an even pace. Of amounts that are
estimates two may be taken at once, up to a minute's worth: an answer that may become long would
keep every other one waiting otherwise.
"""

_MINUTE: Final = timedelta(minutes=1)


def cost(amount: int, per_minute: int) -> timedelta:
    """Returns how long it takes to pay for an amount."""
    return _MINUTE * amount / per_minute


def wait(
    ahead: datetime | None, now: datetime, amount: int, per_minute: int, *, estimated: bool = False
) -> timedelta:
    """Returns how long to wait until an amount may be taken; zero or less when it may be now.

    More than a burst may be taken when nothing is owed: it is paid off afterwards. It would never
    be allowed otherwise.

    Args:
        ahead: The limit's time; None when nothing was taken yet.
        now: The time.
        amount: How much is wanted.
        per_minute: How much is allowed.
        estimated: Whether it is an estimate from above, which is corrected later: two of them fit
            into a burst then.
    """
    burst = _burst(amount, per_minute, estimated)
    due = _since(ahead, now, burst, estimated) + cost(amount, per_minute)
    return due - now - max(burst, cost(amount, per_minute))


def taken(
    ahead: datetime | None, now: datetime, amount: int, per_minute: int, *, estimated: bool = False
) -> datetime:
    """Returns the limit's time after an amount was taken."""
    burst = _burst(amount, per_minute, estimated)
    return _since(ahead, now, burst, estimated) + cost(amount, per_minute)


def corrected(
    ahead: datetime | None, now: datetime, reserved: int, used: int, per_minute: int
) -> datetime:
    """Returns the limit's time after an estimate has turned out to be more or less.

    Time has perhaps paid off what is given back. It counts nevertheless, as a burst that others
    may take: the limit's time lies before now then.
    """
    burst = _burst(reserved, per_minute, estimated=True)
    due = _since(ahead, now, burst, estimated=True) + cost(used - reserved, per_minute)
    return max(due, now - _credit(burst))


def used(ahead: datetime | None, now: datetime, per_minute: int) -> float:
    """Returns how much of what was taken is not paid off yet."""
    return max(0.0, ((ahead or now) - now) / _MINUTE * per_minute)


def _burst(amount: int, per_minute: int, estimated: bool) -> timedelta:
    least = max(cost(1, per_minute), _MINUTE * BURST)
    return max(least, min(_MINUTE, 2 * cost(amount, per_minute))) if estimated else least


def _credit(burst: timedelta) -> timedelta:
    """How much of what was given back is kept: with the burst never more than a minute's worth."""
    return min(burst, max(_MINUTE - burst, timedelta(0)))


def _since(ahead: datetime | None, now: datetime, burst: timedelta, estimated: bool) -> datetime:
    if ahead is None:
        return now
    return max(ahead, now - _credit(burst) if estimated else now)
