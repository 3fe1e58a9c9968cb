"""Alerts that are needless while others fire: nobody is told twice of one fault."""

from collections.abc import Iterable, Sequence

from pepperpy_monitor_svc.alerts.declared import Inhibition
from pepperpy_schemas.alerts import Alert


def inhibited(alerts: Sequence[Alert], inhibitions: Iterable[Inhibition]) -> dict[str, str]:
    """Returns the alerts that are needless now, each with the one that makes it so.

    An alert that is both source and target of an inhibition does not fall silent by it, as at
    Alertmanager: two of a kind would hide each other.
    """
    found: dict[str, str] = {}
    firing = [one for one in alerts if one.state == "firing"]
    for inhibition in inhibitions:
        sources: dict[tuple[str, ...], str] = {}
        for one in firing:
            if inhibition.source.fits(one.labels):
                sources.setdefault(_common(inhibition, one), one.id)
        if not sources:
            continue
        for one in alerts:
            needless = inhibition.target.fits(one.labels) and not inhibition.source.fits(one.labels)
            source = sources.get(_common(inhibition, one)) if needless else None
            if source is not None:
                found.setdefault(one.id, source)
    return found


def _common(inhibition: Inhibition, alert: Alert) -> tuple[str, ...]:
    return tuple(alert.labels.get(name, "") for name in inhibition.equal)
