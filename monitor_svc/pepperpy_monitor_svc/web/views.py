"""The views of the fleet as JSON."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from pepperpy_bus.logs import get_log
from pepperpy_monitor_svc.http.answers import Refused, json_answer
from pepperpy_monitor_svc.web.parts import PARTS
from pepperpy_monitor_svc.web.queries import asked
from pepperpy_schemas.codec import encode
from pepperpy_schemas.error import PepperError
from pepperpy_schemas.monitor import TaskQuery

if TYPE_CHECKING:
    from pepperpy_monitor_svc.monitor import Monitor

log = get_log("pepperpy.web")

_PATIENCE: Final = 1.5
"""Seconds that a service has to say how it is: a page asks again, and has the rest to show."""
_ANSWERING: Final = frozenset({"up", "stale"})


def overview_of(monitor: "Monitor") -> dict[str, Any]:
    """Returns the overview, the alerts, whether this replica leads, and has read what there is."""
    return {
        "overview": monitor.fleet.overview(),
        "alerts": monitor.alerts.active(),
        "leads": monitor.leads,
        "complete": monitor.complete,
    }


async def overview(request: web.Request) -> web.StreamResponse:
    """The fleet at a glance."""
    return json_answer(request, overview_of(request.app[PARTS].monitor))


async def tasks(request: web.Request) -> web.StreamResponse:
    """Tasks, a page at a time, the newest first."""
    query = asked(request, TaskQuery, text="q")
    return json_answer(request, request.app[PARTS].monitor.fleet.tasks(query))


async def topics(request: web.Request) -> web.StreamResponse:
    """Every topic."""
    return _listed(request, request.app[PARTS].monitor.fleet.topics())


async def streams(request: web.Request) -> web.StreamResponse:
    """Every stream of the broker."""
    return _listed(request, request.app[PARTS].monitor.fleet.streams())


async def agents(request: web.Request) -> web.StreamResponse:
    """Every instance of an agent."""
    return _listed(request, request.app[PARTS].monitor.fleet.agents())


async def agent(request: web.Request) -> web.StreamResponse:
    """One instance, how it was over time, and the tasks that it has or had last."""
    fleet = request.app[PARTS].monitor.fleet
    name, instance = request.match_info["agent"], request.match_info["instance"]
    row = next(
        (one for one in fleet.agents() if (one.agent, one.instance) == (name, instance)), None
    )
    if row is None:
        raise Refused(404, "not_found", f"no instance {name}/{instance:.80}")
    series = fleet.agent_series(name, instance)
    page = fleet.tasks(TaskQuery(agent=f"{name}/{instance}", limit=20))
    return json_answer(request, {"agent": row, "series": series.series, "tasks": page.items})


async def health(request: web.Request) -> web.StreamResponse:
    """Every component with its status and the reason."""
    return _listed(request, request.app[PARTS].monitor.fleet.components())


async def errors(request: web.Request) -> web.StreamResponse:
    """Errors, by what is one and the same."""
    return _listed(request, request.app[PARTS].monitor.fleet.errors())


async def topology(request: web.Request) -> web.StreamResponse:
    """Who talks to whom, and who waits."""
    return json_answer(request, request.app[PARTS].monitor.fleet.topology())


async def models(request: web.Request) -> web.StreamResponse:
    """Models and money, and how the provider is."""
    monitor = request.app[PARTS].monitor
    rows = monitor.fleet.models()
    status = partial(monitor.client.llm.status, timeout=_PATIENCE)
    provider = await _asked(monitor, "provider", status)
    return json_answer(
        request, {"items": rows, "next": None, "total": len(rows), "provider": provider}
    )


async def memory(request: web.Request) -> web.StreamResponse:
    """How the memory is."""
    monitor = request.app[PARTS].monitor
    stats = partial(monitor.client.memory.stats, timeout=_PATIENCE)
    return json_answer(request, {"memory": await _asked(monitor, "memory", stats)})


async def _asked(
    monitor: "Monitor", service: str, ask: Callable[[], Awaitable[Any]]
) -> dict[str, Any]:
    """What a service says of itself, or why it says nothing: it need not be there."""
    there = any(one.agent == service and one.state in _ANSWERING for one in monitor.fleet.agents())
    try:
        if not there:
            raise Refused(503, "no_answer", f"no {service} service is up")
        async with asyncio.timeout(_PATIENCE):
            return {"status": await ask(), "error": None}
    except PepperError as error:
        return {"status": None, "error": error.info()}
    except TimeoutError:
        log.debug("web.no_answer", service=service)
        failed = Refused(504, "no_answer", f"{service} did not answer within {_PATIENCE:g} s")
        return {"status": None, "error": failed.info()}


def _listed(request: web.Request, rows: list[Any]) -> web.Response:
    return json_answer(request, encode({"items": rows, "next": None, "total": len(rows)}))
