"""The file of alert rules: every key with its meaning and limits.

```yaml
shipped:
  LatencyP99High: {above: 30}
  CostBudgetBurn: false
rules:
  - name: OrdersWait
    kind: threshold
    metric: pepperpy_tasks_waiting
    where: {topic: "orders-*"}
    by: [topic]
    above: 50
    for: 2m
    severity: warning
    summary: "{value} tasks of {topic} wait"
```
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from pepperpy_monitor_svc.alerts import wording
from pepperpy_monitor_svc.alerts.labels import NAME, SEVERITY, TEST, Matching
from pepperpy_monitor_svc.alerts.series import Aggregate
from pepperpy_monitor_svc.alerts.values import (
    MAX_WINDOW,
    Label,
    MetricName,
    Name,
    Number,
    Seconds,
    Table,
    Text,
    Where,
    Window,
)
from pepperpy_schemas.errors import BadConfig
from pepperpy_schemas.monitor import Severity

OWN: Final = (NAME, SEVERITY, TEST, "alertstate")
"""Labels that an alert has by itself."""


class Border(Table):
    """A number that a value is compared with."""

    above: Number | None = Field(default=None, description="It holds for values above this.")
    below: Number | None = Field(default=None, description="It holds for values below this.")

    @model_validator(mode="after")
    def _one_side(self) -> Self:
        if (self.above is None) == (self.below is None):
            raise ValueError("give above or below, one of them")
        return self


class Condition(Border):
    """Another condition beside a rule's own."""

    metric: MetricName
    where: Where = Matching()
    aggregate: Aggregate = "sum"
    over: Annotated[Seconds, Field(ge=0, le=MAX_WINDOW)] = Field(
        default=0, description="Compare what was added in this time; 0 the value of now."
    )
    on: tuple[Label, ...] | None = Field(
        default=None, description="Labels that both have; those of the rule's by."
    )


class Rule(Table):
    """What all kinds of rules have."""

    valued: ClassVar[bool] = True

    name: Name
    severity: Severity = "warning"
    for_: Annotated[Seconds, Field(le=MAX_WINDOW)] = Field(
        default=0, alias="for", description="How long it must hold before it fires."
    )
    keep_firing_for: Annotated[Seconds, Field(le=MAX_WINDOW)] = Field(
        default=0, description="How long it fires on after it held last."
    )
    labels: dict[Label, Annotated[str, Field(max_length=200)]] = Field(
        default={}, description="More labels, for routes and silences."
    )
    summary: Text = Field(default="", description="What is wrong, in a sentence with places.")
    description: Text = Field(default="", description="What to look at and do.")
    limit: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=200, description="Alerts of this rule at once; more are counted and left out."
    )

    @property
    def grouped_by(self) -> tuple[str, ...]:
        """The labels of its alerts that come from what it looks at."""
        return ()

    @model_validator(mode="after")
    def _texts_and_labels(self) -> Self:
        for name in (*self.labels, *self.grouped_by):
            if name in OWN:
                raise ValueError(f"the label {name} is the alert's own: name another")
        if both := set(self.labels) & set(self.grouped_by):
            raise ValueError(f"{', '.join(sorted(both))} is in labels and in by: keep one")
        known = (NAME, SEVERITY, *self.labels, *self.grouped_by)
        for what in ("summary", "description"):
            try:
                wording.check(getattr(self, what), known, valued=self.valued)
            except BadConfig as error:
                raise ValueError(f"{what}: {error}") from None
        return self


