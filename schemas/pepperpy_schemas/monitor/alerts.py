"""Alerts as lists show them."""

from typing import Literal, TypeAlias

import msgspec

from pepperpy_schemas.messages import Instant

Severity: TypeAlias = Literal["info", "warning", "critical"]


class AlertRow(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """An alert: a rule that holds for one set of labels.

    Attributes:
        id: Equal for the same rule with the same labels.
        rule: The rule.
        state: It holds but not for long enough; it fires; it is over.
        severity: How bad it is.
        labels: Its labels.
        summary: What is wrong, in a sentence.
        description: What to do about it.
        value: The value that made it so; null where there is none.
        since: Since when its condition holds.
        fired: When it fired.
        resolved: When it was over.
        silence: Id of the silence that hides it, or empty.
        inhibited: The alert that makes it needless, or empty.
    """

    id: str
    rule: str
    state: Literal["pending", "firing", "resolved"]
    severity: Severity
    labels: dict[str, str] = {}
    summary: str = ""
    description: str = ""
    value: float | None = None
    since: Instant | None = None
    fired: Instant | None = None
    resolved: Instant | None = None
    silence: str = ""
    inhibited: str = ""
