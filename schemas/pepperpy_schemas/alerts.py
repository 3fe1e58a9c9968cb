"""What is stored of alerts, and what is asked and answered about them.

Moments are seconds since the epoch by the monitor's clock where they are numbers.
"""

from typing import Any, Literal, TypeAlias

import msgspec

from pepperpy_schemas.messages import Count, Instant
from pepperpy_schemas.monitor import AlertRow

AlertState: TypeAlias = Literal["pending", "firing", "resolved"]


class Alert(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A rule that holds for one set of labels: what the replica that leads knows of it.

    Attributes:
        id: Alertmanager's fingerprint of the labels.
        rule: The rule.
        state: It holds but not for long enough; it fires; it is over.
        labels: Its labels, ``alertname`` and ``severity`` among them.
        since: Since when its condition holds, seconds.
        value: The value that made it so; null where there is none.
        fired: When it fired.
        resolved: When it was over.
        ending: Since when it does not hold and fires on all the same.
        summary: What is wrong.
        description: What to do about it.
    """

    id: str
    rule: str
    state: AlertState
    labels: dict[str, str]
    since: float
    value: float | None = None
    fired: float | None = None
    resolved: float | None = None
    ending: float | None = None
    summary: str = ""
    description: str = ""

    def changed(self, **fields: Any) -> "Alert":
        """Returns the same with other fields."""
        return msgspec.structs.replace(self, **fields)

    def moved(self, seconds: float) -> "Alert":
        """Returns the same at another time: the clock has jumped.

        When it fired stays as it was told: that tells one firing from the next.
        """
        moments = ("since", "resolved", "ending")
        given = {name: getattr(self, name) for name in moments}
        return self.changed(**{k: v + seconds for k, v in given.items() if v is not None})


class Told(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a receiver was told last of a group of alerts.

    Attributes:
        receiver: The receiver.
        group: Which alerts they are.
        at: When it was told, seconds.
        alerts: State and moment of the firing of each, by the alert's id.
    """

    receiver: str
    group: str
    at: float
    alerts: dict[str, str] = {}


class Silence(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Alerts that nobody is told of for a while.

    Attributes:
        id: Its id.
        matchers: What the labels must be, as people write it: ``topic=billing-*``.
        starts: From when on.
        ends: Until when.
        by: Who made it.
        comment: Why.
        created: When it was made.
    """

    id: str
    matchers: list[str]
    starts: Instant
    ends: Instant
    by: str
    comment: str = ""
    created: Instant | None = None


class SilenceRequest(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Nobody shall be told of some alerts.

    Attributes:
        matchers: What their labels are, as people write it: ``alertname=WorkerLost``.
        duration: For how long: ``2h``.
        starts: From when on; now by default.
        comment: Why.
    """

    matchers: list[str]
    duration: str = "1h"
    starts: Instant | None = None
    comment: str = ""


class SilenceId(msgspec.Struct, frozen=True):
    """A silence, by its id."""

    id: str


class SilencesReply(msgspec.Struct, frozen=True):
    """The silences, also those that are over for less than a day."""

    silences: list[Silence]


class RuleRow(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A rule in force.

    Attributes:
        name: The rule.
        kind: What it compares.
        severity: How bad it is.
        condition: What it asks, as Prometheus reads it; empty of a rule of events.
        for_s: Seconds that it must hold.
        keep_firing_for_s: Seconds that it fires on.
        summary: What it says, with places.
        description: What to do.
        labels: Labels of its alerts besides those of what it looks at.
        origin: Its file.
        series: Series that it looks at now.
        firing: Alerts of it that fire.
        pending: Alerts of it that hold but not for long enough.
        trouble: What is wrong with it now.
    """

    name: str
    kind: str
    severity: str
    condition: str = ""
    for_s: float = 0.0
    keep_firing_for_s: float = 0.0
    summary: str = ""
    description: str = ""
    labels: dict[str, str] = {}
    origin: str = ""
    series: Count = 0
    firing: Count = 0
    pending: Count = 0
    trouble: str = ""


class RulesReply(msgspec.Struct, frozen=True):
    """The rules in force."""

    rules: list[RuleRow]


class AlertTest(msgspec.Struct, frozen=True, omit_defaults=True):
    """An alert that is fired to see what its notifications do.

    Attributes:
        rule: The rule.
        labels: Labels as it could have: topic, agent.
    """

    rule: str
    labels: dict[str, str] = {}


class Delivered(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one notification.

    Attributes:
        receiver: Who was told.
        error: Why that failed, or empty.
    """

    receiver: str
    error: str = ""


class AlertTestReply(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What became of an alert that was fired for a test.

    Attributes:
        alert: The alert, with the label ``test``.
        delivered: Each receiver; that the alert is over is told as well.
        silence: The silence that would have hidden it, or empty.
    """

    alert: AlertRow
    delivered: list[Delivered]
    silence: str = ""
