"""Writing only after the message that the writer knows for the last one on a subject."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.streams.jetstream import STORE_TIMEOUT, store, stored_before
from pepperpy_bus.streams.reading import Stored, last_as_stored
from pepperpy_schemas import headers as h
from pepperpy_schemas.errors import Unavailable, Unreachable, WrongSequence

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0
_CATCHING_UP = 2.0
"""Seconds in which a new leader of a stream has what was acknowledged before it led."""


async def compare_and_set(
    connection: Connection,
    stream: str,
    subject: str,
    body: bytes,
    *,
    last: int,
    msg_id: str,
    headers: Mapping[str, str] | None = None,
    ttl: str = "",
    read: Callable[[], Awaitable[Stored | None]] | None = None,
) -> int:
    """Stores a message if nothing was stored on its subject after the last one; returns its place.

    In a cluster the server refuses a write, too, while one is on its way to the others, and that
    may be this very one, sent a second time: it will be stored, or dropped by an election. So a
    refusal counts only once somebody else's message is seen there; and that may follow this one,
    whose acknowledgement was lost.

    Args:
        connection: The connection.
        stream: The stream that keeps the subject.
        subject: The subject.
        body: The payload.
        last: Sequence of the last message on this subject; 0 for "there is none".
        msg_id: One per write, the same for every try of it.
        headers: More headers.
        ttl: The server removes the message after this long (``24h``), if the stream allows it.
        read: Reads the last message on the subject, for who may not ask the stream's leader.

    Raises:
        WrongSequence: Somebody else has stored a message since, or the last one is gone.
        Unavailable: JetStream did not say in time whether it is stored.
        Unreachable: The broker did not come back in time.
        PepperError: As `store`.
    """
    now = connection.loop.time
    end = now() + STORE_TIMEOUT
    behind = 0.0
    unsure = False
    pause = _FIRST_PAUSE
    while True:
        left = max(end - now(), 0.05)
        try:
            ack = await store(
                connection,
                subject,
                body,
                msg_id=msg_id,
                headers=headers,
                expect_last=last,
                ttl=ttl,
                timeout=left,
            )
        except WrongSequence as error:
            unsure = unsure or bool(error.context.get("unsure"))
            reason = error
        else:
            return ack.seq
        try:
            there = await (last_as_stored(connection, stream, subject) if read is None else read())
            found = 0 if there is None else there.seq
            if there is not None and there.headers.get(h.MSG_ID.lower()) == msg_id:
                return there.seq  # only its acknowledgement was lost
            if (
                found > last
                and unsure
                and (place := await stored_before(connection, subject, msg_id))
            ):
                return place  # others have built upon it since
        except (Unavailable, Unreachable):
            if now() >= end:
                raise
        else:
            behind = (behind or now()) if found < last else 0.0
            if found > last or (behind and now() - behind > _CATCHING_UP):
                raise reason
            if now() >= end:
                raise Unavailable(f"what is under way on {subject} does not arrive") from reason
        await asyncio.sleep(random.uniform(pause / 2, pause))  # noqa: S311 - jitter
        pause = min(pause * 2, _LONGEST_PAUSE)
