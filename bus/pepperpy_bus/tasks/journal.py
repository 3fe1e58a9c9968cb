"""The journal of a task: what its attempts did, in order, written by one attempt at a time.

All entries of a task lie on one subject, and every write names the sequence number of the last
entry its writer knows. A claim at the start of a repeated attempt moves that number, so whatever
an earlier attempt still tries to write is refused: it is fenced.
"""

from datetime import UTC, datetime

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.streams.jetstream import all_on, last_on, store
from pepperpy_schemas import headers as h
from pepperpy_schemas.catalog import STEP
from pepperpy_schemas.errors import ErrorInfo, Fenced, WrongSequence
from pepperpy_schemas.messages import (
    AttemptRecord,
    ClaimEntry,
    FailureEntry,
    JournalEntry,
    ReleaseEntry,
)
from pepperpy_schemas.subjects import stream_name

KEEP = "720h"
"""The server forgets a journal's entries after this long: far beyond any task's retries."""


class Journal:
    """One task's journal, as one attempt sees it.

    Args:
        connection: The connection.
        prefix: The deployment's prefix.
        task_id: The task.
        instance: The worker's instance, written into the entries.
    """

    def __init__(self, connection: Connection, prefix: str, task_id: str, instance: str) -> None:
        self._connection = connection
        self._stream = stream_name(prefix, "STEPS")
        self._subject = STEP.of(prefix, id=task_id)
        self._task_id = task_id
        self._instance = instance
        self._last = 0
        self.entries: list[JournalEntry] = []

    async def read(self) -> None:
        """Reads the whole journal with one request."""
        stored = await all_on(self._connection, self._stream, self._subject)
        self.entries = [STEP.decode(one.body) for one in stored]
        self._last = stored[-1].seq if stored else 0

    def next_attempt(self, deliveries: int) -> int:
        """Returns the number of the attempt that starts now: attempts are not deliveries.

        An attempt that died with its worker left no trace but the delivery; a delivery that was
        given back by a stopping worker left a trace and was no attempt.
        """
        recorded = max((entry_attempt(entry) for entry in self.entries), default=0)
        released = sum(isinstance(entry, ReleaseEntry) for entry in self.entries)
        return 1 + max(recorded, deliveries - 1 - released)

    @property
    def failures(self) -> int:
        """How many attempts ended with an error."""
        return sum(isinstance(entry, FailureEntry) for entry in self.entries)

    async def released(self) -> None:
        """Records that this delivery was given back unfinished.

        Raises:
            Fenced: Another worker has the task now.
        """
        await self.append(ReleaseEntry(self._instance, datetime.now(UTC)))

    async def claim(self, attempt: int) -> None:
        """Takes the task for this attempt; every earlier one is fenced from here on.

        Raises:
            Fenced: Another worker claimed it between the read and now.
        """
        await self.append(ClaimEntry(attempt, self._instance, datetime.now(UTC)))

    async def failed(self, attempt: int, error: ErrorInfo) -> None:
        """Records that this attempt ended with an error.

        Raises:
            Fenced: Another worker has the task now.
        """
        await self.append(FailureEntry(attempt, self._instance, datetime.now(UTC), error))

    async def append(self, entry: JournalEntry) -> None:
        """Writes an entry after the last one that is known.

        Raises:
            Fenced: Somebody else has written since.
        """
        attempt = entry_attempt(entry)
        msg_id = f"{self._task_id}:{attempt}:{len(self.entries)}:{self._instance}"
        try:
            ack = await store(
                self._connection,
                self._subject,
                STEP.encode(entry),
                msg_id=msg_id,
                expect_last=self._last,
                ttl=KEEP,
            )
            self._last = ack.seq
        except WrongSequence as error:
            last = await last_on(self._connection, self._stream, self._subject)
            if last is None or last.headers.get(h.MSG_ID.lower()) != msg_id:
                raise Fenced(
                    f"another worker has claimed task {self._task_id} since attempt {attempt}",
                    context={"task_id": self._task_id, "attempt": attempt},
                ) from error
            # The write had succeeded; only its acknowledgement was lost.
            self._last = last.seq
        self.entries.append(entry)

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
    """Returns the attempt an entry belongs to; 0 for the input, which belongs to all."""
    return getattr(entry, "attempt", 0)
