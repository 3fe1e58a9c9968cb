"""How long things took: percentiles of the last minute, five minutes and hour.

Durations are counted in bins whose bounds grow by 5 %, from 0.1 ms to about 25 hours. A percentile
is told as the middle of its bin (geometric), so it is off by at most 2.5 % (√1.05 - 1); what is
shorter or longer counts in the first or the last bin. The counts of two spans add up to those of
both, which is what windows are made of: one is the sum of its parts, and loses them one by one.
"""

import math
from array import array
from bisect import bisect_left
from itertools import accumulate
from operator import sub
from typing import Final

from pepperpy_monitor_svc.fleet.rings import instant
from pepperpy_schemas.monitor import Latency, Series, Windows

GROWTH: Final = 1.05
ERROR: Final = math.sqrt(GROWTH) - 1
"""Most that a percentile is off, as a share of it."""
SMALLEST_MS: Final = 0.1
_LOG: Final = math.log(GROWTH)
_LARGEST_MS: Final = 25 * 3600e3
_BINS: Final = 2 + int(math.log(_LARGEST_MS / SMALLEST_MS) / _LOG)
_MIDDLES: Final = [SMALLEST_MS * GROWTH ** (n - 0.5) for n in range(_BINS)]
_SHARES: Final = (0.5, 0.95, 0.99)
_STEP: Final = 10.0


def bin_of(ms: float) -> int:
    """Returns the bin of a duration."""
    if ms <= SMALLEST_MS:
        return 0
    # A worker may claim any number, one whose quotient is infinite too.
    return 1 + int(math.log(min(ms, _LARGEST_MS) / SMALLEST_MS) / _LOG)


class Window:
    """The durations of the last span of time, in parts that leave it one by one.

    Args:
        part: Seconds of a part.
        parts: How many parts the span has.
    """

    __slots__ = ("_begins", "_counts", "_ends", "_head", "_last", "_part", "_parts", "_size")

    def __init__(self, part: float, parts: int) -> None:
        self._part = part
        self._size = parts
        self._head = -1
        self._parts: dict[int, array[int]] = {}
        self._counts: array[int] | None = None
        # The part that was counted in last, which nearly every fact belongs to.
        self._last: array[int] | None = None
        self._begins, self._ends = 0.0, 0.0

    def add(self, at: float, place: int, count: int = 1) -> None:
        """Counts durations of one bin."""
        part = self._last if self._begins <= at < self._ends else self._part_of(at)
        if part is not None and self._counts is not None:
            part[place] += count
            self._counts[place] += count

    def latency(self, now: float) -> Latency:
        """Returns count and percentiles of the span that ends now."""
        tick = int(now // self._part)
        if tick > self._head:
            self._go_on(tick)
        return _latency(self._counts)

    def chart(self, now: float) -> list[Series]:
        """Returns half and 95 % of each part as two lines of a chart."""
        last = int(now // self._part)
        first = last - self._size + 1
        found = [_latency(self._parts.get(tick)) for tick in range(first, last + 1)]
        lines = {"p50": [one.p50_ms for one in found], "p95": [one.p95_ms for one in found]}
        start = instant(first * self._part)
        return [
            Series(name=name, unit="ms", start=start, step_s=self._part, values=values)
            for name, values in lines.items()
        ]

    def _part_of(self, at: float) -> "array[int] | None":
        """The part of a moment; None when that is too old."""
        tick = int(at // self._part)
        if tick > self._head:
            self._go_on(tick)
        elif tick <= self._head - self._size:
            return None
        part = self._parts.get(tick)
        if part is None:
            part = self._parts[tick] = array("I", bytes(4 * _BINS))
        if self._counts is None:
            self._counts = array("I", bytes(4 * _BINS))
        self._last = part
        self._begins, self._ends = tick * self._part, (tick + 1) * self._part
        return part

    def _go_on(self, tick: int) -> None:
        if tick - self._size >= self._head:
            self._parts.clear()
        self._head = tick
        self._last, self._begins, self._ends = None, 0.0, 0.0
        for old in [one for one in self._parts if one <= tick - self._size]:
            gone = self._parts.pop(old)
            if self._counts is not None:
                self._counts = array("I", map(sub, self._counts, gone))
        if not self._parts:
            self._counts = None  # most topics are quiet most of the time


class Timings:
    """The durations of the last minute, five minutes and hour.

    Those of the newest ten seconds are put aside and shared out to the windows together: most of
    them fall into a few bins.

    Args:
        minutes: Whether the hour has a part for every minute, to be drawn, or one for every five.
    """

    __slots__ = ("_aside", "_begins", "_ends", "_h1", "_m1", "_m5")

    def __init__(self, *, minutes: bool = False) -> None:
        self._m1 = Window(_STEP, 6)
        self._m5 = Window(3 * _STEP, 10)
        self._h1 = Window(60, 60) if minutes else Window(300, 12)
        self._begins, self._ends = 0.0, 0.0
        self._aside: dict[int, int] = {}

    def add(self, at: float, place: int) -> None:
        """Counts a duration of a bin."""
        if self._begins <= at < self._ends:
            self._aside[place] = self._aside.get(place, 0) + 1
        elif at >= self._ends:
            self._share_out()
            self._begins = at // _STEP * _STEP
            self._ends = self._begins + _STEP
            self._aside[place] = 1
        else:
            for window in (self._m1, self._m5, self._h1):
                window.add(at, place)

    def windows(self, now: float) -> Windows:
        """Returns the percentiles of all three."""
        self._share_out()
        return Windows(m1=self._m1.latency(now), m5=self._m5.latency(now), h1=self._h1.latency(now))

    def chart(self, now: float) -> list[Series]:
        """Returns half and 95 % over the last hour as two lines of a chart."""
        self._share_out()
        return self._h1.chart(now)

    def _share_out(self) -> None:
        for window in (self._m1, self._m5, self._h1):
            for place, count in self._aside.items():
                window.add(self._begins, place, count)
        self._aside.clear()


def _latency(counts: "array[int] | None") -> Latency:
    if counts is None:
        return Latency()
    sums = list(accumulate(counts))
    count = sums[-1]
    if not count:
        return Latency()
    p50, p95, p99 = (
        round(_MIDDLES[bisect_left(sums, math.ceil(share * count))], 3) for share in _SHARES
    )
    return Latency(count=count, p50_ms=p50, p95_ms=p95, p99_ms=p99)
