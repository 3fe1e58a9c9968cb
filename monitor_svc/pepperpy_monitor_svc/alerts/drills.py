"""Alerts that are only a test: what a rule would tell, marked as one."""

from collections.abc import Mapping

from pepperpy_monitor_svc.alerts import wording
from pepperpy_monitor_svc.alerts.evaluator import labels_of
from pepperpy_monitor_svc.alerts.labels import TEST, fingerprint
from pepperpy_monitor_svc.alerts.reading import Ruleset
from pepperpy_schemas.alerts import Alert
from pepperpy_schemas.errors import BadConfig, NotFound


def drill(ruleset: Ruleset, name: str, labels: Mapping[str, str], *, by: str, at: float) -> Alert:
    """Returns an alert that fires as one of this rule would, with a label that says it is a test.

    Args:
        ruleset: The rules in force.
        name: The rule.
        labels: Labels that it would have: topic, agent; others are made up.
        by: Who wants it.
        at: The time, seconds since the epoch.

    Raises:
        NotFound: There is no such rule.
        BadConfig: Its alerts do not have such a label.
    """
    ready = ruleset.rules.get(name)
    if ready is None:
        raise NotFound(f"there is no rule {name!r:.80}", hint="pepperpy alerts rules lists them")
    rule = ready.rule
    if strange := set(labels) - set(rule.grouped_by):
        has = ", ".join(rule.grouped_by) or "none"
        named = ", ".join(sorted(strange))
        raise BadConfig(f"alerts of {name} have no label {named!r:.80}; they have {has}")
    given = labels_of(rule, tuple(labels.get(one, "example")[:200] for one in rule.grouped_by))
    marked = {**given, TEST: "true"}
    return Alert(
        id=fingerprint(marked),
        rule=name,
        state="firing",
        labels=marked,
        since=at,
        fired=at,
        summary=f"[TEST by {by}] {wording.rendered(rule.summary, 0.0, given)}",
        description=wording.rendered(rule.description, 0.0, given),
    )