class Measured(Rule, Border):
    """What rules have that compare values of metrics.

    `resolve` is the hysteresis: what fires goes on until the value is beyond this second border.
    """

    metric: MetricName
    where: Where = Field(default=Matching(), description="Which series: {topic: 'orders-*'}.")
    by: tuple[Label, ...] = Field(
        default=(), max_length=6, description="One alert for each set of these labels."
    )
    aggregate: Aggregate = "sum"
    resolve: Number | None = Field(
        default=None, description="Fires on until the value is beyond this border, too."
    )
    when: tuple[Condition, ...] = Field(default=(), description="Only where these hold, too.")
    unless: tuple[Condition, ...] = Field(default=(), description="Not where one of these holds.")

    @property
    def grouped_by(self) -> tuple[str, ...]:
        """The labels of its alerts that come from what it looks at."""
        return self.by

    @field_validator("by")
    @classmethod
    def _each_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) < len(value):
            raise ValueError("a label is there twice")
        if "le" in value:
            raise ValueError("le is a histogram's own label: leave it out")
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.resolve is not None:
            inner = self.above is not None and self.resolve < self.above
            outer = self.below is not None and self.resolve > self.below
            if not (inner or outer):
                raise ValueError(
                    "resolve lies on the border's other side: below above, above below"
                )
        for one in (*self.when, *self.unless):
            if one.on is not None and (strange := set(one.on) - set(self.by)):
                raise ValueError(f"on has {', '.join(sorted(strange))}, which by has not")
        return self


class Threshold(Measured):
    """A value of now is beyond a border; of a histogram a quantile of the last time."""

    kind: Literal["threshold"]
    quantile: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        default=None, description="Of a histogram: the value below which this share lies."
    )
    over: Annotated[Seconds, Field(ge=0, le=MAX_WINDOW)] = Field(
        default=0, description="The quantile of what came in this time."
    )

    @model_validator(mode="after")
    def _quantile_of_a_time(self) -> Self:
        if (self.quantile is None) != (self.over == 0):
            raise ValueError("quantile and over belong together; for changes use kind: rate")
        return self


class Rate(Measured):
    """What was added in a time, or how much a value changed in it."""

    kind: Literal["rate"]
    over: Window = Field(description="The time to look back.")
    per: Literal["window", "second", "minute", "hour"] = Field(
        default="window", description="Compare what came in the whole time, or its rate."
    )
    gauge: bool = Field(
        default=False, description="The metric goes up and down: compare end with begin."
    )


class RatioRule(Measured):
    """A part of a whole is beyond a border."""

    kind: Literal["ratio"]
    of: MetricName = Field(description="The metric of the whole.")
    of_where: Where = Field(default=Matching(), description="Which series of it.")
    over: Annotated[Seconds, Field(ge=0, le=MAX_WINDOW)] = Field(
        default=0, description="Compare what was added in this time; 0 the values of now."
    )
    at_least: Annotated[float, Field(ge=0)] = Field(
        default=0, description="Only where the whole is at least this: 1 of 2 says little."
    )


class Absence(Rule):
    """A metric has no series at all."""

    kind: Literal["absence"]
    metric: MetricName
    where: Where = Matching()


class EventRule(Rule):
    """Events that together mean something: the same that composite events know."""

    valued: ClassVar[bool] = False

    kind: Literal["event"]
    sequence: tuple[str | tuple[str, str], ...] = ()
    all_of: tuple[str | tuple[str, str], ...] = ()
    repeated: str | tuple[str, str] = ""
    times: int = 0
    after: str | tuple[str, str] = ""
    missing: str | tuple[str, str] = ""
    within: Annotated[Seconds, Field(ge=1, le=MAX_WINDOW)]
    by: Annotated[str, Field(max_length=200)] = Field(
        default="", description="The field that is equal in all: one alert, with label key, each."
    )

    @property
    def grouped_by(self) -> tuple[str, ...]:
        """The labels of its alerts that come from what it looks at."""
        return ("key",) if self.by else ()


RULES: Final[dict[str, type[Rule]]] = {
    "threshold": Threshold,
    "rate": Rate,
    "ratio": RatioRule,
    "absence": Absence,
    "event": EventRule,
}
"""The kinds of rules."""


class Inhibition(Table):
    """While some alerts fire, others are needless."""

    source: Where = Field(description="Alerts that fire: {alertname: BusDown}.")
    target: Where = Field(description="Alerts that nobody need be told of meanwhile.")
    equal: tuple[Label, ...] = Field(
        default=(), description="Labels that both have with the same value."
    )


class RulesFile(Table):
    """A whole file, but for its rules' own keys, which are told by their kind."""

    shipped: dict[str, Mapping[str, Any] | Literal[False]] = Field(default={})
    rules: tuple[Mapping[str, Any], ...] = ()
    inhibit: tuple[Inhibition, ...] = ()
