"""How many series a metric may have: what a label may say is bounded, whoever wrote it."""

from collections.abc import Callable
from typing import Final

from pepperpy_monitor_svc.metrics.names import OTHER

VALUES: Final = 200
"""Different values of one label of one metric; further ones count as `OTHER`."""
SERIES: Final = 2000
"""Series of one metric; in further ones every label is `OTHER`."""
LENGTH: Final = 128
"""Characters of a value; of a longer one the rest is cut off."""


class Bound:
    """Decides under which labels something counts, for one metric.

    Args:
        labels: The metric's labels.
        overflowed: Called with the label each time that a value of it counts as `OTHER`.
    """

    def __init__(self, labels: tuple[str, ...], overflowed: Callable[[str], None]) -> None:
        self._labels = labels
        self._overflowed = overflowed
        self._values: tuple[set[str], ...] = tuple({OTHER} for _ in labels)
        self._series: set[tuple[str, ...]] = set()

    def admit(self, values: tuple[str, ...]) -> tuple[str, ...]:
        """Returns the values that the labels of this series shall have."""
        admitted = tuple(
            self._value(label, known, value)
            for label, known, value in zip(self._labels, self._values, values, strict=True)
        )
        if admitted in self._series:
            return admitted
        if len(self._series) >= SERIES:
            for label in self._labels:
                self._overflowed(label)
            return (OTHER,) * len(admitted)
        self._series.add(admitted)
        return admitted

    def _value(self, label: str, known: set[str], value: str) -> str:
        # What is no UTF-8 could be neither scraped nor sent.
        value = value[:LENGTH].encode(errors="replace").decode()
        if value in known or not value:
            return value
        if len(known) > VALUES:
            self._overflowed(label)
            return OTHER
        known.add(value)
        return value
