"""Rules over events as conditions: what has matched lately holds."""

import json
from typing import Final

from pepperpy_bus.composites.composite import Composite
from pepperpy_bus.composites.matcher import Match, Matcher
from pepperpy_bus.events import Heard
from pepperpy_monitor_svc.alerts.labels import MAX_VALUE
from pepperpy_monitor_svc.alerts.series import Frame, Key, Series, Values

MAX_KEYS: Final = 10_000
"""Values that are remembered of the field that a rule correlates by; the oldest go first."""

_SECOND: Final = 1e9
_LATE: Final = 2.0
"""Seconds that events may be behind the monitor's clock before one counts as missing."""


class Occurrences:
    """Matches of a composite event; each holds for a while.

    Args:
        composite: What to look for.
        hold: Seconds that a match holds.

    Attributes:
        hold: The same.
    """

    def __init__(self, composite: Composite, hold: float) -> None:
        self._matcher = Matcher(composite)
        self.hold = hold
        self._keyed = bool(composite.by)
        self._ended: dict[Key, float] = {}
        self._count: dict[Key, int] = {}

    @property
    def dropped(self) -> int:
        """Events that were given up because too many waited for the rest of their match."""
        return self._matcher.dropped

    def hear(self, event: Heard, at: float) -> None:
        """Takes the next event, stored at this moment, seconds."""
        self._take(self._matcher.feed(event, round(at * _SECOND)))

    def values(self, frame: Frame) -> Values:
        """Returns how many matches there were, of those whose last one still holds."""
        self._take(self._matcher.advance(round((frame.at - _LATE) * _SECOND)))
        for key in [key for key, at in self._ended.items() if frame.at - at > self.hold]:
            del self._ended[key], self._count[key]
        return {key: float(count) for key, count in self._count.items()}

    def promql(self) -> str:
        """Returns nothing: Prometheus knows no events."""
        return ""

    def series(self) -> list[Series]:
        """Returns none: it looks at no metric."""
        return []

    def _take(self, matches: list[Match]) -> None:
        for one in matches:
            key: Key = (_text(one.events[0].key),) if self._keyed else ()
            self._count[key] = self._count.get(key, 0) + 1
            # The one that matched last stands last.
            self._ended.pop(key, None)
            self._ended[key] = one.ended / _SECOND
            if len(self._ended) > MAX_KEYS:
                oldest = next(iter(self._ended))
                del self._ended[oldest], self._count[oldest]


def _text(value: str) -> str:
    """A correlated value as a label: a text without its quotes, anything else as JSON."""
    found = json.loads(value)
    return (found if isinstance(found, str) else value)[:MAX_VALUE]
