"""Who may see and do what: this machine reads, whoever has the token reads and acts."""

from typing import Final

from aiohttp import hdrs, web

from pepperpy_bus.client import Client
from pepperpy_monitor_svc.http.answers import Refused
from pepperpy_monitor_svc.http.callers import (
    bearer,
    is_passed_on,
    refuse_foreign_host,
    refuse_foreign_page,
)
from pepperpy_monitor_svc.http.middlewares import Handler
from pepperpy_monitor_svc.web.parts import PARTS, Parts
from pepperpy_monitor_svc.web.sessions import Session

MARK: Final = "X-CSRF-Token"
_LONGEST: Final = 1024


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuses what comes from elsewhere; who may do what is for the handlers to say."""
    if is_open(request):
        refuse_foreign_host(request)
    if request.method not in ("GET", "HEAD") or request.path.startswith(("/api/", "/metrics")):
        refuse_foreign_page(request)
    return await handler(request)


def is_open(request: web.Request) -> bool:
    """Tells whether a request may read without a token: it comes from this machine, and directly.

    Whoever says to come through a proxy, and does not, has nothing of it but that it needs one.
    """
    return request.app[PARTS].open and not is_passed_on(request)


def reader(handler: Handler) -> Handler:
    """Makes a handler answer those who may read."""

    async def checked(request: web.Request) -> web.StreamResponse:
        parts = request.app[PARTS]
        if not is_open(request) and not who_reads(request, parts):
            raise Refused(
                401,
                "unauthenticated",
                "reading from another machine needs the token",
                hint="log in, or send Authorization: Bearer TOKEN",
                headers={hdrs.WWW_AUTHENTICATE: "Bearer"},
            )
        return await handler(request)

    return checked


def still_reads(request: web.Request) -> bool:
    """Tells whether who was let in may read on: sessions end while streams are open."""
    if is_open(request) or bearer(request):
        return True
    return session_of(request, request.app[PARTS]) is not None


def session_of(request: web.Request, parts: Parts) -> Session | None:
    """Returns the session of a request's cookie, or None."""
    cookie = request.cookies.get(cookie_name(request), "")
    return parts.sessions.find(cookie[:_LONGEST]) if cookie else None


def who_reads(request: web.Request, parts: Parts) -> bool:
    """Tells whether a request has the token, or a session of it."""
    token = bearer(request)
    if token:
        parts.sessions.check(token, request.remote or "")
        return True
    return session_of(request, parts) is not None


def who_acts(request: web.Request) -> str:
    """Returns who acts, for the audit log: a claim, with the address it comes from.

    Raises:
        Refused: The request has neither the token nor a session with the mark of its page.
    """
    parts, address = request.app[PARTS], request.remote or ""
    token = bearer(request)
    if token:
        parts.sessions.check(token, address)
        return _called("", address)
    session = session_of(request, parts)
    if session is None:
        raise Refused(401, "unauthenticated", "acting needs the token", hint="log in")
    if not parts.sessions.is_page_mark(session, request.headers.get(MARK, "")):
        raise Refused(
            403,
            "foreign_page",
            f"{MARK} is missing or not this session's",
            hint="GET /api/session says which it is",
        )
    return _called(session.name, address)


def acting_client(request: web.Request) -> Client:
    """Returns the connection that may act.

    Raises:
        Refused: The dashboard has none.
    """
    client = request.app[PARTS].monitor.acting
    if client is None:
        raise Refused(
            403,
            "read_only",
            "this dashboard only shows: it has no user who may act",
            hint="set monitor.acting_user and monitor.acting_password",
        )
    return client


def cookie_name(request: web.Request) -> str:
    """Returns the name of the session's cookie; browsers share cookies among a host's ports."""
    own = request.transport.get_extra_info("sockname") if request.transport else None
    return f"pepperpy-{own[1]}" if isinstance(own, tuple) else "pepperpy"


def _called(name: str, address: str) -> str:
    return f"dashboard:{name or 'token'}@{address}"
