"""What the broker says of itself, and how fast its streams grow."""

from typing import Final

import msgspec

from pepperpy_monitor_svc.fleet.rings import Ring
from pepperpy_schemas.monitor import BrokerFigures, StreamRow

_NAN: Final = float("nan")


class BrokerView:
    """The last figures, and the tasks that waited over the last hour."""

    def __init__(self) -> None:
        self._figures: BrokerFigures | None = None
        self._at = 0.0
        self.waiting = Ring(60, 60, empty=_NAN)

    def take(self, figures: BrokerFigures, at: float) -> None:
        """Takes new figures; those that came before newer ones are left out."""
        if at < self._at:
            return
        before = {one.name: one for one in self.streams()}
        seconds = at - self._at
        streams = [_growing(one, before.get(one.name), seconds) for one in figures.streams]
        self._figures, self._at = msgspec.structs.replace(figures, streams=streams), at
        if self._told is not None:
            self.waiting.put(at, float(sum(one.waiting for one in figures.topics)))

    def streams(self) -> list[StreamRow]:
        """Returns the streams by name."""
        return [] if self._figures is None else self._figures.streams

    def server(self) -> BrokerFigures | None:
        """Returns the figures without streams and topics; None before the first."""
        if self._figures is None:
            return None
        return msgspec.structs.replace(self._figures, streams=[], topics=[])

    def backlog(self) -> tuple[int | None, float | None, int | None]:
        """Returns tasks that wait, the age of the oldest in seconds, and dead letters.

        None stands for what the broker does not say.
        """
        told = self._told
        if told is None:
            return None, None, None
        topics = told.topics
        ages = [one.oldest_s for one in topics if one.oldest_s is not None]
        letters = [one.letters for one in topics if one.letters is not None]
        return (
            sum(one.waiting for one in topics),
            max(ages, default=None),
            sum(letters) if letters else None,
        )

    @property
    def _told(self) -> BrokerFigures | None:
        """The last figures, if they say what waits: connected, the broker may not answer."""
        figures = self._figures
        if figures is None or not figures.connected or not figures.streams:
            return None
        return figures


def _growing(now: StreamRow, before: StreamRow | None, seconds: float) -> StreamRow:
    if before is None or seconds <= 0 or now.last_seq < before.last_seq:
        return now  # the first figures, or a stream that was made anew
    return msgspec.structs.replace(now, rate=round((now.last_seq - before.last_seq) / seconds, 3))
