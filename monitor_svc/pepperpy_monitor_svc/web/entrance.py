"""Logging in and out, and what this browser may do."""

from typing import Final

from aiohttp import web

from pepperpy_bus.logs import get_log
from pepperpy_monitor_svc.http.answers import json_answer
from pepperpy_monitor_svc.http.bodies import read_object
from pepperpy_monitor_svc.web.access import cookie_name, is_open, session_of, who_reads
from pepperpy_monitor_svc.web.parts import PARTS, Parts
from pepperpy_monitor_svc.web.sessions import LIFETIME
from pepperpy_schemas.codec import convert
from pepperpy_schemas.errors import PepperError

log = get_log("pepperpy.monitor")

_LARGEST: Final = 4096
_NAME: Final = 64


async def session(request: web.Request) -> web.StreamResponse:
    """What this browser may do, and the mark that its acts must have; or a program with the token.

    Raises:
        Refused: The token is a wrong one.
    """
    parts = request.app[PARTS]
    found = session_of(request, parts)
    known = found is not None or who_reads(request, parts)
    return json_answer(
        request,
        {
            "reads": known or is_open(request),
            "acts": known and parts.monitor.acting is not None,
            "can_log_in": parts.sessions.possible,
            "has_acting": parts.monitor.acting is not None,
            "name": "" if found is None else found.name,
            "csrf": "" if found is None else parts.sessions.page_mark(found),
        },
    )


async def login(request: web.Request) -> web.StreamResponse:
    """Begins a session for who has the token."""
    parts = request.app[PARTS]
    said = await read_object(request, _LARGEST)
    token, name = convert(said.get("token", ""), str), convert(said.get("name", ""), str)
    clean = "".join(sign for sign in name if sign.isprintable())[:_NAME]
    cookie = parts.sessions.log_in(token, request.remote or "", clean)
    await _tell(parts, clean, request.remote or "")
    begun = parts.sessions.find(cookie)
    mark = "" if begun is None else parts.sessions.page_mark(begun)
    answer = json_answer(request, {"ok": True, "csrf": mark})
    answer.set_cookie(
        cookie_name(request),
        cookie,
        max_age=LIFETIME,
        path="/",
        httponly=True,
        samesite="Strict",
        secure=request.secure or request.headers.get("X-Forwarded-Proto") == "https",
    )
    return answer


async def _tell(parts: Parts, name: str, address: str) -> None:
    """Has the audit log know who came in; the page is of use, too, while the broker is away."""
    try:
        await parts.monitor.audit.record("login", data={"who": name, "from": address})
    except PepperError as error:
        log.error("web.login_not_said", who=name, error=str(error))


async def logout(request: web.Request) -> web.StreamResponse:
    """Ends the session of this browser, if it has one."""
    parts = request.app[PARTS]
    found = session_of(request, parts)
    if found is not None:
        parts.sessions.end(found)
    answer = json_answer(request, {"ok": True})
    answer.del_cookie(cookie_name(request), path="/", httponly=True, samesite="Strict")
    return answer
