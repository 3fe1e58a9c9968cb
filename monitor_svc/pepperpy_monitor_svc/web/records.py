"""What is kept beside the fleet: alerts, snapshots, the audit log, questions, and the settings."""

from typing import Any, Final

from aiohttp import web

from pepperpy_monitor_svc.http.answers import json_answer
from pepperpy_monitor_svc.web.parts import PARTS
from pepperpy_monitor_svc.web.queries import only
from pepperpy_schemas.tokens import check_token

_AUDIT: Final = ("by", "action", "target", "text", "q", "since", "until", "limit", "cursor")


async def questions(request: web.Request) -> web.StreamResponse:
    """What tasks ask people now, the oldest first."""
    topic = request.query.get("topic", "")
    found = await request.app[PARTS].monitor.client.questions(topic=topic)
    return _listed(request, found)


async def alerts(request: web.Request) -> web.StreamResponse:
    """Alerts that are active, rules and silences."""
    found = request.app[PARTS].monitor.alerts
    rows = found.active(resolved=True)
    return json_answer(
        request,
        {
            "items": rows,
            "next": None,
            "total": len(rows),
            "silences": found.silences(),
            "rules": found.rules(),
            "troubles": found.troubles(),
        },
    )


async def snapshots(request: web.Request) -> web.StreamResponse:
    """Snapshots, the newest first."""
    return _listed(request, await request.app[PARTS].monitor.snapshots.list())


async def snapshot(request: web.Request) -> web.StreamResponse:
    """One snapshot, whole."""
    snapshot_id = check_token(request.match_info["id"], what="snapshot id")
    return json_answer(request, await request.app[PARTS].monitor.snapshots.export(snapshot_id))


async def compare(request: web.Request) -> web.StreamResponse:
    """What is different in two snapshots."""
    one, other = (check_token(request.query.get(name, ""), what=name) for name in "ab")
    return json_answer(request, await request.app[PARTS].monitor.snapshots.compare(one, other))


async def audit(request: web.Request) -> web.StreamResponse:
    """Who did what, the newest first."""
    only(request, _AUDIT)
    return json_answer(request, await request.app[PARTS].monitor.audit.search(request.query))


async def metrics(request: web.Request) -> web.StreamResponse:
    """The metrics, for Prometheus."""
    from pepperpy_monitor_svc.metrics.exposition import CONTENT_TYPE, prometheus_text

    text = await prometheus_text(request.app[PARTS].monitor)
    return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE})


async def config(request: web.Request) -> web.StreamResponse:
    """Every setting of the monitor with its meaning; secrets are hidden."""
    from pepperpy_bus.config.known import known_settings
    from pepperpy_bus.config.values import value_of
    from pepperpy_bus.redaction import scrub

    settings = request.app[PARTS].monitor.settings
    rows = []
    for name, known in known_settings().items():
        value = known.show(value_of(settings, name))
        rows.append(
            {
                "name": name,
                "value": scrub(value) if isinstance(value, str) else value,
                "default": known.default,
                "meaning": known.meaning,
                "reloadable": known.reloadable,
                "variable": known.variable,
            }
        )
    return _listed(request, rows)


def _listed(request: web.Request, rows: list[Any]) -> web.Response:
    return json_answer(request, {"items": rows, "next": None, "total": len(rows)})
