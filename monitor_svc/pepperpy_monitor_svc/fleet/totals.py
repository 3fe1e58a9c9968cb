"""The whole deployment over time: how much came, began and ended, and how long it took."""

from typing import Final

from pepperpy_monitor_svc.fleet.durations import Timings
from pepperpy_monitor_svc.fleet.record import FAILURES
from pepperpy_monitor_svc.fleet.rings import Ring
from pepperpy_schemas.monitor import Series

_STEP: Final = 10.0
_STEPS: Final = 360
_ENDS: Final = ("completed", "failed", "canceled", "rejected")
NAMES: Final = ("submitted", "started", *_ENDS, "retried", "events")
"""What is counted."""


class Totals:
    """Sums over all topics.

    Attributes:
        rings: How often each of `NAMES` happened; `Ring.add` counts it.
        timings: How long the attempts took that ended a task.
        queued: How long tasks waited for their first attempt.
    """

    def __init__(self) -> None:
        self.rings = {name: Ring(_STEP, _STEPS) for name in NAMES}
        self.timings = Timings(minutes=True)
        self.queued = Timings()

    def rates(self, now: float) -> dict[str, float]:
        """Returns each per second, over the last minute."""
        return {name: round(ring.rate(now, 60), 4) for name, ring in self.rings.items()}

    def error_ratio(self, now: float, seconds: float) -> float | None:
        """Returns the share of ends that nobody wanted; None without any."""
        ends = {name: self.rings[name].total(now, seconds) for name in _ENDS}
        total = sum(ends.values())
        return sum(ends[name] for name in FAILURES) / total if total else None

    def charts(self, now: float) -> list[Series]:
        """Returns rates and response times over the last hour."""
        shown = ("submitted", "completed", "failed")
        rates = [self.rings[name].series(now, name, "1/s", scale=1 / _STEP) for name in shown]
        return rates + self.timings.chart(now)
