"""Calling a service: one answer, or a stream of them that is whole or an error."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final, TypeVar

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.link.message import Message
from pepperpy_bus.logs import get_log
from pepperpy_bus.streams.blobs import THRESHOLD, claim_check, redeem
from pepperpy_bus.trace import outgoing
from pepperpy_schemas import headers as h
from pepperpy_schemas.catalog.services import SERVICE, STOP
from pepperpy_schemas.codec import decode, encode
from pepperpy_schemas.errors import (
    BadPayload,
    ErrorInfo,
    PepperError,
    Unavailable,
    error_from_info,
)
from pepperpy_schemas.messages import CancelRequest, ServiceReply
from pepperpy_schemas.tokens import new_id

log = get_log("pepperpy.service")

T = TypeVar("T")

ANYBODY: Final = "anon"
"""The principal of callers without a name, where authentication is off."""

_ERROR_CODE: Final = h.SERVICE_ERROR_CODE.lower()
_ERROR: Final = h.SERVICE_ERROR.lower()


async def call(
    connection: Connection,
    prefix: str,
    service: str,
    op: str,
    body: object = None,
    *,
    principal: str = ANYBODY,
    type: type[T],  # noqa: A002 - reads as msgspec's own argument
    timeout: float = 30.0,
    patience: float = 0.0,
    headers: Mapping[str, str] | None = None,
    threshold: int = THRESHOLD,
) -> T:
    """Asks a service and returns its answer.

    Cancelling it, or a time-out, cancels the request at the service.

    Args:
        connection: The connection.
        prefix: The deployment's prefix.
        service: The service's name.
        op: The operation.
        body: The request, anything that JSON can carry; nothing by default.
        principal: The caller's own name; permissions refuse any other.
        type: The type of the answer.
        timeout: Seconds to wait; the service learns of it and stops then as well.
        patience: Seconds more to wait for the service's own word that it was too slow.
        headers: More headers; ``Pp-Id`` is the id by which it can be cancelled, random by default.
        threshold: Bytes above which the request travels by reference.

    Raises:
        PermissionDenied: The broker does not allow this principal to ask.
        Unavailable: Nobody offers the service, or it did not answer in time.
        Overloaded: It has too many requests already.
        PepperError: The service's own error.
    """
    subject = SERVICE.of(prefix, service=service, op=op, principal=principal)
    fields = _headers(headers, timeout)
    sent = b"" if body is None else encode(body)
    sent, fields = await claim_check(connection, prefix, sent, fields, threshold)
    wait = timeout + patience
    try:
        message = await connection.request(subject, sent, headers=fields, timeout=wait)
    except (asyncio.CancelledError, Unavailable) as gone:
        if not is_unheard(gone):
            await _cancel(connection, prefix, fields[h.ID])
        raise
    _raise_error(message)
    said = await redeem(connection, prefix, message.body, message.headers)
    return decode(said, type)


async def call_stream(
    connection: Connection,
    prefix: str,
    service: str,
    op: str,
    body: object = None,
    *,
    principal: str = ANYBODY,
    type: type[T],  # noqa: A002 - reads as msgspec's own argument
    idle: float = 30.0,
    timeout: float = 0.0,
    headers: Mapping[str, str] | None = None,
    threshold: int = THRESHOLD,
) -> AsyncGenerator[T, None]:
    """Asks a service and yields the items of its answer; returns only after the true end.

    Closing the iterator early, or a time-out, cancels the request at the service.

    Args:
        connection: The connection.
        prefix: The deployment's prefix.
        service: The service's name.
        op: The operation.
        body: The request, anything that JSON can carry; nothing by default.
        principal: The caller's own name; permissions refuse any other.
        type: The type of an item.
        idle: Seconds without an item after which the stream is given up.
        timeout: Seconds that the service may take in all; 0 for no limit.
        headers: More headers; ``Pp-Id`` is the id by which it can be cancelled, random by default.
        threshold: Bytes above which the request travels by reference.

    Raises:
        PermissionDenied: The broker does not allow this principal to ask.
        Unavailable: Nobody offers the service, or it fell silent before the end.
        Unreachable: The connection broke, and items may be lost.
        PepperError: The service's own error.
    """
    subject = SERVICE.of(prefix, service=service, op=op, principal=principal)
    fields = _headers(headers, timeout)
    sent = b"" if body is None else encode(body)
    sent, fields = await claim_check(connection, prefix, sent, fields, threshold)
    ended = False
    try:
        async with connection.request_many(subject, sent, headers=fields) as replies:
            while True:
                message = await replies.next(idle)
                ended = _is_end(message) or _ERROR_CODE in message.headers
                _raise_error(message)
                if ended:
                    return
                yield decode(message.body, type)
    except Unavailable as error:
        ended = ended or is_unheard(error)
        raise
    finally:
        if not ended:
            await _cancel(connection, prefix, fields[h.ID])


def is_unheard(error: BaseException) -> bool:
    """Returns whether the server said of a request that nobody serves its subject."""
    return isinstance(error, Unavailable) and error.context.get("heard") is False


def _headers(headers: Mapping[str, str] | None, timeout: float) -> dict[str, str]:
    fields = {h.ID: new_id(), **h.from_user(headers), **outgoing().headers()}
    if timeout > 0:
        fields[h.TIMEOUT_MS] = str(max(1, int(timeout * 1000)))
    return fields


def _is_end(message: Message) -> bool:
    return not message.body and not message.headers


def _raise_error(message: Message) -> None:
    """Raises the error that a reply carries, if it carries one."""
    code = message.headers.get(_ERROR_CODE)
    if code is None:
        return
    text = message.headers.get(_ERROR, "")
    raise error_from_info(_info_of(message.body) or ErrorInfo(code=code, message=text))


def _info_of(body: bytes) -> ErrorInfo | None:
    """The error in the body of a service of ours; services of others may have only headers."""
    try:
        return decode(body, ServiceReply).error
    except BadPayload:
        return None


async def _cancel(connection: Connection, prefix: str, id_: str) -> None:
    request: Any = CancelRequest(reason="the caller went away")
    with contextlib.suppress(PepperError):
        await connection.publish(STOP.of(prefix, id=id_), STOP.encode(request))
