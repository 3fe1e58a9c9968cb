"""Alerts and rules as lists show them."""

from typing import Final

from pepperpy_monitor_svc.alerts.labels import SEVERITY
from pepperpy_monitor_svc.alerts.payload import moment
from pepperpy_monitor_svc.alerts.reading import Ready
from pepperpy_schemas.alerts import Alert, RuleRow
from pepperpy_schemas.monitor import AlertRow

_WORST: Final = {"critical": 0, "warning": 1, "info": 2}
_NEWEST: Final = {"firing": 0, "pending": 1, "resolved": 2}


def urgency(row: AlertRow) -> tuple[int, int, str]:
    """Sorts what fires before all else, and the worst before the rest."""
    return _NEWEST[row.state], _WORST[row.severity], row.rule


def alert_row(one: Alert, silence: str, inhibited_by: str) -> AlertRow:
    """Returns an alert as lists show it, with what hides it; empty texts for nothing."""
    return AlertRow(
        id=one.id,
        rule=one.rule,
        state=one.state,
        severity=one.labels[SEVERITY],  # type: ignore[arg-type]  # the rule has checked it
        labels=one.labels,
        summary=one.summary,
        description=one.description,
        value=one.value,
        since=moment(one.since),
        fired=None if one.fired is None else moment(one.fired),
        resolved=None if one.resolved is None else moment(one.resolved),
        silence=silence,
        inhibited=inhibited_by,
    )


def rule_row(one: Ready, *, series: int, firing: int, pending: int, trouble: str) -> RuleRow:
    """Returns a rule as lists show it, with how it does now."""
    rule = one.rule
    return RuleRow(
        name=rule.name,
        kind=getattr(rule, "kind", ""),
        severity=rule.severity,
        condition=one.condition.promql() if one.condition is not None else "",
        for_s=rule.for_,
        keep_firing_for_s=rule.keep_firing_for,
        summary=rule.summary,
        description=rule.description,
        labels=rule.labels,
        origin=one.origin,
        series=series,
        firing=firing,
        pending=pending,
        trouble=trouble,
    )
