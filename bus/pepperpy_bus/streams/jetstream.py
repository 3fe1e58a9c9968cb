"""JetStream in the few verbs that PepperPy needs: store, read, purge, and the JSON API below them.

Writing is made safe here: every stored message carries a message id, and a write whose
acknowledgement is lost, or that meets a leader election, is sent again with the same id. A
question whose answer a broken connection lost is asked again.
"""

import asyncio
import random
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import msgspec

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.link.message import Message
from pepperpy_schemas import headers as h
from pepperpy_schemas.codec import convert, decode, encode
from pepperpy_schemas.errors import (
    NotFound,
    PepperError,
    PermissionDenied,
    QueueFull,
    RefusedByServer,
    Unavailable,
    Unreachable,
    WrongSequence,
)

API: Final = "$JS.API"
STORE_TIMEOUT: Final = 30.0
"""Seconds that a write is tried: leader elections take 5 to 10 s."""

_ATTEMPT_TIMEOUT = 5.0
_NOT_FOUND = frozenset({10014, 10037, 10059})
_FULL = frozenset({10047, 10077, 10122})
_CONFLICT = frozenset({10071, 10164})
_NO_SUCH_MESSAGE = 10043
# Beyond the last one the server speaks of the end of its file.
_GONE = ("EOF", "no message found")
_BATCH_BYTES = 8 * 1024 * 1024
# Only messages that were stored have it; a "Status" header may be their sender's.
_SEQUENCE = "nats-sequence"
_NO_MESSAGE_FOUND = 10037
STREAM_EXISTS: Final = 10058
CONSUMER_EXISTS: Final = frozenset({10013, 10148})


class ApiError(msgspec.Struct, frozen=True):
    """What the server says went wrong.

    Attributes:
        code: Like an HTTP status.
        err_code: The server's own number of the fact.
        description: Its words.
    """

    code: int = 0
    err_code: int = 0
    description: str = ""


class PubAck(msgspec.Struct, frozen=True):
    """The server has stored a message.

    Attributes:
        stream: Where.
        seq: Its sequence number there.
        duplicate: Whether a message with this id was there already; ``seq`` is that one's.
        error: Set instead when it was refused.
    """

    stream: str = ""
    seq: int = 0
    duplicate: bool = False
    error: ApiError | None = None


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


_pub_acks = msgspec.json.Decoder(PubAck)


async def store(
    connection: Connection,
    subject: str,
    body: bytes,
    *,
    msg_id: str = "",
    headers: Mapping[str, str] | None = None,
    expect_last: int | None = None,
    ttl: str = "",
    timeout: float = STORE_TIMEOUT,
) -> PubAck:
    """Writes a message into the stream of its subject and returns when the server has it.

    Args:
        connection: The connection.
        subject: A subject that a stream keeps.
        body: The payload.
        msg_id: Deduplicates: one per write, the same for every try of it. Without one a lost
            acknowledgement is not retried, because that could store the message twice.
        headers: More headers.
        expect_last: Sequence of the last message on this subject; 0 for "there is none".
        ttl: The server removes the message after this long (``24h``), if the stream allows it.
        timeout: Seconds to keep trying through disconnects and elections.

    Raises:
        WrongSequence: ``expect_last`` does not hold.
        QueueFull: The stream's limits are reached.
        PermissionDenied: The broker does not allow it.
        Unreachable: The broker did not come back in time.
        Unavailable: No stream keeps this subject, or JetStream did not answer in time.
    """
    fields = dict(headers) if headers else {}
    if msg_id:
        fields[h.MSG_ID] = msg_id
    if expect_last is not None:
        fields[h.EXPECTED_LAST_SUBJECT_SEQUENCE] = str(expect_last)
    if ttl:
        fields[h.MESSAGE_TTL] = ttl
    now = connection.loop.time
    end = now() + timeout
    tries = 0
    while True:
        left = end - now()
        try:
            if not connection.connected:
                await connection.wait_connected(max(left, 0.001))
            reply = await connection.request(
                subject,
                body,
                headers=fields or None,
                timeout=min(_ATTEMPT_TIMEOUT, max(left, 0.05)),
                while_up=True,
            )
            return _read_ack(reply, subject)
        except (Unavailable, Unreachable):
            if not msg_id or connection.closed or now() >= end:
                raise
        tries += 1
        await asyncio.sleep(min(random.uniform(0.05, 0.1) * 2**tries, 1.0))  # noqa: S311 - jitter


