"""Which messages of a stream nobody saw, and why; pure.

The server numbers what it stores. A number that is passed over was removed before it was read:
because of its age or of the stream's size, by somebody, or with a part of the disk. A stream that
lost its end, because its server was killed, gives numbers out again: what comes under them is new.
"""

from datetime import datetime
from typing import Any, Final, Literal, TypeAlias

import msgspec

from pepperpy_bus.units import parse_time
from pepperpy_schemas.monitor import Gap

Reason: TypeAlias = Literal["expired", "purged", "lost", "away"]

_NANOSECOND: Final = 1e-9
_FULL: Final = 0.9
"""Share of its limit from which a stream may have dropped its oldest messages for room."""


class StreamState(msgspec.Struct, frozen=True, kw_only=True):
    """What the server says of a stream.

    Attributes:
        created: When it was made: another one of the same name has other numbers.
        first_seq: Its first message; one more than the last when it is empty.
        last_seq: Its last message.
        messages: Messages in it.
        bytes: Their size.
        now: The server's time when it said so, seconds since the epoch.
        max_age: Seconds after which it drops a message; 0 for never.
        full: Whether it drops its oldest messages to make room for new ones.
        broken: Whether the server found a part of it missing on its disk.
    """

    created: str
    first_seq: int
    last_seq: int
    messages: int
    bytes: int
    now: float
    max_age: float = 0.0
    full: bool = False
    broken: bool = False


def stream_state(info: dict[str, Any]) -> StreamState:
    """Reads the server's answer to `STREAM.INFO`."""
    config, state = info["config"], info["state"]
    return StreamState(
        created=info["created"],
        first_seq=state["first_seq"],
        last_seq=state["last_seq"],
        messages=state["messages"],
        bytes=state["bytes"],
        now=parse_time(info["ts"]).timestamp() if "ts" in info else 0.0,
        max_age=config.get("max_age", 0) * _NANOSECOND,
        full=any(
            0 < config.get(limit, -1) * _FULL <= state.get(used, 0)
            for limit, used in (("max_bytes", "bytes"), ("max_msgs", "messages"))
        ),
        broken=bool(state.get("lost")),
    )


class Hole(msgspec.Struct, frozen=True):
    """Numbers that were passed over.

    Attributes:
        first: The first of them.
        last: The last of them.
        before: When the message before them was stored, seconds since the epoch; 0 for unknown.
    """

    first: int
    last: int
    before: float = 0.0


class Continuity:
    """Notices what is passed over, message by message.

    Args:
        last: The message before the first that will come.
        known: Messages up to this one belong to the past: nobody has to see them.
    """

    def __init__(self, last: int, *, known: int = 0) -> None:
        self._last = last
        self._known = known
        self._at = 0.0

    def seen(self, seq: int, at: float) -> Hole | None:
        """Takes the next message; returns what was passed over before it."""
        last, before = self._last, self._at
        self._last, self._at = seq, at
        if seq == last + 1:
            return None
        if seq <= last:  # its stream lost its end: the numbers are given out again
            self._known = min(self._known, seq)
            return None
        first = max(last, self._known) + 1
        return Hole(first, seq - 1, before) if first < seq else None


def gap(
    stream: str, hole: Hole, state: StreamState, at: datetime, reason: Reason | None = None
) -> Gap:
    """Says what was never seen, and why, by what the server says of the stream now.

    Args:
        stream: The stream.
        hole: The numbers.
        state: How the stream is.
        at: When it was found.
        reason: Why, where that is known.
    """
    return Gap(
        stream=stream,
        first_seq=hole.first,
        last_seq=hole.last,
        reason=reason or _reason(hole, state),
        at=at,
    )


def _reason(hole: Hole, state: StreamState) -> Reason:
    if state.broken:
        return "lost"
    from_the_front = hole.last < state.first_seq
    aged = 0 < state.max_age <= state.now - hole.before
    if from_the_front and (aged or state.full):
        return "expired"
    return "purged"
