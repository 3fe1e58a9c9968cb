"""The journal of a task: what its attempts did, in order, written by one attempt at a time.

All entries of a task lie on one subject, and every write names the sequence number of the last
entry its writer knows. A claim at the start of a repeated attempt moves that number, so whatever
an earlier attempt still tries to write is refused: it is fenced.
"""

import asyncio
from collections.abc import Iterator, Sequence

import msgspec

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.streams.blobs import Blobs
from pepperpy_bus.streams.compare_and_set import compare_and_set
from pepperpy_bus.streams.reading import all_on, last_as_stored
from pepperpy_bus.tasks.history import History, entry_attempt, unfold_all
from pepperpy_bus.units import now
from pepperpy_schemas import headers as h
from pepperpy_schemas.catalog.tasks import STEP
from pepperpy_schemas.errors import (
    BadPayload,
    ErrorInfo,
    Fenced,
    NotFound,
    Unavailable,
    Unreachable,
    WrongSequence,
)
from pepperpy_schemas.messages import (
    CheckpointEntry,
    ClaimEntry,
    EndedEntry,
    FailureEntry,
    InputEntry,
    JournalEntry,
    ReleaseEntry,
    StepEntry,
    WaitedEntry,
)
from pepperpy_schemas.subjects import stream_name

KEEP = "720h"
"""The server forgets a journal's entries after this long: far beyond any task's retries."""
_MOST = 1_000_000
_AT_ONCE = 512 * 1024
_BLOB = h.BLOB.lower()
_TEXT = "bytes are sent as they are, as JSON; return text (base64, say) or what JSON can carry"


