"""Rules as expressions: what each key of a rule means."""

from typing import Final

from pepperpy_monitor_svc.alerts.declared import (
    Absence,
    Border,
    Condition,
    Measured,
    Rate,
    RatioRule,
    Rule,
    Threshold,
)
from pepperpy_monitor_svc.alerts.expressions import Compared, Joined, Ratio, Scaled, Sticky
from pepperpy_monitor_svc.alerts.series import Absent, Expression, Grouped, Quantile, Series

_PER: Final = {"second": 1.0, "minute": 60.0, "hour": 3600.0}


def condition(rule: Rule) -> Expression | None:
    """Returns what a rule asks of the metrics; None of one that asks for events."""
    if isinstance(rule, Absence):
        return Absent(Series(rule.metric, rule.where))
    if not isinstance(rule, Measured):
        return None
    found = _beyond(rule, _measured(rule))
    if isinstance(rule, RatioRule) and rule.at_least:
        enough = Compared(_whole(rule), ">=", rule.at_least)
        found = Joined(found, "and", enough, rule.by, rule.by)
    for one in rule.when:
        found = _joined(found, rule, one, negated=False)
    for one in rule.unless:
        found = _joined(found, rule, one, negated=True)
    return found


def metrics(rule: Rule) -> dict[str, str]:
    """Returns the metrics that a rule looks at, by the path of the key that names each."""
    if isinstance(rule, Absence):
        return {"metric": rule.metric}
    if not isinstance(rule, Measured):
        return {}
    found = {"metric": rule.metric}
    if isinstance(rule, RatioRule):
        found["of"] = rule.of
    for name, conditions in (("when", rule.when), ("unless", rule.unless)):
        found |= {f"{name}[{n}].metric": one.metric for n, one in enumerate(conditions)}
    return found


def _measured(rule: Measured) -> Expression:
    match rule:
        case Threshold(quantile=float() as share):
            buckets = Series(f"{rule.metric}_bucket", rule.where, rule.over)
            return Quantile(share, buckets, rule.by)
        case Rate(gauge=True):
            inner: Expression = _grouped(rule, Series(rule.metric, rule.where, rule.over, "delta"))
            return inner if rule.per == "window" else Scaled(inner, _PER[rule.per] / rule.over)
        case Rate(per="window"):
            return _grouped(rule, Series(rule.metric, rule.where, rule.over, "grown"))
        case Rate():
            inner = _grouped(rule, Series(rule.metric, rule.where, rule.over, "rate"))
            return inner if rule.per == "second" else Scaled(inner, _PER[rule.per])
        case RatioRule():
            return Ratio(_grouped(rule, Series(rule.metric, rule.where, rule.over)), _whole(rule))
        case _:
            return _grouped(rule, Series(rule.metric, rule.where))


def _grouped(rule: Measured, series: Series) -> Grouped:
    return Grouped(series, rule.by, rule.aggregate)


def _whole(rule: RatioRule) -> Grouped:
    return _grouped(rule, Series(rule.of, rule.of_where, rule.over))


def _beyond(rule: Measured, inner: Expression) -> Expression:
    begin = _compared(rule, inner)
    if rule.resolve is None:
        return begin
    return Sticky(begin, Compared(inner, begin.how, rule.resolve), rule.name, rule.by)


def _compared(border: Border, inner: Expression) -> Compared:
    if border.above is not None:
        return Compared(inner, ">", border.above)
    assert border.below is not None, "a border has one of them"
    return Compared(inner, "<", border.below)


def _joined(found: Expression, rule: Measured, other: Condition, *, negated: bool) -> Expression:
    on = rule.by if other.on is None else other.on
    series = Series(other.metric, other.where, other.over)
    right = _compared(other, Grouped(series, on, other.aggregate))
    return Joined(found, "unless" if negated else "and", right, rule.by, on)
