"""Figures over time: how long something took, and the lines of charts."""

import msgspec

from pepperpy_schemas.messages import Count, Instant


class Latency(msgspec.Struct, frozen=True, omit_defaults=True):
    """How long something took, over a window of time; null where nothing was measured.

    Attributes:
        count: How many were measured.
        p50_ms: Half took no longer.
        p95_ms: 95 % took no longer.
        p99_ms: 99 % took no longer.
    """

    count: Count = 0
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None


class Windows(msgspec.Struct, frozen=True):
    """The same over the last minute, the last five minutes and the last hour."""

    m1: Latency = Latency()
    m5: Latency = Latency()
    h1: Latency = Latency()


class Series(msgspec.Struct, frozen=True):
    """A line of a chart.

    Attributes:
        name: What it is: ``completed``, ``cpu_percent``.
        unit: Its unit: ``1/s``, ``%``, ``bytes``, ``ms``, ``usd``, ``tasks``.
        start: When the first value's step began.
        step_s: Seconds between two values.
        values: The values, oldest first; null where nothing was measured.
    """

    name: str
    unit: str
    start: Instant
    step_s: float
    values: list[float | None]
