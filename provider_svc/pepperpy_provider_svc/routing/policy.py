"""What a failed call leads to: the one table that all requests follow, as data and pure functions.

============================ ========================== ======================= ==============
error                        same target and key        another one             breaker
============================ ========================== ======================= ==============
rate_limited, Retry-After    wait only if there is no   at once: a key of the   cools until
up to 60 s and the deadline  other; with jitter         target, or a target     then
rate_limited without         1 retry, full jitter       then                    counts
                             0.5 s · 2ⁿ, at most 8 s
upstream_failed,             2 calls in all             then                    counts
stream_broken
upstream_timeout             never                      a target, at once       counts
any of these, after a piece  never                      a target, unless the    as above
of the answer was sent                                  caller forbids it or a
                                                        tool call was whole
context_too_long             never                      a larger window only    nothing
content_filtered,            never                      never                   nothing
request_refused
key_refused, unknown_model   never                      a key, then a target    opens for 60 s
============================ ========================== ======================= ==============

An answer that begins anew begins from its first word: nothing is ever continued by giving a model
the beginning of its own answer, which some providers refuse and others answer badly.
"""

import math
from collections.abc import Callable
from typing import Final, Literal, TypeAlias

import msgspec

from pepperpy_schemas.errors import (
    ContentFiltered,
    ContextTooLong,
    KeyRefused,
    PepperError,
    RateLimited,
    RequestRefused,
    StreamBroken,
    UnknownModel,
    UpstreamFailed,
    UpstreamTimeout,
)

LONGEST_WAIT: Final = 60.0
"""Seconds of Retry-After that are waited for."""
LONGEST_COOLING: Final = 3600.0
"""Seconds of Retry-After that are believed: some providers say 49 days."""
REFUSED_FOR: Final = 60.0
"""Seconds for which a target is left alone that refuses a key, or has no such model."""
MOST_CALLS: Final = 2
"""Calls of one target with one key by one request."""

_FIRST_BACKOFF = 0.5
_LONGEST_BACKOFF = 8.0
_JITTER = 0.1


class Retry(msgspec.Struct, frozen=True):
    """Ask the same target with the same key again, after so many seconds."""

    after: float


class Next(msgspec.Struct, frozen=True):
    """Ask another target."""


class NextKey(msgspec.Struct, frozen=True):
    """Ask the same target with another key."""


class NextLargerWindow(msgspec.Struct, frozen=True):
    """Ask a target that reads more tokens."""


class Fail(msgspec.Struct, frozen=True):
    """Ask nobody else: the error, or that nobody is left, is the answer."""


Decision: TypeAlias = Retry | Next | NextKey | NextLargerWindow | Fail


class Nothing(msgspec.Struct, frozen=True):
    """The target is not to blame."""


class Count(msgspec.Struct, frozen=True):
    """The target failed once more."""


class CoolFor(msgspec.Struct, frozen=True):
    """The target said when it can be asked again: in so many seconds."""

    seconds: float


class OpenFor(msgspec.Struct, frozen=True):
    """The target will fail until somebody mends it; it is looked at after so many seconds."""

    seconds: float


Effect: TypeAlias = Nothing | Count | CoolFor | OpenFor


class Rule(msgspec.Struct, frozen=True):
    """A row of the table.

    Attributes:
        again: Whether the same target may be asked once more with the same key.
        other_key: Whether another key of the target is asked before another target.
        target: Which other targets may be asked.
    """

    again: bool
    other_key: bool
    target: Literal["any", "larger", "none"]


_BUSY = Rule(again=True, other_key=True, target="any")
_FAILING = Rule(again=True, other_key=False, target="any")
_SILENT = Rule(again=False, other_key=False, target="any")
_TOO_SMALL = Rule(again=False, other_key=False, target="larger")
_FINAL = Rule(again=False, other_key=False, target="none")
_STRANGE = Rule(again=False, other_key=True, target="any")

