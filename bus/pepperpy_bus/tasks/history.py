"""What a journal says: the entries of one task, read without writing.

Nothing here talks to the broker; `journal` does.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from pepperpy_schemas.catalog.tasks import STEP
from pepperpy_schemas.messages import (
    AttemptRecord,
    CheckpointEntry,
    Child,
    ChildrenEntry,
    ClaimEntry,
    EndedEntry,
    FailureEntry,
    InputEntry,
    JournalEntry,
    ReleaseEntry,
    StepEntry,
    WaitedEntry,
    WaitEntry,
)

Place = StepEntry | Child | WaitEntry
"""What stands at a place of the journal: a step, a child or a wait."""


class History:
    """The entries of a journal, and what follows from them.

    Attributes:
        entries: All of them, in order, checkpoints unfolded.
        ends: How children ended that a wait for others may outlast, by id.
    """

    def __init__(self, entries: Sequence[JournalEntry] = ()) -> None:
        self.entries: list[JournalEntry] = []
        self._places: dict[int, Place] = {}
        self._waited: dict[int, WaitedEntry] = {}
        self.ends: dict[str, EndedEntry] = {}
        for entry in entries:
            self.add(entry)

    def add(self, entry: JournalEntry) -> None:
        """Takes note of the next entry."""
        self.entries.append(entry)
        match entry:
            case StepEntry() | WaitEntry():
                self._places.setdefault(entry.n, entry)
            case ChildrenEntry():
                for child in entry.children:
                    self._places.setdefault(child.n, child)
            case WaitedEntry():
                self._waited.setdefault(entry.n, entry)
            case EndedEntry():
                self.ends.setdefault(entry.child, entry)
            case _:
                pass

    # --- what the task was given, did and waits for ---------------------------------------------

    @property
    def input(self) -> InputEntry | None:
        """What the task was given, when that was written down."""
        return next((one for one in self.entries if isinstance(one, InputEntry)), None)

    def at(self, n: int) -> Place | None:
        """Returns what stands at a place, or None when the task has not come so far."""
        return self._places.get(n)

    @property
    def last_place(self) -> int:
        """The highest place that something stands at; 0 for none."""
        return max(self._places, default=0)

    def outcome(self, n: int) -> WaitedEntry | None:
        """Returns how the wait at a place ended, or None while it lasts."""
        return self._waited.get(n)

    @property
    def done(self) -> list[int]:
        """The places of what was done, in the order in which it was written."""
        places: list[int] = []
        for entry in self.entries:
            match entry:
                case StepEntry() | WaitedEntry():
                    places.append(entry.n)
                case ChildrenEntry():
                    places += [child.n for child in entry.children]
                case _:
                    pass
        return places

    @property
    def waits(self) -> list[WaitEntry]:
        """Every wait, in order; one that several attempts came to is there once."""
        return list({one.n: one for one in self._ends_in_waits}.values())

    @property
    def open_wait(self) -> WaitEntry | None:
        """What the task waits for now; None while it runs."""
        came_to = reversed(self._ends_in_waits)
        return next((one for one in came_to if one.n not in self._waited), None)

    @property
    def _ends_in_waits(self) -> list[WaitEntry]:
        """Every wait that an attempt came to."""
        return [one for one in self.entries if isinstance(one, WaitEntry)]

    @property
    def children(self) -> list[Child]:
        """Every task that this one has submitted."""
        return [
            child
            for one in self.entries
            if isinstance(one, ChildrenEntry)
            for child in one.children
        ]

    # --- attempts -------------------------------------------------------------------------------

    def next_attempt(self, deliveries: int) -> int:
        """Returns the number of the attempt that starts now: attempts are not deliveries.

        An attempt that died with its worker left no trace but the delivery; a delivery that was
        given back by a stopping worker left a trace and was no attempt.
        """
        return 1 + max(self.last_attempt, deliveries - 1 - self.releases)

    @property
    def releases(self) -> int:
        """How often a stopping worker has given the task back amid an attempt."""
        return sum(isinstance(entry, ReleaseEntry) for entry in self.entries)

    @property
    def last_attempt(self) -> int:
        """The highest attempt that left a trace; 0 for none."""
        return max((entry_attempt(entry) for entry in self.entries), default=0)

    @property
    def failures(self) -> int:
        """How many attempts ended with an error."""
        return sum(isinstance(entry, FailureEntry) for entry in self.entries)

    @property
    def first_failure(self) -> datetime | None:
        """When the first attempt failed; None when none has."""
        return next((one.ts for one in self.entries if isinstance(one, FailureEntry)), None)

    @property
    def last_claim(self) -> ClaimEntry | None:
        """The claim of the attempt that has the task, or None while the first one has it."""
        claims = (one for one in reversed(self.entries) if isinstance(one, ClaimEntry))
        return next(claims, None)

    @property
    def is_adrift(self) -> bool:
        """Whether what the task ran on is delivered no more, and no attempt has begun since."""
        for entry in reversed(self.entries):
            if isinstance(entry, ReleaseEntry) and entry.given_up:
                return True
            if isinstance(entry, ClaimEntry):
                return False
        return False

    def has_begun_on(self, carrier: str) -> bool:
        """Whether an attempt has claimed the task that runs on a delivered message."""
        return any(isinstance(one, ClaimEntry) and one.carrier == carrier for one in self.entries)

    def ended_deliveries(self, carrier: str, *, original: bool) -> int:
        """Returns how many deliveries of a message left a trace: an error, or a worker's stop.

        Args:
            carrier: The message, ``<stream>-<seq>``.
            original: Whether it is the task itself, which the attempts without a claim ran on.
        """
        count, current = 0, carrier if original else ""
        for entry in self.entries:
            if isinstance(entry, ClaimEntry):
                current = entry.carrier
            elif isinstance(entry, FailureEntry | ReleaseEntry):
                count += current == carrier
        return count

    def is_spent(self, carrier: str, *, original: bool) -> bool:
        """Whether the attempt that ran on a delivered message ended in a wait.

        What comes after a wait runs on another message; this one is done with.

        Args:
            carrier: The message, ``<stream>-<seq>``.
            original: Whether it is the task itself, which the attempts without a claim ran on.
        """
        carried = {one.attempt: one.carrier for one in self.entries if isinstance(one, ClaimEntry)}
        return any(
            carried.get(wait.attempt, carrier if original else "") == carrier
            for wait in self._ends_in_waits
            if not self._went_on(wait)
        )

    def _went_on(self, wait: WaitEntry) -> bool:
        """Whether the attempt that came to a wait found it over, and was not left."""
        ended = self._waited.get(wait.n)
        return ended is not None and ended.attempt == wait.attempt

    def attempts(self) -> list[AttemptRecord]:
        """Returns every attempt that left a trace, with its error when it failed."""
        found: dict[int, AttemptRecord] = {}
        for entry in self.entries:
            match entry:
                case ClaimEntry():
                    found[entry.attempt] = AttemptRecord(entry.attempt, entry.ts, entry.instance)
                case FailureEntry():
                    found[entry.attempt] = AttemptRecord(
                        entry.attempt, entry.ts, entry.instance, entry.error
                    )
                case _:
                    pass
        return [found[number] for number in sorted(found)]


def entry_attempt(entry: JournalEntry) -> int:
    """Returns the attempt an entry belongs to; 0 for those that belong to all."""
    return getattr(entry, "attempt", 0)


def unfold(entry: JournalEntry) -> list[JournalEntry]:
    """Returns the entries that one line of the journal stands for."""
    if isinstance(entry, CheckpointEntry):
        return [STEP.decode(bytes(one)) for one in entry.entries]
    return [entry]


def unfold_all(lines: Iterable[JournalEntry]) -> list[JournalEntry]:
    """Returns what a journal's lines stand for; a whole series that renews replaces all before."""
    found: list[JournalEntry] = []
    series: list[JournalEntry] = []
    left = 0
    for line in lines:
        if not isinstance(line, CheckpointEntry) or not line.renews:
            found += unfold(line)
            continue
        series = [*series, *unfold(line)] if line.left == left - 1 else unfold(line)
        left = line.left
        if left == 0:
            found, series = series, []
    return found


def ends_at(wait: WaitEntry, deadline: datetime | None) -> datetime | None:
    """Returns when a wait is over at the latest: at its own deadline or at the task's."""
    return min((one for one in (wait.deadline, deadline) if one is not None), default=None)
