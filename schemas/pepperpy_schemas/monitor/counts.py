"""What the monitor has taken in and keeps, and what it never saw."""

from typing import Literal

import msgspec

from pepperpy_schemas.messages import Count, Instant


class Gap(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Messages that the monitor never saw.

    Attributes:
        stream: Their stream.
        first_seq: The first of them.
        last_seq: The last of them.
        reason: Expired before they were read, purged, lost, or the monitor was away for too long.
        at: When that was found.
    """

    stream: str
    first_seq: Count
    last_seq: Count
    reason: Literal["expired", "purged", "lost", "away"]
    at: Instant | None = None

    @property
    def count(self) -> int:
        """How many they are."""
        return max(0, self.last_seq - self.first_seq + 1)


class FleetCounts(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What the monitor has taken in, and what it keeps.

    Attributes:
        events: Events that were taken in.
        repeated: Events that were there before.
        results: Results.
        letters: Dead letters.
        bad: Messages that could not be read, by the error's code.
        odd: What does not fit, and was taken all the same, by what it is: ``clock_ahead`` (a
            worker's clock), ``time_ahead`` (the server's), ``listener`` (one that failed).
        missed: Messages that were never seen.
        gaps: The newest gaps, at most 100.
        last_seq: The newest event.
        last: When the server stored it.
        bytes: What is kept, estimated.
        limit_bytes: Most that may be kept.
        tasks: Tasks that are kept.
        ended: Of these, ended.
        failures: Of these, not completed.
        evicted: Ended tasks that had to go.
        evicted_failures: Of these, not completed.
        evicted_open: Tasks without an end that had to go.
        dropped: Names that had to go because there were too many, by what they name.
    """

    events: Count = 0
    repeated: Count = 0
    results: Count = 0
    letters: Count = 0
    bad: dict[str, int] = {}
    odd: dict[str, int] = {}
    missed: Count = 0
    gaps: list[Gap] = []
    last_seq: Count = 0
    last: Instant | None = None
    bytes: Count = 0
    limit_bytes: Count = 0
    tasks: Count = 0
    ended: Count = 0
    failures: Count = 0
    evicted: Count = 0
    evicted_failures: Count = 0
    evicted_open: Count = 0
    dropped: dict[str, int] = {}
