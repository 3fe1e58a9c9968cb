"""How the targets do in this replica: what runs, what failed, how fast they are."""

import statistics
from collections import deque
from collections.abc import Collection, Iterator
from typing import Final

from pepperpy_provider_svc.routing.breaker import State
from pepperpy_schemas.provider import Breaker, TargetStatus

KEPT: Final = 32
"""Successful calls of which the times are kept."""


class Figure:
    """The figures of one target with one key."""

    __slots__ = ("calls", "failures", "running", "seconds")

    def __init__(self) -> None:
        self.running = 0
        self.calls = 0
        self.failures = 0
        self.seconds: deque[float] = deque(maxlen=KEPT)


class Figures:
    """The figures of all targets and keys.

    Args:
        declared: The targets of which there are any; those of all by default. Nobody asks for those
            of others, whose names callers invent.
    """

    def __init__(self, declared: Collection[str] | None = None) -> None:
        self._declared = declared
        self._all: dict[str, dict[str, Figure]] = {}

    def begin(self, target: str, key: str) -> None:
        """A call begins."""
        self._of(target, key).running += 1

    def end(
        self, target: str, key: str, *, seconds: float | None = None, failed: bool = False
    ) -> None:
        """A call ends.

        Args:
            target: ``provider/model``.
            key: Name of the key.
            seconds: Until the answer, or its first piece; None when there was none.
            failed: Whether it failed; a cancelled one did neither.
        """
        figure = self._of(target, key)
        figure.running -= 1
        figure.calls += 1
        figure.failures += failed
        if seconds is not None and not failed:
            figure.seconds.append(seconds)

    def running(self, target: str) -> int:
        """Returns the calls of a target that run now."""
        return sum(figure.running for figure in self._figures(target))

    def calls(self, target: str) -> int:
        """Returns the calls of a target so far, with those that run."""
        return sum(figure.calls + figure.running for figure in self._figures(target))

    def seconds(self, target: str) -> float | None:
        """Returns the median time of the last calls of a target that were answered, if any."""
        seconds = [one for figure in self._figures(target) for one in figure.seconds]
        return statistics.median(seconds) if seconds else None

    def status(self, target: str, key: str, state: State, record: Breaker | None) -> TargetStatus:
        """Returns the figures and the breaker of a target with a key."""
        figure = self._of(target, key)
        times = figure.seconds
        return TargetStatus(
            target=target,
            key=key,
            breaker=state,
            until=record.until if record else None,
            reason=record.reason if record else "",
            running=figure.running,
            calls=figure.calls,
            failures=figure.failures,
            p50_ms=round(statistics.median(times) * 1000) if times else None,
        )

    def _of(self, target: str, key: str) -> Figure:
        if self._declared is not None and target not in self._declared:
            return Figure()
        keys = self._all.setdefault(target, {})
        figure = keys.get(key)
        if figure is None:
            figure = keys[key] = Figure()
        return figure

    def _figures(self, target: str) -> Iterator[Figure]:
        yield from self._all.get(target, {}).values()
