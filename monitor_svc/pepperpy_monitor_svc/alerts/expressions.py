"""What a rule asks of series: compared, divided, joined; worked out here, or for Prometheus."""

import math
import operator
from collections.abc import Callable
from typing import Final, Literal

import msgspec

from pepperpy_monitor_svc.alerts.labels import NAME, quoted
from pepperpy_monitor_svc.alerts.series import Expression, Frame, Series, Values

Comparison = Literal[">", "<", ">="]


class Scaled(msgspec.Struct, frozen=True):
    """Values times a number."""

    inner: Expression
    factor: float

    def values(self, frame: Frame) -> Values:
        """Returns its values at a moment."""
        return {key: value * self.factor for key, value in self.inner.values(frame).items()}

    def promql(self) -> str:
        """Returns it as Prometheus reads it."""
        return f"{self.inner.promql()} * {self.factor:g}"

    def series(self) -> list[Series]:
        """Returns all series that it looks at."""
        return self.inner.series()


class Ratio(msgspec.Struct, frozen=True):
    """A part divided by its whole, both grouped alike."""

    part: Expression
    whole: Expression

    def values(self, frame: Frame) -> Values:
        """Returns its values at a moment; 0 of 0 is NaN, anything else of 0 infinite."""
        wholes = self.whole.values(frame)
        return {
            key: _divided(value, wholes[key])
            for key, value in self.part.values(frame).items()
            if key in wholes
        }

    def promql(self) -> str:
        """Returns it as Prometheus reads it."""
        return f"{self.part.promql()} / {self.whole.promql()}"

    def series(self) -> list[Series]:
        """Returns all series that it looks at."""
        return [*self.part.series(), *self.whole.series()]


class Compared(msgspec.Struct, frozen=True):
    """Those of the values that are above, or below, a number."""

    inner: Expression
    how: Comparison
    number: float

    def values(self, frame: Frame) -> Values:
        """Returns its values at a moment."""
        passes = _PASSES[self.how]
        found = self.inner.values(frame).items()
        return {key: value for key, value in found if passes(value, self.number)}

    def promql(self) -> str:
        """Returns it as Prometheus reads it."""
        return f"({self.inner.promql()} {self.how} {_number(self.number)})"

    def series(self) -> list[Series]:
        """Returns all series that it looks at."""
        return self.inner.series()


class Sticky(msgspec.Struct, frozen=True):
    """Hysteresis: what has begun to fire goes on until the values are beyond a second number.

    Attributes:
        begin: When it begins.
        goes_on: What lets it go on.
        rule: The rule whose alerts fire.
        by: The labels that it is grouped by.
    """

    begin: Compared
    goes_on: Compared
    rule: str
    by: tuple[str, ...] = ()

    def values(self, frame: Frame) -> Values:
        """Returns its values at a moment."""
        firing = frame.firing.get(self.rule, frozenset())
        going_on = self.goes_on.values(frame).items() if firing else ()
        return {k: v for k, v in going_on if k in firing} | self.begin.values(frame)

    def promql(self) -> str:
        """Returns it as Prometheus reads it."""
        firing = f'ALERTS{{{NAME}={quoted(self.rule)}, alertstate="firing"}}'
        going_on = f"{self.goes_on.promql()} and on ({', '.join(self.by)}) {firing}"
        return f"({self.begin.promql()} or ({going_on}))"

    def series(self) -> list[Series]:
        """Returns all series that it looks at."""
        return [*self.begin.series(), *self.goes_on.series()]


class Joined(msgspec.Struct, frozen=True):
    """Those of the values that another condition allows, or does not forbid.

    Attributes:
        left: The values.
        how: Whether the other one must hold, or must not.
        right: The other condition, grouped by `on`.
        by: The labels that the values are grouped by.
        on: Those of them by which both are brought together.
    """

    left: Expression
    how: Literal["and", "unless"]
    right: Expression
    by: tuple[str, ...] = ()
    on: tuple[str, ...] = ()

    def values(self, frame: Frame) -> Values:
        """Returns its values at a moment."""
        places = [self.by.index(name) for name in self.on]
        there = self.right.values(frame)
        wanted = self.how == "and"
        return {
            key: value
            for key, value in self.left.values(frame).items()
            if (tuple(key[place] for place in places) in there) == wanted
        }

    def promql(self) -> str:
        """Returns it as Prometheus reads it."""
        return f"{self.left.promql()} {self.how} on ({', '.join(self.on)}) {self.right.promql()}"

    def series(self) -> list[Series]:
        """Returns all series that it looks at."""
        return [*self.left.series(), *self.right.series()]


def _divided(part: float, whole: float) -> float:
    if whole:
        return part / whole
    return math.nan if not part or math.isnan(part) else math.copysign(math.inf, part)


def _number(value: float) -> str:
    return f"{value:.15g}"


_PASSES: Final[dict[Comparison, Callable[[float, float], bool]]] = {
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
}