class Journal:
    """One task's journal, as one attempt sees it.

    Args:
        connection: The connection.
        prefix: The deployment's prefix.
        task_id: The task.
        instance: The worker's instance, written into the entries.

    Attributes:
        history: What it says.
        begun: When the server stored its first entry, RFC 3339; empty when it has none.
        fenced: Whether a write was refused: the task is somebody else's.
    """

    def __init__(self, connection: Connection, prefix: str, task_id: str, instance: str) -> None:
        self._connection = connection
        self._prefix = prefix
        self._stream = stream_name(prefix, "STEPS")
        self._subject = STEP.of(prefix, id=task_id)
        self._task_id = task_id
        self._instance = instance
        self._last = 0
        self._writes = 0
        self._writing = asyncio.Lock()
        self._unsure: dict[str, JournalEntry] = {}
        self.history = History()
        self.begun = ""
        self.fenced = False

    async def read(self) -> None:
        """Reads the whole journal with one request."""
        stored = await all_on(self._connection, self._stream, self._subject, limit=_MOST)
        self.history = History(unfold_all(STEP.decode(one.body) for one in stored))
        self._last = stored[-1].seq if stored else 0
        self.begun = stored[0].time if stored else ""

    async def claim(self, attempt: int, carrier: str = "") -> None:
        """Takes the task for this attempt; every earlier one is fenced from here on.

        Args:
            attempt: The attempt.
            carrier: The delivered message that it runs on, ``<stream>-<seq>``.

        Raises:
            Fenced: Another worker claimed it between the read and now.
        """
        await self.append(ClaimEntry(attempt, self._instance, now(), carrier))

    async def restart(self, carrier: str) -> None:
        """Begins anew with the first attempt, in place of what an ended task of this id left.

        Args:
            carrier: The delivered message that it runs on, ``<stream>-<seq>``.

        Raises:
            Fenced: Another worker has the task.
        """
        async with self._writing:
            earlier, self.history = self.history, History()
            try:
                await self._write(ClaimEntry(1, self._instance, now(), carrier), {h.ROLLUP: "sub"})
            except BaseException:
                self.history = earlier
                raise

    async def failed(self, attempt: int, error: ErrorInfo) -> None:
        """Records that this attempt ended with an error.

        Raises:
            Fenced: Another worker has the task now.
        """
        await self.append(FailureEntry(attempt, self._instance, now(), error))

    async def released(self, *, given_up: str = "") -> None:
        """Records that this delivery was given back unfinished.

        Args:
            given_up: The message that the server delivers no more; a wake takes its place.

        Raises:
            Fenced: Another worker has the task now.
        """
        await self.append(ReleaseEntry(self._instance, now(), given_up))

    async def append(self, entry: JournalEntry) -> None:
        """Writes an entry after the last one that is known, one at a time.

        Raises:
            Fenced: Somebody else has written since.
            BadPayload: It holds bytes that are no JSON.
        """
        async with self._writing:
            await self._write(entry)

    async def renew(self) -> None:
        """Writes the whole journal anew, so that its expiry starts again.

        One message takes the place of all; where that would be too large, a series follows them.

        Raises:
            Fenced: Somebody else has written since.
        """
        async with self._writing:
            renewed = [await self._renewed(one) for one in self.history.entries]
            series = list(batches(renewed))
            headers = {h.ROLLUP: "sub"} if len(series) == 1 else None
            for left, entries in zip(reversed(range(len(series))), series, strict=True):
                lines = [msgspec.Raw(STEP.encode(one)) for one in entries]
                await self._write(CheckpointEntry(lines, renews=True, left=left), headers)
            self.history = History(renewed)

    async def _renewed(self, entry: JournalEntry) -> JournalEntry:
        """The entry with what it refers to stored anew: bodies expire as journals do."""
        match entry:
            case InputEntry() if _BLOB in entry.headers:
                fields = {**entry.headers, _BLOB: await self._stored_anew(entry.headers[_BLOB])}
                return msgspec.structs.replace(entry, headers=fields)
            case StepEntry() | WaitedEntry() | EndedEntry() if entry.blob:
                return msgspec.structs.replace(entry, blob=await self._stored_anew(entry.blob))
            case _:
                return entry

    async def _stored_anew(self, reference: str) -> str:
        blobs = Blobs(self._connection, self._prefix)
        try:
            return await blobs.put(await blobs.get(reference))
        except NotFound:
            return reference

    async def is_behind(self) -> bool:
        """Whether it was read from a replica that lacks the last entries."""
        last = await last_as_stored(self._connection, self._stream, self._subject)
        return last is not None and last.seq > self._last

    async def adopt(self, entries: Sequence[JournalEntry]) -> None:
        """Writes what another journal has, in one message: all of it is there, or nothing.

        Raises:
            Fenced: Somebody else has written since.
        """
        async with self._writing:
            await self._write(CheckpointEntry([msgspec.Raw(STEP.encode(one)) for one in entries]))
            for entry in entries:
                self.history.add(entry)

    async def _write(self, entry: JournalEntry, headers: dict[str, str] | None = None) -> None:
        attempt, body = entry_attempt(entry), STEP.encode(entry)
        try:
            STEP.decode(body)
        except BadPayload as error:
            # One line that cannot be read would cost the task its whole journal.
            raise BadPayload(f"bytes that are no JSON: {error}", hint=_TEXT) from None
        # Never twice the same: a second write with the id of a canceled one would be dropped.
        self._writes += 1
        msg_id = f"{self._task_id}:{attempt}:{self._last}:{self._writes}:{self._instance}"
        try:
            seq = await compare_and_set(
                self._connection,
                self._stream,
                self._subject,
                body,
                last=self._last,
                msg_id=msg_id,
                headers=headers,
                ttl=KEEP,
            )
        except WrongSequence as error:
            last = await last_as_stored(self._connection, self._stream, self._subject)
            found = "" if last is None else last.headers.get(h.MSG_ID.lower(), "")
            if last is not None and found in self._unsure:
                # That one had succeeded, though its writer was canceled while it waited.
                self._wrote(self._unsure[found], last.seq)
                await self._write(entry, headers)
            else:
                self.fenced = True
                raise Fenced(
                    f"another worker has claimed task {self._task_id} since attempt {attempt}",
                    context={"task_id": self._task_id, "attempt": attempt},
                ) from error
        except (asyncio.CancelledError, Unavailable, Unreachable):
            self._unsure[msg_id] = entry
            raise
        else:
            self._wrote(entry, seq)

    def _wrote(self, entry: JournalEntry, seq: int) -> None:
        self._last, self._unsure = seq, {}
        if not isinstance(entry, CheckpointEntry):
            self.history.add(entry)


def batches(entries: Sequence[JournalEntry]) -> Iterator[list[JournalEntry]]:
    """Yields entries in lists that fit into a message each; a longer one has one to itself."""
    batch: list[JournalEntry] = []
    size = 0
    for entry in entries:
        length = len(STEP.encode(entry))
        if batch and size + length > _AT_ONCE:
            yield batch
            batch, size = [], 0
        batch.append(entry)
        size += length
    if batch:
        yield batch
