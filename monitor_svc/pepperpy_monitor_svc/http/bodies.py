"""Bodies of requests: bounded in size and in time."""

import asyncio
from typing import Any, Final

from aiohttp import web

from pepperpy_monitor_svc.http.answers import Refused
from pepperpy_schemas.codec import decode

_PATIENCE: Final = 20.0
"""Seconds that a client has to send a body."""


async def read_body(request: web.Request, largest: int) -> bytes:
    """Returns a request's body.

    Args:
        request: The request.
        largest: Bytes that it may have.

    Raises:
        Refused: It is larger, or it was not there in time.
    """
    if (request.content_length or 0) > largest:
        raise _too_large(largest)
    found = bytearray()
    try:
        async with asyncio.timeout(_PATIENCE):
            async for part in request.content.iter_any():
                found += part
                if len(found) > largest:
                    raise _too_large(largest)
    except TimeoutError:
        raise Refused(
            408, "timeout", f"the body was not here after {_PATIENCE:g} s", headers=_CLOSING
        ) from None
    return bytes(found)


async def read_object(request: web.Request, largest: int) -> dict[str, Any]:
    """Returns the JSON object of a request's body; an empty one without a body.

    Raises:
        Refused: It is too large, too slow, or said to be something else than JSON.
        BadPayload: It is no JSON object.
    """
    body = await read_body(request, largest)
    # A form of another site's page cannot send this type without asking first.
    if request.content_type != "application/json":
        raise Refused(
            415,
            "unsupported_type",
            f"the body is {request.content_type!r:.80}",
            hint="send application/json",
        )
    return decode(body, dict[str, Any]) if body else {}


_CLOSING: Final = {"Connection": "close"}


def _too_large(largest: int) -> Refused:
    return Refused(413, "too_large", f"the body has more than {largest} bytes", headers=_CLOSING)
