"""Reading what a stream keeps: one message, or all on a subject."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import msgspec

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.link.message import Message
from pepperpy_bus.streams.jetstream import API, api
from pepperpy_schemas import headers as h
from pepperpy_schemas.codec import convert, encode
from pepperpy_schemas.errors import NotFound, Unavailable

_BATCH_BYTES = 8 * 1024 * 1024
# Only messages that were stored have it; a "Status" header may be their sender's.
_SEQUENCE = h.SEQUENCE.lower()
_NUM_PENDING = h.NUM_PENDING.lower()
_SUBJECT = h.SUBJECT.lower()
_TIME_STAMP = h.TIME_STAMP.lower()
_NO_MESSAGE_FOUND = 10037


class Stored(msgspec.Struct, frozen=True):
    """A message read back from a stream.

    Attributes:
        subject: The subject it was published on.
        seq: Its sequence number.
        time: The server's timestamp, RFC 3339.
        body: Its payload.
        headers: Its headers, names in lower case.
    """

    subject: str
    seq: int
    time: str
    body: bytes
    headers: Mapping[str, str]


class _RawMessage(msgspec.Struct, frozen=True):
    subject: str
    seq: int
    time: str
    data: bytes = b""
    hdrs: bytes = b""


async def last_on(connection: Connection, stream: str, subject: str) -> Stored | None:
    """Returns the last message on a subject by direct get, or None."""
    return await _direct_get(connection, f"{API}.DIRECT.GET.{stream}.{subject}", b"")


async def last_as_stored(connection: Connection, stream: str, subject: str) -> Stored | None:
    """Returns the last message on a subject with no header but those it was stored with, or None.

    A direct get adds the server's own headers to the stored ones, which hides that a message came
    with such headers: that it is itself the server's copy of another.

    Raises:
        NotFound: There is no such stream.
    """
    return await read_as_stored(connection, stream, {"last_by_subj": subject})


async def read_as_stored(
    connection: Connection, stream: str, query: Mapping[str, Any]
) -> Stored | None:
    """Returns one message as the stream's leader has it, or None; see `last_as_stored`.

    Args:
        connection: The connection.
        stream: The stream.
        query: ``seq``, or ``last_by_subj`` with a subject that may have wildcards.
    """
    try:
        answer = await api(connection, f"STREAM.MSG.GET.{stream}", query)
    except NotFound as error:
        if error.context.get("err_code") != _NO_MESSAGE_FOUND:
            raise
        return None
    found = convert(answer["message"], _RawMessage)
    headers = h.fold(_lines(found.hdrs)) if found.hdrs else {}
    return Stored(found.subject, found.seq, found.time, found.data, headers)


async def read_directly(
    connection: Connection, stream: str, query: Mapping[str, Any]
) -> Stored | None:
    """Returns one message as any replica of the stream has it, or None.

    Args:
        connection: The connection.
        stream: The stream.
        query: ``seq``, or ``last_by_subj`` with a subject that may have wildcards.
    """
    return await _direct_get(connection, f"{API}.DIRECT.GET.{stream}", encode(query))


async def message_at(connection: Connection, stream: str, seq: int) -> Stored | None:
    """Returns the message with this sequence number by direct get, or None."""
    return await read_directly(connection, stream, {"seq": seq})


async def _direct_get(connection: Connection, subject: str, query: bytes) -> Stored | None:
    ask = partial(connection.request, subject, query, while_up=True)
    reply = await connection.over_breaks(ask)
    if _SEQUENCE in reply.headers:
        return _stored(reply)
    if reply.status == "404":
        return None
    raise _unreadable(subject, reply)


async def all_on(
    connection: Connection, stream: str, subject: str, *, limit: int = 10_000, first: int = 1
) -> list[Stored]:
    """Returns every message on a subject from a number on, in order, up to a limit.

    The server answers a request with a batch of direct gets; a 204 ends it and says how many are
    left, because it was asked for no more than some MiB; a 404 says there is none.

    Raises:
        PermissionDenied: The broker does not allow it.
        Unavailable: There is no such stream, or it did not answer in time.
        Unreachable: The connection broke and did not come back in time.
    """
    read = partial(_read_all, connection, stream, subject, limit, first)
    return await connection.over_breaks(read)


async def _read_all(
    connection: Connection, stream: str, subject: str, limit: int, first: int
) -> list[Stored]:
    found: list[Stored] = []
    more = True
    while more and len(found) < limit:
        start = found[-1].seq + 1 if found else first
        query = {
            "next_by_subj": subject,
            "batch": limit - len(found),
            "seq": start,
            "max_bytes": _BATCH_BYTES,
        }
        more = await _one_batch(connection, f"{API}.DIRECT.GET.{stream}", query, found)
    return found


async def _one_batch(
    connection: Connection, subject: str, query: dict[str, Any], found: list[Stored]
) -> bool:
    """Adds a batch to what is found; returns whether there is more."""
    before = len(found)
    async with connection.request_many(subject, encode(query)) as replies:
        while True:
            message = await replies.next(connection.options.request_timeout)
            if _SEQUENCE in message.headers:
                found.append(_stored(message))
            elif message.status == "404":
                return False
            elif message.status == "204":
                left = message.headers.get(_NUM_PENDING, "0")
                return left != "0" and len(found) > before
            else:
                raise _unreadable(subject, message)


def _unreadable(subject: str, reply: Message) -> Unavailable:
    text = reply.headers.get("description", "")
    return Unavailable(f"cannot read by {subject}: {reply.status} {text}")


def _stored(reply: Message) -> Stored:
    fields = reply.headers
    return Stored(
        subject=fields[_SUBJECT],
        seq=int(fields[_SEQUENCE]),
        time=fields[_TIME_STAMP],
        body=reply.body,
        headers=fields,
    )


def _lines(block: bytes) -> dict[str, str]:
    """The headers of a stored header block, the first of equal names."""
    fields: dict[str, str] = {}
    for line in block.decode("utf-8", "replace").split("\r\n")[1:]:
        name, colon, value = line.partition(":")
        if colon:
            fields.setdefault(name.strip(), value.strip())
    return fields
