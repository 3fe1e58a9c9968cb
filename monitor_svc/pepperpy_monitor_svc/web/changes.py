"""What has changed, told to every page that listens; for one that takes nothing little is kept."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final

from pepperpy_bus.events import Heard
from pepperpy_schemas.monitor import AlertRow, ComponentHealth

MOST: Final = 500
"""Names of one kind in a frame; a page that is told of more looks again at all."""


KEPT: Final = 0.5
"""Seconds for which an overview is shown to all."""


class Pending:
    """What one page has not been told yet: names, each once."""

    def __init__(self) -> None:
        self._names: dict[str, dict[str, None]] = {}
        self._dropped = 0
        self.stirred = asyncio.Event()

    def add(self, kind: str, name: str) -> None:
        """Notes that something has changed."""
        names = self._names.setdefault(kind, {})
        if name not in names and len(names) >= MOST:
            self._dropped += 1
        else:
            names[name] = None
        self.stirred.set()

    def take(self) -> dict[str, Any]:
        """Returns what has changed since, by kind, and how many names were left out."""
        frame: dict[str, Any] = {kind: list(names) for kind, names in self._names.items()}
        if self._dropped:
            frame["dropped"] = self._dropped
        self._names, self._dropped = {}, 0
        self.stirred.clear()
        return frame


class Glance:
    """The overview for everybody who listens, made once for all of them.

    Args:
        make: Makes it.
        clock: Seconds.
    """

    def __init__(
        self,
        make: Callable[[], Mapping[str, Any]],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._make, self._clock = make, clock
        self._made: Mapping[str, Any] = {}
        self._at = -KEPT

    def look(self) -> Mapping[str, Any]:
        """Returns it, at most `KEPT` seconds old."""
        if self._clock() - self._at >= KEPT:
            self._at, self._made = self._clock(), self._make()
        return self._made


class Changes:
    """Hears of every change and tells those who listen."""

    def __init__(self) -> None:
        self._listening: set[Pending] = set()

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[Pending]:
        """Collects changes while its context is open."""
        pending = Pending()
        self._listening.add(pending)
        try:
            yield pending
        finally:
            self._listening.discard(pending)

    def __call__(self, kind: str, of: object) -> None:
        """Notes a change; what the fleet calls after it has taken something in."""
        if not self._listening:
            return
        named = _named(kind, of)
        if named is not None:
            for pending in self._listening:
                pending.add(*named)


def _named(kind: str, of: object) -> tuple[str, str] | None:
    match of:
        case Heard(entity="task"):
            return "task", of.id
        case ComponentHealth() | AlertRow():
            return kind, of.name if isinstance(of, ComponentHealth) else of.id
        case str():
            return kind, of
    return None
