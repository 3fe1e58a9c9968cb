"""The dashboard as an application: which address is answered by what."""

from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Final

from aiohttp import web

from pepperpy_monitor_svc.http.answers import Refused, json_answer
from pepperpy_monitor_svc.http.callers import is_loopback
from pepperpy_monitor_svc.http.events import Seats
from pepperpy_monitor_svc.http.middlewares import Handler, errors_as_json, protect
from pepperpy_monitor_svc.web import acts, entrance, letters, live, records, task_page, views
from pepperpy_monitor_svc.web.access import guard, reader
from pepperpy_monitor_svc.web.changes import Changes, Glance
from pepperpy_monitor_svc.web.doing import Doing
from pepperpy_monitor_svc.web.files import PAGE, Files
from pepperpy_monitor_svc.web.parts import PARTS, Parts
from pepperpy_monitor_svc.web.sessions import Sessions
from pepperpy_schemas.errors import BadConfig

if TYPE_CHECKING:
    from pepperpy_monitor_svc.monitor import Monitor

SEATS: Final = 64
"""Pages, tails and other listeners at once."""
VIEWS: Final = (
    "/",
    "/topics",
    "/tail",
    "/tasks",
    "/tasks/{id}",
    "/agents",
    "/agents/{agent}/{instance}",
    "/health",
    "/errors",
    "/topology",
    "/models",
    "/memory",
    "/dead-letters",
    "/alerts",
    "/snapshots",
    "/audit",
    "/config",
)


READS: Final[Mapping[str, Handler]] = {
    "/metrics": records.metrics,
    "/api/overview": views.overview,
    "/api/topics": views.topics,
    "/api/streams": views.streams,
    "/api/tasks": views.tasks,
    "/api/tasks/{id}": task_page.task,
    "/api/agents": views.agents,
    "/api/agents/{agent}/{instance}": views.agent,
    "/api/health": views.health,
    "/api/errors": views.errors,
    "/api/topology": views.topology,
    "/api/models": views.models,
    "/api/memory": views.memory,
    "/api/dead-letters": letters.letters,
    "/api/alerts": records.alerts,
    "/api/snapshots": records.snapshots,
    "/api/snapshots/compare": records.compare,
    "/api/snapshots/{id}": records.snapshot,
    "/api/audit": records.audit,
    "/api/config": records.config,
    "/api/questions": records.questions,
}
"""What those may see who may read."""
STREAMS: Final[Mapping[str, Handler]] = {"/api/live": live.live, "/api/changes": live.changes}
"""The same as streams of server-sent events."""
ACTS: Final[Mapping[str, acts.Act]] = {
    "/api/tasks/{id}/cancel": acts.cancel,
    "/api/tasks/{id}/answer": acts.answer,
    "/api/tasks/{id}/rerun": acts.rerun,
    "/api/dead-letters/replay": acts.replay,
    "/api/alerts/silence": acts.silence,
    "/api/snapshots": acts.snapshot,
}
"""What those may do who may act."""


def application(monitor: "Monitor") -> web.Application:
    """Returns the dashboard of a monitor; `http.serving` serves it.

    Raises:
        BadConfig: Others than this machine could read, and there is no token, or a short one.
    """
    settings = monitor.settings.monitor
    token = settings.token.get_secret_value()
    if not is_loopback(settings.host) and not token:
        raise BadConfig(
            f"others than this machine could read the dashboard on {settings.host!r}, and there is "
            "no token",
            hint="set monitor.token (PEPPERPY_MONITOR_TOKEN), or serve on 127.0.0.1",
        )
    app = web.Application(middlewares=[errors_as_json, guard], client_max_size=acts.LARGEST)
    app[PARTS] = Parts(
        monitor=monitor,
        sessions=Sessions(token),
        files=Files(),
        changes=Changes(),
        glance=Glance(partial(views.overview_of, monitor)),
        seats=Seats(SEATS),
        doing=Doing(),
        open=is_loopback(settings.host),
    )
    app.on_response_prepare.append(protect)
    app.cleanup_ctx.append(_listening)
    app.on_shutdown.append(_drain)
    _add_pages(app)
    _add_reads(app)
    _add_acts(app)
    return app


def _add_pages(app: web.Application) -> None:
    for path in VIEWS:
        app.router.add_get(path, _page)
    app.router.add_get("/static/{name:.+}", _file)
    app.router.add_get("/healthz", _alive)
    app.router.add_get("/readyz", _ready)


def _add_reads(app: web.Application) -> None:
    app.router.add_get("/api", _index)
    for path, handler in READS.items():
        app.router.add_get(path, reader(handler))
    for path, handler in STREAMS.items():
        app.router.add_get(path, reader(handler), allow_head=False)


def _add_acts(app: web.Application) -> None:
    app.router.add_get("/api/session", entrance.session)
    app.router.add_post("/api/login", entrance.login)
    app.router.add_post("/api/logout", entrance.logout)
    for path, doing in ACTS.items():
        app.router.add_post(path, acts.act(doing))


async def _index(request: web.Request) -> web.StreamResponse:
    """What can be asked here."""
    of = [("GET", READS), ("GET", STREAMS), ("POST", ACTS)]
    rows = [
        {"method": method, "path": path, "does": (one.__doc__ or "").partition("\n")[0]}
        for method, those in of
        for path, one in those.items()
    ]
    return json_answer(request, {"items": rows, "next": None, "total": len(rows)})


async def _page(request: web.Request) -> web.StreamResponse:
    return request.app[PARTS].files.answer(request, PAGE)


async def _file(request: web.Request) -> web.StreamResponse:
    return request.app[PARTS].files.answer(request, request.match_info["name"])


async def _alive(_request: web.Request) -> web.StreamResponse:
    return web.Response(text="ok\n")


async def _ready(request: web.Request) -> web.StreamResponse:
    monitor = request.app[PARTS].monitor
    if not monitor.client.connection.connected:
        raise Refused(503, "unreachable", "the broker is away")
    if not monitor.complete:
        raise Refused(503, "starting", "what happened before is still being read")
    return web.Response(text="ok\n")


async def _listening(app: web.Application) -> AsyncIterator[None]:
    parts = app[PARTS]
    heard = parts.monitor.fleet.on_change
    heard.append(parts.changes)
    yield
    heard.remove(parts.changes)
    await parts.doing.end(0)  # what was begun since the end


async def _drain(app: web.Application) -> None:
    parts = app[PARTS]
    parts.seats.close()
    await parts.doing.end(parts.monitor.settings.monitor.grace)
