"""Notifications to an address: posted, signed, and never followed elsewhere.

The signature is that of Standard Webhooks: ``webhook-signature`` is ``v1,`` and the base64 of
HMAC-SHA256 of ``<webhook-id>.<webhook-timestamp>.<body>``. A receiver refuses what is older than a
few minutes, and an id that it has seen: a notification that is tried again keeps its id.
"""

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from pepperpy_monitor_svc.alerts.receivers import Receiver, address_of, secret_of
from pepperpy_schemas.codec import encode
from pepperpy_schemas.errors import Unavailable

if TYPE_CHECKING:
    import aiohttp

_LARGEST_ANSWER: Final = 4096
_PREFIX: Final = "whsec_"


async def post(
    session: "aiohttp.ClientSession",
    receiver: Receiver,
    said: dict[str, Any],
    message_id: str,
    *,
    clock: Callable[[], float] = time.time,
) -> None:
    """Posts a notification once.

    Args:
        session: What sends it.
        receiver: Where to, and with which secret; both are read from their files now.
        said: The notification.
        message_id: Equal for each try of the same notification.
        clock: Tells the time of the signature.

    Raises:
        Unavailable: It was not taken; the message has no secret, nor the path of the address.
        BadConfig: A file of the receiver cannot be read.
    """
    import aiohttp

    address = address_of(receiver)
    host = urlsplit(address).hostname
    body = encode(said)
    headers = {"Content-Type": "application/json", "User-Agent": "pepperpy-monitor"}
    headers |= {"webhook-id": message_id, "webhook-timestamp": str(int(clock()))}
    if secret := secret_of(receiver.secret_file):
        headers["webhook-signature"] = signature(secret, headers, body)
    if token := secret_of(receiver.bearer_file):
        headers["Authorization"] = f"Bearer {token}"
    limit = aiohttp.ClientTimeout(total=receiver.timeout)
    try:
        async with session.post(
            address, data=body, headers=headers, timeout=limit, allow_redirects=False
        ) as answer:
            await answer.content.read(_LARGEST_ANSWER)
            status = answer.status
    except TimeoutError:
        raise Unavailable(f"{host} did not answer in {receiver.timeout:g} s") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        # Its text may hold the address, whose path may be a secret.
        raise Unavailable(f"{host} was not reached: {type(error).__name__}") from None
    if not 200 <= status < 300:
        raise Unavailable(f"{host} answered {status}")


def signature(secret: str, headers: dict[str, str], body: bytes) -> str:
    """Returns the signature of a notification.

    Args:
        secret: A text, or base64 after ``whsec_``.
        headers: ``webhook-id`` and ``webhook-timestamp``.
        body: The body.
    """
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    digest = hmac.new(_key(secret), signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def _key(secret: str) -> bytes:
    if secret.startswith(_PREFIX):
        try:
            return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
        except binascii.Error:
            pass
    return secret.encode()
