"""Dead letters: tasks that failed for good, with what it takes to understand and replay them."""

import base64
from collections.abc import AsyncIterator, Mapping
from datetime import datetime

import msgspec

from pepperpy_bus.audit import Audit
from pepperpy_bus.link.connection import Connection
from pepperpy_bus.logs import get_log
from pepperpy_bus.streams.follow import follow
from pepperpy_bus.streams.jetstream import delete_message, store
from pepperpy_bus.streams.reading import message_at
from pepperpy_bus.units import now
from pepperpy_schemas import headers as h
from pepperpy_schemas.catalog.tasks import DEAD_LETTER, KEYED_TASK, TASK
from pepperpy_schemas.errors import ErrorInfo, NotFound, PepperError
from pepperpy_schemas.messages import AttemptRecord, DeadLetter
from pepperpy_schemas.subjects import stream_name
from pepperpy_schemas.tokens import HIGH_LANE, key_token, new_id

log = get_log("pepperpy.dlq")

_NOT_REPLAYED = frozenset(
    name.lower()
    # Whoever waited for the failed task was told of its end; nobody waits for this one.
    for name in (
        h.ID,
        h.REPLAY_OF,
        h.FROM_STEP,
        h.PARENT,
        h.ROOT,
        h.REPLY_TO,
        h.TRACEPARENT,
        h.TRACESTATE,
    )
)


class Filed(msgspec.Struct, frozen=True):
    """A dead letter with its place in the stream.

    Attributes:
        seq: Its sequence number, by which it is shown, replayed and dropped.
        letter: The letter.
    """

    seq: int
    letter: DeadLetter


def write_letter(
    task_id: str,
    topic: str,
    error: ErrorInfo,
    *,
    body: bytes,
    headers: Mapping[str, str],
    attempts: list[AttemptRecord],
    deliveries: int,
) -> DeadLetter:
    """Returns the letter for a task that is given up now."""
    try:
        text, encoded = body.decode(), None
    except UnicodeDecodeError:
        text, encoded = None, base64.b64encode(body).decode()
    return DeadLetter(
        task_id=task_id,
        topic=topic,
        ts=now(),
        reason=error.code,
        error=error,
        attempts=attempts,
        headers=dict(headers),
        body=text,
        body_base64=encoded,
        source=headers.get(h.SOURCE.lower(), ""),
        deliveries=deliveries,
    )


def body_of(letter: DeadLetter) -> bytes:
    """Returns the task's body as it came."""
    if letter.body_base64 is not None:
        return base64.b64decode(letter.body_base64)
    return (letter.body or "").encode()


class DeadLetters:
    """The dead letters of a deployment.

    Args:
        connection: The connection.
        prefix: The deployment's prefix.
        source: Who replays and drops them, for the audit log.
    """

    def __init__(self, connection: Connection, prefix: str, *, source: str = "") -> None:
        self._audit = Audit(connection, prefix, source=source)
        self._source = source
        self._connection = connection
        self._prefix = prefix
        self._stream = stream_name(prefix, "DLQ")

    async def put(self, letter: DeadLetter) -> int:
        """Files a letter; filing it again, after a lost acknowledgement, changes nothing."""
        subject = DEAD_LETTER.of(self._prefix, topic=letter.topic)
        msg_id = f"{letter.task_id}:dlq"
        body = DEAD_LETTER.encode(letter)
        return (await store(self._connection, subject, body, msg_id=msg_id)).seq

    async def find(
        self, *, topic: str = "", reason: str = "", since: datetime | None = None
    ) -> AsyncIterator[Filed]:
        """Yields the letters there are, the oldest first.

        Args:
            topic: Only of this topic.
            reason: Only with this error code.
            since: Only those filed at this time or later.
        """
        subject = DEAD_LETTER.pattern(self._prefix, **({"topic": topic} if topic else {}))
        async with follow(self._connection, self._stream, [subject], since=since) as follower:
            async for delivery in follower.until_end():
                try:
                    letter = DEAD_LETTER.decode(delivery.body)
                except PepperError as error:
                    log.warning("dlq.unreadable", seq=delivery.seq, error=str(error))
                    continue
                if not reason or letter.reason == reason:
                    yield Filed(delivery.seq, letter)

    async def get(self, seq: int) -> Filed:
        """Returns one letter.

        Raises:
            NotFound: There is none with this number.
        """
        stored = await message_at(self._connection, self._stream, seq)
        if stored is None:
            raise NotFound(f"no dead letter {seq}", hint="list them with: pepperpy dlq ls")
        return Filed(seq, DEAD_LETTER.decode(stored.body))

    async def replay(self, filed: Filed) -> str:
        """Submits the task of a letter as a new task; returns the new id.

        The new task has a new id and names the old one; the letter stays until it is dropped.
        """
        letter, task_id = filed.letter, new_id()
        fields = {
            name: value
            for name, value in h.from_user(letter.headers).items()
            if name.lower() not in _NOT_REPLAYED
        }
        fields[h.REPLAY_OF] = letter.task_id
        if self._source:
            fields[h.SOURCE] = self._source
        subject = self._replayed_on(letter, task_id)
        await store(self._connection, subject, body_of(letter), msg_id=task_id, headers=fields)
        return task_id

    def _replayed_on(self, letter: DeadLetter, task_id: str) -> str:
        """The subject of a new task of the same key or priority."""
        said = h.fold(letter.headers)
        if key := said.get(h.KEY.lower()):
            token = key_token(key)
            return KEYED_TASK.of(self._prefix, topic=letter.topic, key=token, id=task_id)
        high = said.get(h.PRIORITY.lower()) == "high"
        lane = letter.topic + HIGH_LANE if high else letter.topic
        return TASK.of(self._prefix, topic=lane, id=task_id)

    async def drop(self, seq: int) -> None:
        """Removes one letter.

        Raises:
            NotFound: There is none with this number.
        """
        async with self._audit.act("drop", f"{self._stream}:{seq}"):
            if not await delete_message(self._connection, self._stream, seq):
                raise NotFound(f"no dead letter {seq}", hint="list them with: pepperpy dlq ls")
