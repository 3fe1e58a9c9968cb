"""Notifications as Alertmanager's webhooks have them (version 4), for programs that know these."""

from datetime import UTC, datetime
from typing import Any, Final

from pepperpy_bus.units import format_time
from pepperpy_monitor_svc.alerts.grouping import News
from pepperpy_schemas.alerts import Alert

MAX_ALERTS: Final = 200
"""Alerts of one notification; of more it says how many are left out."""
NEVER: Final = "0001-01-01T00:00:00Z"
"""The end of an alert that still fires, as Go writes no time at all."""


def payload(news: News, *, url: str = "") -> dict[str, Any]:
    """Returns what a receiver is told.

    Args:
        news: The news.
        url: Address of the dashboard, for people.
    """
    alerts = [*news.firing, *news.resolved]
    return {
        "version": "4",
        "groupKey": news.group.key,
        "truncatedAlerts": max(0, len(alerts) - MAX_ALERTS),
        "status": "firing" if news.firing else "resolved",
        "receiver": news.group.receiver,
        "groupLabels": news.group.labels,
        "commonLabels": _common([one.labels for one in alerts]),
        "commonAnnotations": _common([annotations(one) for one in alerts]),
        "externalURL": url,
        "alerts": [_alert(one, url) for one in alerts[:MAX_ALERTS]],
    }


def annotations(alert: Alert) -> dict[str, str]:
    """Returns the texts of an alert."""
    texts = {"summary": alert.summary, "description": alert.description}
    return {name: text for name, text in texts.items() if text}


def moment(seconds: float) -> datetime:
    """Returns seconds since the epoch as a time."""
    return datetime.fromtimestamp(seconds, UTC)


def _alert(one: Alert, url: str) -> dict[str, Any]:
    return {
        "status": "firing" if one.state == "firing" else "resolved",
        "labels": one.labels,
        "annotations": annotations(one),
        "startsAt": format_time(moment(one.since)),
        "endsAt": NEVER if one.resolved is None else format_time(moment(one.resolved)),
        "generatorURL": f"{url.rstrip('/')}/alerts" if url else "",
        "fingerprint": one.id,
    }


def _common(given: list[dict[str, str]]) -> dict[str, str]:
    first, *others = given
    return {k: v for k, v in first.items() if all(one.get(k) == v for one in others)}
