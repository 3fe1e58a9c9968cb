"""JetStream in the few verbs that PepperPy needs: store, delete, purge; and the JSON API below.

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
from pepperpy_schemas.codec import decode, encode
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
from pepperpy_schemas.tokens import new_id

API: Final = "$JS.API"
STORE_TIMEOUT: Final = 30.0
"""Seconds that a write is tried: leader elections take 5 to 10 s."""

_ATTEMPT_TIMEOUT = 5.0
_NOT_FOUND = frozenset({10014, 10037, 10059})
_FULL = frozenset({10047, 10077, 10122})
_CONFLICT = frozenset({10070, 10071, 10164})
# This write itself is on its way through the cluster.
_UNDER_WAY = 10158
_NO_SUCH_MESSAGE = 10043
# Beyond the last one the server speaks of the end of its file.
_GONE = ("EOF", "no message found")
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
        WrongSequence: ``expect_last`` does not hold; ``context.unsure`` says whether an earlier try
            was not answered, and may have been stored.
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
        except WrongSequence as error:
            error.context["unsure"] = tries > 0
            raise
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


async def stored_before(connection: Connection, subject: str, msg_id: str) -> int:
    """Returns the place of the message that was stored with an id of late, or 0.

    It is asked with a message of the same id that cannot be stored itself: the server looks for the
    id first (`Nats-Expected-Last-Msg-Id` is looked at after it). So it is known of messages, too,
    whose subject has another one by now.

    Raises:
        Unavailable: That message is on its way, or JetStream did not answer.
        Unreachable: The broker did not come back in time.
    """
    fields = {h.MSG_ID: msg_id, h.EXPECTED_LAST_MSG_ID: new_id()}
    reply = await connection.request(subject, b"", headers=fields, while_up=True)
    try:
        return _read_ack(reply, subject).seq
    except WrongSequence:
        return 0


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
    if error.code == 503 or error.err_code == _UNDER_WAY:
        return Unavailable(text, context=context)
    if error.code in (401, 403):
        return PermissionDenied(text, context=context)
    return RefusedByServer(f"{error.description} ({error.err_code}) on {subject}", context=context)
