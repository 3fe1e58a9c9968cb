"""From where a request comes: which machine, and which page of a browser."""

import hashlib
import hmac
import ipaddress
from typing import Final
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from pepperpy_monitor_svc.http.answers import Refused

_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_BY_PROXIES: Final = (
    "Forwarded",
    "Via",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Real-IP",
)
_OWN: Final = frozenset({"same-origin", "none"})
"""What browsers say of requests that a page of another site did not cause."""


def is_loopback(host: str) -> bool:
    """Tells whether only this machine reaches an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def is_passed_on(request: web.Request) -> bool:
    """Tells whether a proxy says that it sent a request on: then it may come from anywhere.

    One that says nothing cannot be told from a program of this machine.
    """
    return any(name in request.headers for name in _BY_PROXIES)


def refuse_foreign_host(request: web.Request) -> None:
    """Refuses a request by a name that stands for this machine without being its own.

    A page whose name was made to point to 127.0.0.1 (DNS rebinding) could read the answers
    otherwise; its name stands in ``Host``.

    Raises:
        Refused: The name is no loopback's.
    """
    name = _name(request.headers.get(hdrs.HOST, ""))
    if name not in _NAMES and not is_loopback(name):
        raise Refused(
            421,
            "foreign_host",
            f"this is not {name!r:.80}",
            hint="call it by 127.0.0.1 or localhost",
        )


def refuse_foreign_page(request: web.Request) -> None:
    """Refuses what a page of another site has a browser do.

    Raises:
        Refused: ``Origin`` or ``Sec-Fetch-Site`` names another site.
    """
    site = request.headers.get("Sec-Fetch-Site", "none")
    origin = request.headers.get(hdrs.ORIGIN)
    names = {request.headers.get(name, "").lower() for name in (hdrs.HOST, "X-Forwarded-Host")}
    if site not in _OWN or (origin is not None and _place(origin) not in names - {""}):
        raise Refused(403, "foreign_page", "a page of another site may not do that")


def bearer(request: web.Request) -> str:
    """Returns the token of ``Authorization: Bearer …``, or nothing."""
    scheme, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def same(one: str, other: str) -> bool:
    """Compares two secrets in a time that tells nothing of them, nor of their lengths."""
    return hmac.compare_digest(_digest(one), _digest(other))


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()


def _name(host: str) -> str:
    """The name in ``Host``, without a port."""
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


def _place(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""
