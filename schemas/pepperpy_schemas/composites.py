"""What is stored of a composite event while it is looked for: who takes over goes on from there."""

import msgspec

from pepperpy_schemas.messages import Attempt, Count


class HeldEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """An event that waits for the rest of its match.

    Attributes:
        n: Its place in the order of the events, from 1.
        time: When the server stored it, nanoseconds since the epoch.
        id: The event's id; a hash of it when it is long.
        correlation: The event's correlation; a hash of it when it is long.
        key: The value that it is correlated by, as JSON; a hash of it when it is long.
        parts: Numbers of the parts that it can be, from 0.
    """

    n: Attempt
    time: Count
    id: str
    correlation: str = ""
    key: str = "null"
    parts: list[Count] = []


class Unfinished(msgspec.Struct, frozen=True, omit_defaults=True):
    """The matches that are not complete yet.

    Attributes:
        n: How many events have ever waited.
        now: The latest time of an event, nanoseconds since the epoch.
        dropped: How many were given up because too many waited.
        held: Those that wait, in their order.
    """

    n: Count = 0
    now: Count = 0
    dropped: Count = 0
    held: list[HeldEvent] = []


class CompositeState(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far the events of a composite one have been read, and what waits there.

    A server that was killed may give sequence numbers out again, so the time comes first.

    Attributes:
        declaration: Fingerprint of the declaration; what waits under another one means nothing.
        time: When the last event that was read was stored, nanoseconds since the epoch.
        seq: Its sequence number.
        unfinished: What waits.
    """

    declaration: str
    time: Count
    seq: Count = 0
    unfinished: Unfinished = Unfinished()
