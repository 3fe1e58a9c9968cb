"""Notices that what was learned no longer holds, and has the latest examples at hand then."""

import collections
from collections.abc import Iterable
from typing import Any

from pepperpy_capabilities.learning.online.catalog import make_detector
from pepperpy_schemas.learning_online import OnlineExample, OnlineOptions


class Watch:
    """Watches the errors of a learner.

    Args:
        options: The learner's; without `drift` nothing is watched.
        detector: One that was saved.
        latest: Examples that were saved.
    """

    def __init__(
        self,
        options: OnlineOptions,
        *,
        detector: Any = None,
        latest: Iterable[OnlineExample] = (),
    ) -> None:
        drift = options.drift
        self._replaces = drift is not None and drift.then == "replace"
        size = drift.latest if drift is not None and self._replaces else 0
        self.latest: collections.deque[OnlineExample] = collections.deque(latest, maxlen=size)
        self.detector = detector
        if drift is not None and detector is None:
            self.detector = make_detector(drift, options.seed)

    @property
    def replaces(self) -> bool:
        """Whether a new model takes the place of the old one."""
        return self._replaces

    def notices(self, error: float, example: OnlineExample) -> bool:
        """Takes the error of a guess; returns whether there is a drift."""
        self.latest.append(example)
        if self.detector is None:
            return False
        self.detector.update(error)
        return bool(self.detector.drift_detected)
