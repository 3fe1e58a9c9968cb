"""The HTTP edge as an application."""

from typing import Final

from aiohttp import web

from pepperpy_bus.client import Client
from pepperpy_bus.config import Settings
from pepperpy_monitor_svc.edge.admission import admit
from pepperpy_monitor_svc.edge.checking import Checks
from pepperpy_monitor_svc.edge.openapi import document
from pepperpy_monitor_svc.edge.operations import OPERATIONS
from pepperpy_monitor_svc.edge.parts import PARTS, Draining, Parts
from pepperpy_monitor_svc.edge.rates import Rates
from pepperpy_monitor_svc.edge.tokens import Tokens
from pepperpy_monitor_svc.http.answers import Refused
from pepperpy_monitor_svc.http.callers import is_loopback
from pepperpy_monitor_svc.http.events import Seats
from pepperpy_monitor_svc.http.guessing import Guesses
from pepperpy_monitor_svc.http.middlewares import errors_as_json, protect
from pepperpy_monitor_svc.http.places import Places
from pepperpy_schemas.errors import BadConfig

SEATS: Final = 256
"""Listeners to tasks at once."""
WAITING: Final = 1024
"""Requests that wait for tasks at once."""
BODIES: Final = 64 << 20
"""Bytes of bodies at once that have not been stored yet, unless four of the largest are more."""
_SHARE: Final = 2
"""One caller may have one in so many of each: there is room for the others, too."""


def application(client: Client, settings: Settings, tokens: Tokens) -> web.Application:
    """Returns the edge; `http.serving` serves it, and `drain` is how it ends.

    Args:
        client: The bus; it has no source of its own, because tasks have that of their caller.
        settings: The settings.
        tokens: Who may call.

    Raises:
        BadConfig: Others than this machine could call, and there is no token.
    """
    host = settings.edge.host
    if not is_loopback(host) and not tokens.wanted:
        raise BadConfig(
            f"others than this machine could submit tasks on {host!r}, and there is no token",
            hint="set edge.token (PEPPERPY_EDGE_TOKEN) or edge.tokens, or serve on 127.0.0.1",
        )
    bodies = max(BODIES, 4 * settings.edge.largest)
    app = web.Application(middlewares=[errors_as_json, admit])
    app[PARTS] = Parts(
        client=client,
        settings=settings,
        checks=Checks(client.schemas),
        tokens=tokens,
        rates=Rates(settings.edge.rate),
        guesses=Guesses(),
        seats=Seats(SEATS, each=SEATS // _SHARE),
        waiting=Places(WAITING, each=WAITING // _SHARE, doing="wait"),
        bodies=Places(bodies, each=bodies // _SHARE, doing="bytes wait to be stored"),
        draining=Draining(),
    )
    app.on_response_prepare.append(protect)
    app.on_shutdown.append(_close)
    for one in OPERATIONS:
        app.router.add_route(one.method, one.path, one.handler)
    app.router.add_get("/openapi.json", document)
    app.router.add_get("/healthz", _alive)
    app.router.add_get("/readyz", _ready)
    return app


async def drain(app: web.Application) -> None:
    """Refuses what comes, and returns when nobody waits for a task or sends one any more."""
    parts = app[PARTS]
    await parts.draining.end(parts.settings.edge.grace, parts.bodies, parts.waiting)


async def _close(app: web.Application) -> None:
    # Streams end when nobody listens here any more: an `EventSource` that is answered 503 never
    # comes again.
    app[PARTS].seats.close()


async def _alive(_request: web.Request) -> web.StreamResponse:
    return web.Response(text="ok\n")


async def _ready(request: web.Request) -> web.StreamResponse:
    parts = request.app[PARTS]
    parts.draining.refuse()
    if not parts.client.connection.connected:
        raise Refused(503, "unreachable", "the broker is away")
    return web.Response(text="ok\n")