def _read_ack(reply: Message, subject: str) -> PubAck:
    try:
        ack = _pub_acks.decode(reply.body)
    except msgspec.DecodeError:
        raise Unavailable(f"somebody else than JetStream answers on {subject}") from None
    if ack.error is not None:
        raise _refusal(ack.error, subject)
    if not ack.stream:
        raise Unavailable(f"somebody else than JetStream answers on {subject}")
    return ack


async def api(
    connection: Connection, action: str, request: object = None, *, timeout: float | None = None
) -> dict[str, Any]:
    """Calls JetStream's JSON API (``STREAM.INFO.PP_TASKS``) and returns its answer.

    It is asked again when the connection broke before the answer came, unless it deletes: what is
    gone cannot be told from what was never there.

    Raises:
        NotFound: There is no such stream, consumer or message.
        PermissionDenied: The broker does not allow it.
        Unavailable: JetStream did not answer.
        RefusedByServer: Anything else; ``err_code`` says what.
    """
    subject = f"{API}.{action}"
    body = b"" if request is None else encode(request)
    ask = partial(connection.request, subject, body, timeout=timeout, while_up=True)
    reply = await (ask() if ".DELETE." in action else connection.over_breaks(ask))
    answer: dict[str, Any] = decode(reply.body, dict)
    if "error" in answer:
        raise _refusal(msgspec.convert(answer["error"], ApiError), subject)
    return answer


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
    connection: Connection, stream: str, subject: str, *, limit: int = 10_000
) -> list[Stored]:
    """Returns every message on a subject, in order, up to a limit.

    The server answers a request with a batch of direct gets; a 204 ends it and says how many are
    left, because it was asked for no more than some MiB; a 404 says there is none.

    Raises:
        PermissionDenied: The broker does not allow it.
        Unavailable: There is no such stream, or it did not answer in time.
        Unreachable: The connection broke and did not come back in time.
    """
    return await connection.over_breaks(partial(_read_all, connection, stream, subject, limit))


async def _read_all(connection: Connection, stream: str, subject: str, limit: int) -> list[Stored]:
    found: list[Stored] = []
    more = True
    while more and len(found) < limit:
        start = found[-1].seq + 1 if found else 1
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
                left = message.headers.get("nats-num-pending", "0")
                return left != "0" and len(found) > before
            else:
                raise _unreadable(subject, message)


async def delete_message(connection: Connection, stream: str, seq: int) -> bool:
    """Removes one message; returns whether it was there."""
    try:
        await api(connection, f"STREAM.MSG.DELETE.{stream}", {"seq": seq, "no_erase": True})
    except NotFound:
        return False
    except RefusedByServer as error:
        if error.err_code != _NO_SUCH_MESSAGE and not any(one in str(error) for one in _GONE):
            raise
        return False
    return True


async def purge(connection: Connection, stream: str, subject: str) -> int:
    """Removes every message on a subject; returns how many."""
    answer = await api(connection, f"STREAM.PURGE.{stream}", {"filter": subject})
    return int(answer.get("purged", 0))


def _refusal(error: ApiError, subject: str) -> PepperError:
    context = {"err_code": error.err_code, "subject": subject}
    text = f"{error.description} on {subject}"
    if error.err_code in _CONFLICT:
        return WrongSequence(text, context=context)
    if error.err_code in _FULL:
        return QueueFull(f"the stream is full: {text}", context=context)
    if error.err_code in _NOT_FOUND:
        return NotFound(text, context=context)
    if error.code == 503:
        return Unavailable(text, context=context)
    if error.code in (401, 403):
        return PermissionDenied(text, context=context)
    return RefusedByServer(f"{error.description} ({error.err_code}) on {subject}", context=context)


def _unreadable(subject: str, reply: Message) -> Unavailable:
    text = reply.headers.get("description", "")
    return Unavailable(f"cannot read by {subject}: {reply.status} {text}")


def _stored(reply: Message) -> Stored:
    fields = reply.headers
    return Stored(
        subject=fields["nats-subject"],
        seq=int(fields[_SEQUENCE]),
        time=fields["nats-time-stamp"],
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
