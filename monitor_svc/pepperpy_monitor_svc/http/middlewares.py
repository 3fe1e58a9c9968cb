"""What is around every request: headers that protect, and errors as JSON."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from aiohttp import web

from pepperpy_bus.logs import get_log
from pepperpy_monitor_svc.http.answers import Refused, error_answer
from pepperpy_schemas.error import PepperError

log = get_log("pepperpy.http")

_LEFT: Final = 499
"""Answered to nobody: who asked has gone."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

PROTECTING: Final[Mapping[str, str]] = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


async def protect(_request: web.Request, response: web.StreamResponse) -> None:
    """Adds the headers that keep browsers from what these pages never need."""
    for name, value in PROTECTING.items():
        response.headers.setdefault(name, value)
    response.headers.pop("Server", None)


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Says every error in the form of the bus; what nobody foresaw is logged and not shown."""
    try:
        return await handler(request)
    except PepperError as error:
        return error_answer(request, error)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return error_answer(request, _of_the_server(error))
    except Exception as error:
        if isinstance(error, ConnectionError) and _has_left(request):
            return web.Response(status=_LEFT)
        log.exception("http.failed", method=request.method, path=request.path)
        return error_answer(
            request,
            Refused(500, "internal", "the request failed", hint="the log of the service says why"),
        )


def _has_left(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


def _of_the_server(error: web.HTTPException) -> Refused:
    code = {
        404: "not_found",
        405: "method_not_allowed",
        413: "too_large",
    }.get(error.status, "bad_request")
    allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
    return Refused(error.status, code, error.reason.lower(), headers=allow)
