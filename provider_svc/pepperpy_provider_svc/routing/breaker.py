"""The breaker of one target with one key, as pure functions of time.

What replicas share is a `Breaker` record, there only while the breaker is not closed: open until
its time, half-open from then on. Each replica counts for itself, in a `Tally`, what opens one.
"""

from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias

import msgspec

from pepperpy_provider_svc.routing.policy import CoolFor, Count, Effect, Nothing, OpenFor
from pepperpy_schemas.provider import Breaker

State: TypeAlias = Literal["closed", "open", "half_open"]

IN_A_ROW: Final = 5
"""Failures in a row that open a breaker."""
WINDOW: Final = 60.0
"""Seconds over which the share of failures is taken."""
LEAST_CALLS: Final = 5
"""Calls in the window below which a share says nothing."""
SHARE: Final = 0.5
"""Share of failures above which a breaker opens."""
FIRST_PAUSE: Final = 5.0
"""Seconds of the first pause; each further one is twice as long."""
LONGEST_PAUSE: Final = 60.0
"""Seconds of the longest pause."""
PROBE: Final = 30.0
"""Seconds after which a probe that did not end is taken for lost."""

_SLOT = 5.0


class Slot(msgspec.Struct, frozen=True):
    """Calls that ended within the same five seconds, and how many of them failed."""

    number: int
    calls: int
    failures: int


class Tally(msgspec.Struct, frozen=True):
    """What one replica has seen of a target and key.

    Attributes:
        in_a_row: Failures since the last success.
        slots: The last minute, oldest first.
        pause: Seconds of the last pause; 0 when a call has succeeded since.
    """

    in_a_row: int = 0
    slots: tuple[Slot, ...] = ()
    pause: float = 0.0


def state_of(record: Breaker | None, now: datetime) -> State:
    """Returns the state that a record means."""
    if record is None:
        return "closed"
    return "open" if now < record.until else "half_open"


def wait_of(record: Breaker | None, now: datetime) -> float:
    """Returns the seconds until a call may be let through; 0 when one may be now."""
    if record is None:
        return 0.0
    until = max(record.until, record.probing or record.until)
    return max(0.0, (until - now).total_seconds())


def probed(record: Breaker | None, now: datetime) -> Breaker | None:
    """Returns a half-open breaker's record for who takes the probe; None when none is to have."""
    if record is None or wait_of(record, now) > 0:
        return None
    return msgspec.structs.replace(record, probing=now + timedelta(seconds=PROBE))


def released(record: Breaker) -> Breaker:
    """Returns the record after a probe that ended without telling anything."""
    return msgspec.structs.replace(record, probing=None)


def succeeded(tally: Tally, now: datetime) -> Tally:
    """Returns the tally after a call that succeeded."""
    return Tally(slots=_counted(tally.slots, now, failures=0))


def begun(tally: Tally) -> Tally:
    """Returns the tally after a probe whose answer has begun: one failure more, and it opens."""
    return Tally(in_a_row=IN_A_ROW - 1, pause=tally.pause)


def failed(tally: Tally, now: datetime, effect: Effect) -> Tally:
    """Returns the tally after a call that failed; only what counts is counted."""
    if not isinstance(effect, Count):
        return tally
    slots = _counted(tally.slots, now, failures=1)
    return Tally(in_a_row=tally.in_a_row + 1, slots=slots, pause=tally.pause)


def opening(
    tally: Tally, record: Breaker | None, now: datetime, effect: Effect, reason: str
) -> Breaker | None:
    """Returns the record that a failure leads to, or None where it changes nothing.

    Args:
        tally: What was seen, this failure included.
        record: The record so far.
        now: The time.
        effect: What the failure means.
        reason: Code of the error.
    """
    match effect:
        case Nothing():
            return None
        case CoolFor(seconds) | OpenFor(seconds):
            until = now + timedelta(seconds=seconds)
            if record is not None and record.until > until:
                return None
            return Breaker(until=until, reason=reason, pause=record.pause if record else 0.0)
    state = state_of(record, now)
    if state == "open" or (state == "closed" and not _is_bad(tally, now)):
        return None
    last = max(tally.pause, record.pause if record else 0.0)
    pause = min(LONGEST_PAUSE, last * 2) if last else FIRST_PAUSE
    return Breaker(until=now + timedelta(seconds=pause), reason=reason, pause=pause)


def opened(tally: Tally, record: Breaker) -> Tally:
    """Returns the tally after its breaker has opened: what was seen before does not count again."""
    return Tally(pause=max(record.pause, tally.pause))


def _is_bad(tally: Tally, now: datetime) -> bool:
    if tally.in_a_row >= IN_A_ROW:
        return True
    recent = _recent(tally.slots, _number(now))
    calls = sum(slot.calls for slot in recent)
    failures = sum(slot.failures for slot in recent)
    return calls >= LEAST_CALLS and failures > calls * SHARE


def _counted(slots: tuple[Slot, ...], now: datetime, *, failures: int) -> tuple[Slot, ...]:
    number = _number(now)
    recent = _recent(slots, number)
    if recent and recent[-1].number == number:
        last = recent[-1]
        return (*recent[:-1], Slot(number, last.calls + 1, last.failures + failures))
    return (*recent, Slot(number, 1, failures))


def _recent(slots: tuple[Slot, ...], number: int) -> tuple[Slot, ...]:
    oldest = number - int(WINDOW / _SLOT)
    return tuple(slot for slot in slots if oldest < slot.number)


def _number(now: datetime) -> int:
    return int(now.timestamp() / _SLOT)
