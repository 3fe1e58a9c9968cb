"""When a group of alerts is told, and of what: pure, so that any replica decides the same.

Nothing is remembered but what was told, and that is stored: who takes over from a replica that has
died tells nothing twice but what was on its way in that moment, and leaves nothing out.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from pepperpy_monitor_svc.alerts.labels import quoted
from pepperpy_monitor_svc.alerts.receivers import Route
from pepperpy_schemas.alerts import Alert, Told

BUS: Final = "bus"
"""The receiver that everything goes to at once: an event on the bus and a line of the log."""


_AHEAD: Final = 1.0
"""Seconds that the clock of the one who led before may be ahead."""


class Group(msgspec.Struct, frozen=True):
    """Alerts that are told together.

    Attributes:
        receiver: Who is told.
        key: What the group is called, as Alertmanager calls it.
        labels: The labels that its alerts have in common by the route.
        route: How often it is told.
        alerts: The alerts, also those that are over or hidden.
    """

    receiver: str
    key: str
    labels: dict[str, str]
    route: Route
    alerts: list[Alert]

    @property
    def id(self) -> str:
        """The key as a token."""
        return hashlib.sha256(self.key.encode()).hexdigest()[:32]


class News(msgspec.Struct, frozen=True):
    """What a receiver is to be told.

    Attributes:
        group: The group.
        firing: Alerts that fire.
        resolved: Alerts that are over and were told to fire.
        told: What is known to be told once this is.
        before: When its receiver was told last, seconds; 0 for never.
    """

    group: Group
    firing: list[Alert]
    resolved: list[Alert]
    told: Told
    before: float = 0.0


ALL: Final = Route(to=(BUS,), wait=0, interval=0, repeat=10 * 366 * 86400)
"""The route of what the bus and the log are told: each alert by itself, once."""


def groups(routes: Sequence[Route], alerts: Iterable[Alert]) -> list[Group]:
    """Returns the groups of some alerts by the routes, for each receiver."""
    found: dict[tuple[str, str], Group] = {}
    for alert in alerts:
        if alert.fired is None:
            continue
        _join(found, BUS, {"id": alert.id}, ALL, "bus", alert)
        for number, route in enumerate(routes):
            if not route.match.fits(alert.labels):
                continue
            labels = {name: alert.labels.get(name, "") for name in route.group_by}
            for receiver in route.to:
                _join(found, receiver, labels, route, f"{{}}/{_written(route)}/{number}", alert)
            if not route.go_on:
                break
    return list(found.values())


def news(
    group: Group,
    told: Told | None,
    hidden: Mapping[str, object],
    at: float,
    *,
    tried: Iterable[str] = (),
) -> News | None:
    """Returns what is to be told of a group now, or None.

    Args:
        group: The group.
        told: What its receiver was told last.
        hidden: Ids of the alerts that are silenced or inhibited: that they fire is not told.
        at: Now, seconds.
        tried: Ids of the alerts that somebody has tried to tell without success: these are told
            though they are over.
    """
    known = told.alerts if told is not None else {}
    firing = [a for a in group.alerts if a.state == "firing" and a.id not in hidden]
    missed = set(tried)
    resolved = [
        a
        for a in group.alerts
        if a.state == "resolved" and (known.get(a.id) == mark(a) or a.id in missed)
    ]
    fresh = [a for a in firing if known.get(a.id) != mark(a)]
    if told is None or not known:
        began = min((a.fired or at for a in firing), default=None)
        due = at if began is None else _after(began, group.route.wait, at)
    elif fresh or resolved:
        due = _after(told.at, group.route.interval, at)
    else:
        due = _after(told.at, group.route.repeat, at)
    if at < due or not (firing or resolved):
        return None
    left = {a.id: mark(a) for a in firing}
    # One that was told and is hidden now still fires for its receiver, until it is over.
    left |= {
        a.id: known[a.id]
        for a in group.alerts
        if a.state == "firing" and a.id in hidden and known.get(a.id) == mark(a)
    }
    after = Told(receiver=group.receiver, group=group.key, at=at, alerts=left)
    return News(group, firing, resolved, after, told.at if told is not None else 0.0)


def mark(alert: Alert) -> str:
    """Returns what tells one firing of an alert from the next."""
    return f"{alert.fired or 0.0:.3f}"


def _after(moment: float, seconds: float, at: float) -> float:
    """So long after a moment; now, if that has yet to come: the clock has gone back since."""
    return moment + seconds if moment <= at + _AHEAD else at


def _join(
    found: dict[tuple[str, str], Group],
    receiver: str,
    labels: dict[str, str],
    route: Route,
    place: str,
    alert: Alert,
) -> None:
    key = f"{place}:{{{', '.join(f'{k}={quoted(v)}' for k, v in labels.items())}}}"
    group = found.get((receiver, key))
    if group is None:
        group = found[receiver, key] = Group(receiver, key, labels, route, [])
    group.alerts.append(alert)


def _written(route: Route) -> str:
    return "{" + ",".join(route.match.written()) + "}"
