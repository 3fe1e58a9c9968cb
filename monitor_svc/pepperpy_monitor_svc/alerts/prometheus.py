"""The same rules for Prometheus, so that a deployment that has one need not run two evaluators."""

from collections.abc import Iterable
from typing import Any, Final

import yaml

from pepperpy_bus.units import format_duration
from pepperpy_monitor_svc.alerts import wording
from pepperpy_monitor_svc.alerts.declared import Rule
from pepperpy_monitor_svc.alerts.labels import SEVERITY
from pepperpy_monitor_svc.alerts.reading import Ready

GROUP: Final = "pepperpy"

_HEAD: Final = """\
# Written by: pepperpy alerts export
# The rules in force, for Prometheus 2.42 or newer. Rules over events have no form there, nor have
# inhibitions: those belong into Alertmanager's own file.
"""


def document(rules: Iterable[Ready], *, interval: str = "15s") -> str:
    """Returns a file of rules of Prometheus; rules of events are named in its comments.

    Args:
        rules: The rules.
        interval: How often Prometheus shall work them out.
    """
    rules = list(rules)
    left_out = [one.rule.name for one in rules if one.condition is None]
    told = groups(rules, interval=interval)
    text = yaml.dump(told, sort_keys=False, width=100, allow_unicode=True)
    head = _HEAD + (f"# Left out, over events: {', '.join(left_out)}\n" if left_out else "")
    return head + str(text)


def groups(rules: Iterable[Ready], *, interval: str) -> dict[str, Any]:
    """Returns the same as data: one group of all rules but those of events."""
    told = [_alert(one) for one in rules if one.condition is not None]
    return {"groups": [{"name": GROUP, "interval": interval, "rules": told}]}


def annotations(rule: Rule) -> dict[str, str]:
    """Returns the texts of a rule as Prometheus' templates have them."""
    texts = {"summary": rule.summary, "description": rule.description}
    return {name: wording.prometheus(text) for name, text in texts.items() if text}


def _alert(one: Ready) -> dict[str, Any]:
    rule, condition = one.rule, one.condition
    assert condition is not None, "rules of events were left out"
    found: dict[str, Any] = {"alert": rule.name, "expr": condition.promql()}
    if rule.for_:
        found["for"] = format_duration(rule.for_)
    if rule.keep_firing_for:
        found["keep_firing_for"] = format_duration(rule.keep_firing_for)
    found["labels"] = {SEVERITY: rule.severity, **rule.labels}
    if texts := annotations(rule):
        found["annotations"] = texts
    return found
