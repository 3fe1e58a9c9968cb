"""Who calls, and whether they may now."""

from typing import Final

from aiohttp import hdrs, web

from pepperpy_monitor_svc.edge.parts import PARTS
from pepperpy_monitor_svc.edge.tokens import NOBODY
from pepperpy_monitor_svc.http.answers import Refused
from pepperpy_monitor_svc.http.callers import (
    bearer,
    is_passed_on,
    refuse_foreign_host,
    refuse_foreign_page,
)
from pepperpy_monitor_svc.http.middlewares import Handler

OPEN: Final = frozenset({"/healthz", "/readyz"})
"""What needs no token."""


@web.middleware
async def admit(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Lets those in who have a token and are within their rate."""
    if request.path in OPEN:
        return await handler(request)
    parts = request.app[PARTS]
    parts.draining.refuse()
    if not parts.tokens.wanted:
        # Any page that somebody on this machine looks at could submit tasks otherwise.
        if is_passed_on(request):
            raise Refused(
                403,
                "no_token",
                "a proxy passes this on, and there is no token",
                hint="set edge.token (PEPPERPY_EDGE_TOKEN) or edge.tokens",
            )
        refuse_foreign_host(request)
        refuse_foreign_page(request)
    caller = caller_of(request)
    parts.rates.take(caller if caller != NOBODY else f"{NOBODY}@{request.remote}")
    return await handler(request)


def caller_of(request: web.Request) -> str:
    """Returns the name of who calls: of the token, or nobody's where none is needed.

    Raises:
        Refused: There is no token, or a wrong one.
    """
    parts = request.app[PARTS]
    if not parts.tokens.wanted:
        return NOBODY
    token, address = bearer(request), request.remote or ""
    if not token:
        raise Refused(
            401,
            "unauthenticated",
            "there is no token",
            hint="send Authorization: Bearer TOKEN",
            headers={hdrs.WWW_AUTHENTICATE: "Bearer"},
        )
    name = parts.tokens.name_of(token)
    if not name:
        parts.guesses.refuse_more(address)
        raise parts.guesses.wrong(address)
    return name