RULES: Final[dict[type[PepperError], Rule]] = {
    RateLimited: _BUSY,
    UpstreamFailed: _FAILING,
    StreamBroken: _FAILING,
    UpstreamTimeout: _SILENT,
    ContextTooLong: _TOO_SMALL,
    ContentFiltered: _FINAL,
    RequestRefused: _FINAL,
    KeyRefused: _STRANGE,
    UnknownModel: _STRANGE,
}
_PASSING: Final = frozenset({"upstream", "bus", "config"})


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """A call has failed.

    Attributes:
        error: With what.
        tries: Calls of this target with this key so far, this one included.
        admitted: Whether its breaker, which knows of the failure, lets the next call through.
        other_key: Whether the target could be asked with another key.
        other: Whether another target could be asked.
        larger: Whether another target could be asked that reads more tokens.
        started: Whether a piece of the answer was sent.
        tool_called: Whether a whole tool call was sent: the caller may have made it.
        no_restart: Whether the caller forbids that an answer begins anew.
        left: Seconds until the caller's deadline.
    """

    error: PepperError
    tries: int = 1
    admitted: bool = True
    other_key: bool = False
    other: bool = False
    larger: bool = False
    started: bool = False
    tool_called: bool = False
    no_restart: bool = False
    left: float = math.inf


def decide(at: Situation, random: Callable[[], float]) -> Decision:
    """Returns what the request does next.

    Args:
        at: What has happened.
        random: Returns a number from 0 to 1, for the jitter.
    """
    seen = at.started and (at.tool_called or at.no_restart)
    if at.left <= 0 or seen:
        return Fail()
    rule = rule_of(at.error)
    again = _again(at, random) if rule.again and not at.started else None
    return again or _elsewhere(at, rule)


def rule_of(error: PepperError) -> Rule:
    """Returns the row of an error; what no provider should raise goes by its category."""
    return RULES.get(type(error)) or (_STRANGE if error.category in _PASSING else _FINAL)


def effect_of(error: PepperError) -> Effect:
    """Returns what an error means for the breaker of the target and key."""
    match error:
        case RateLimited() if (seconds := retry_after(error)) is not None:
            return CoolFor(min(seconds, LONGEST_COOLING))
        case KeyRefused() | UnknownModel():
            return OpenFor(REFUSED_FOR)
    return Count() if error.category == "upstream" else Nothing()


def retry_after(error: PepperError) -> float | None:
    """Returns in how many seconds the provider says that it can be asked again, if it does."""
    seconds = error.context.get("retry_after")
    if isinstance(seconds, int | float) and 0 <= seconds < math.inf:
        return float(seconds)
    return None


def backoff(tries: int, random: Callable[[], float]) -> float:
    """Returns the seconds before another call, anything from 0 up to a bound that doubles."""
    bound: float = min(_LONGEST_BACKOFF, _FIRST_BACKOFF * 2.0 ** (min(tries, 16) - 1))
    return bound * random()


def _again(at: Situation, random: Callable[[], float]) -> Retry | None:
    seconds = retry_after(at.error) if isinstance(at.error, RateLimited) else None
    if at.tries >= MOST_CALLS:
        return None
    if seconds is None:
        after, allowed = backoff(at.tries, random), at.admitted
    else:
        # Those who wait for the same moment shall not all come at once, and none before it.
        after = seconds + random() * max(_JITTER, _JITTER * seconds)
        allowed = seconds <= LONGEST_WAIT and not (at.other or at.other_key)
    return Retry(after) if allowed and after < at.left else None


def _elsewhere(at: Situation, rule: Rule) -> Decision:
    if rule.target == "none":
        return Fail()
    if rule.target == "larger":
        return NextLargerWindow() if at.larger else Fail()
    if rule.other_key and at.other_key and not at.started:
        return NextKey()
    return Next() if at.other else Fail()
