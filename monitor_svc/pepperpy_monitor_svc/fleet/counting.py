"""What was taken in, what could not be read, and what was there before."""

from array import array
from collections import Counter, deque
from typing import Final, Protocol

from pepperpy_monitor_svc.fleet.rings import instant
from pepperpy_monitor_svc.fleet.tasks import Tasks
from pepperpy_schemas.monitor import FleetCounts, Gap

_REMEMBERED: Final = 1 << 14
_GAPS: Final = 100
_CODES: Final = 64
OTHER: Final = "other"


class Kept(Protocol):
    """What is kept: the parts of the fleet."""

    limit: int
    tasks: Tasks

    @property
    def bytes(self) -> int:
        """Its size, estimated."""

    def dropped(self) -> dict[str, int]:
        """Returns how many names had to go, by what they name."""


class Repeats:
    """Which messages of a stream came before, of the last 16 384 numbers.

    A stream that was made anew begins again with 1; its messages are told from the old ones by when
    they were stored.
    """

    __slots__ = ("_seqs", "_times")

    def __init__(self) -> None:
        self._seqs = array("q", [-1]) * _REMEMBERED
        self._times = array("d", [0.0]) * _REMEMBERED

    def new(self, seq: int, at: float) -> bool:
        """Returns whether a message did not come before, and takes note of it."""
        place, seqs = seq % _REMEMBERED, self._seqs
        if seqs[place] == seq and self._times[place] == at:
            return False
        seqs[place] = seq
        self._times[place] = at
        return True


class Tally:
    """Counts by a name that others choose: those that are one too many count as ``other``."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, name: str, count: int = 1) -> None:
        """Counts."""
        known = name in self._counts or len(self._counts) < _CODES
        self._counts[name if known else OTHER] += count

    def shown(self) -> dict[str, int]:
        """Returns the counts."""
        return dict(self._counts)


class Counts:
    """What was taken in.

    Attributes:
        results: Results.
        letters: Dead letters.
        bad: What could not be read, by the error's code.
        odd: What does not fit, and was taken all the same.
    """

    def __init__(self) -> None:
        self.results = self.letters = 0
        self.bad, self.odd = Tally(), Tally()
        self._events = self._repeated = self._missed = 0
        self._repeats = Repeats()
        self._gaps: deque[Gap] = deque(maxlen=_GAPS)
        self._last_seq, self._last = 0, 0.0

    def new_event(self, seq: int, at: float) -> bool:
        """Counts an event; returns whether it did not come before."""
        if not self._repeats.new(seq, at):
            self._repeated += 1
            return False
        self._events += 1
        self._last_seq, self._last = seq, at
        return True

    def gap(self, gap: Gap) -> None:
        """Counts messages that were never seen."""
        self._gaps.append(gap)
        self._missed += gap.count

    def shown(self, kept: Kept) -> FleetCounts:
        """Returns the counts, with what is kept."""
        tasks = kept.tasks
        return FleetCounts(
            events=self._events,
            repeated=self._repeated,
            results=self.results,
            letters=self.letters,
            bad=self.bad.shown(),
            odd=self.odd.shown(),
            missed=self._missed,
            gaps=list(reversed(self._gaps)),
            last_seq=self._last_seq,
            last=instant(self._last) if self._last else None,
            bytes=kept.bytes,
            limit_bytes=kept.limit,
            tasks=len(tasks),
            ended=len(tasks.done.tasks) + len(tasks.failed.tasks),
            failures=len(tasks.failed.tasks),
            evicted=tasks.done.evicted + tasks.failed.evicted,
            evicted_failures=tasks.failed.evicted,
            evicted_open=tasks.open.evicted,
            dropped=kept.dropped(),
        )
