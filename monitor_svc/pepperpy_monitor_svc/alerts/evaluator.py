"""Which alerts there are at a moment: pure, so that the same series give the same alerts anywhere.

An alert's life is Prometheus': what holds is pending until it has held for as long as ``for`` says,
then fires; what holds no more is over, unless ``keep_firing_for`` lets it go on for a while.

Rules are worked out one after the other and each by itself: one that fails, looks at too much or
would make too many alerts is named in `Evaluator.troubles`, and the others go on.
"""

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final

from pepperpy_bus.events import Heard
from pepperpy_bus.logs import get_log
from pepperpy_monitor_svc.alerts import wording
from pepperpy_monitor_svc.alerts.declared import Rule
from pepperpy_monitor_svc.alerts.history import History
from pepperpy_monitor_svc.alerts.labels import NAME, SEVERITY, fingerprint
from pepperpy_monitor_svc.alerts.occurrences import Occurrences
from pepperpy_monitor_svc.alerts.reading import Ready
from pepperpy_monitor_svc.alerts.series import Frame, Key, Series
from pepperpy_monitor_svc.metrics.samples import Sample
from pepperpy_schemas.alerts import Alert

log = get_log("pepperpy.alerts")

MAX_SAMPLES: Final = 200_000
"""Series of one moment that are looked at; those after them are counted and left out."""
RETENTION: Final = 900.0
"""Seconds that an alert which is over is still shown, as at Prometheus."""

LONGEST: Final = 86400.0
"""Seconds that it is kept while a receiver that does not answer has yet to be told."""

SETTLING: Final = 30.0
"""Seconds after a start in which a series that is not there may only not have come yet."""

_BACK: Final = 1.0
"""Seconds that a clock may go back unnoticed."""
_AHEAD: Final = 12
"""Intervals without an evaluation after which the clock is taken to have jumped."""


class Evaluator:
    """Works out the alerts of some rules.

    Args:
        rules: The rules.
        interval: Seconds between two evaluations, about.

    Attributes:
        alerts: All there are, those that are over for a while included, by their id.
        troubles: What is wrong with a rule, by its name; for people.
        looked_at: How many series a rule looks at now, by its name.
        jumped: How often the clock has jumped.
        owed: Whether somebody has yet to be told that an alert is over, by its id.
    """

    def __init__(self, rules: Iterable[Ready], *, interval: float = 5.0) -> None:
        self._rules = [_stateful(one) for one in rules]
        self._interval = interval
        self._wanted = {name for one in self._rules for name in _metrics(one)}
        self.history = History(_windows(self._rules), interval=interval)
        self._last: float | None = None
        self._seen: Collection[str] = ()
        self._unseen_until = -math.inf
        self._held: dict[str, float] = {}
        self.alerts: dict[str, Alert] = {}
        self.troubles: dict[str, str] = {}
        self.looked_at: dict[str, int] = {}
        self.jumped = 0
        self.owed: Callable[[str], bool] = lambda _: False

    def evaluate(
        self, samples: Sequence[Sample], at: float, *, seen: Collection[str] | None = None
    ) -> list[Alert]:
        """Works out all rules on the series of a moment; returns the alerts that have changed.

        Args:
            samples: Every series that there is now; one that is not among them is over.
            at: The moment, seconds; it may stand still, but not go back.
            seen: The rules whose series can be seen now, all by default; alerts of the others are
                not over before their series have had time to come back.
        """
        self._follow_clock(at)
        if seen is not None:
            self._seen, self._unseen_until = seen, at + SETTLING
        left_out = max(0, len(samples) - MAX_SAMPLES)
        looked_at = [one for one in samples[:MAX_SAMPLES] if one.name in self._wanted]
        self.history.add(looked_at, at)
        now: dict[str, list[Sample]] = {}
        for one in looked_at:
            now.setdefault(one.name, []).append(one)
        frame = Frame(at, now, self.history, self._firing())
        self.looked_at = {
            one.rule.name: sum(len(now.get(name, ())) for name in _metrics(one))
            for one in self._rules
        }
        troubles: dict[str, str] = {}
        changed: list[Alert] = []
        for ready in self._rules:
            told = self._told(ready, now, left_out)
            try:
                changed += self._work_out(ready, frame, told)
            except (ArithmeticError, ValueError, LookupError, TypeError) as error:
                # What the rule has said so far stands: an error is no reason to call all well.
                told.append(f"cannot be worked out: {error}")
                log.warning("alerts.rule_failed", rule=ready.rule.name, error=str(error))
            if told:
                troubles[ready.rule.name] = "; ".join(told)
        self.troubles = troubles
        return changed + self._forget(at)

    def hear(self, event: Heard, at: float) -> None:
        """Takes an event, stored at this moment, seconds; the next evaluation knows of it."""
        for one in self._rules:
            if isinstance(one.condition, Occurrences):
                one.condition.hear(event, at)

    def restore(self, alerts: Iterable[Alert]) -> None:
        """Takes over what another replica knows; what this one thought is forgotten."""
        self.alerts = {one.id: one for one in alerts}
        # Until the windows are full again, that a rule does not hold means little; nor does it
        # while the first figures of queues and services are on their way.
        self._held = {one.id: max(SETTLING, self._window(one.rule)) for one in self.alerts.values()}

    # --- one rule ---------------------------------------------------------------------------------

    def _work_out(self, ready: Ready, frame: Frame, told: list[str]) -> list[Alert]:
        rule, condition = ready.rule, ready.condition
        assert condition is not None, "it was given one above"
        found = condition.values(frame)
        # Those that fire first: one that holds is not over because others came before it.
        firing = frame.firing.get(rule.name, frozenset())
        ordered = sorted(found.items(), key=lambda one: (one[0] not in firing, one[0]))
        kept = dict(ordered[: rule.limit])
        if left_out := len(found) - len(kept):
            told.append(f"{left_out} more alerts than its limit of {rule.limit}: left out")
        holding = {}
        for key, value in kept.items():
            labels = labels_of(rule, key)
            holding[fingerprint(labels)] = (labels, value)
        changed = [
            after
            for id_, (labels, value) in holding.items()
            if (after := self._holds(rule, id_, labels, value, frame.at)) is not None
        ]
        gone = [one for one in self._known(rule.name) if one.id not in holding]
        over = (self._holds_no_more(rule, one, frame.at) for one in gone)
        return [*changed, *(one for one in over if one is not None)]

    def _holds(
        self, rule: Rule, id_: str, labels: dict[str, str], value: float, at: float
    ) -> Alert | None:
        """Notes that an alert's condition holds; returns it when that changes its state."""
        before = self.alerts.get(id_)
        is_new = before is None or before.state == "resolved"
        if before is None or before.state == "resolved":
            before = Alert(id=id_, rule=rule.name, state="pending", labels=labels, since=at)
        fires = before.state == "firing" or at - before.since >= rule.for_
        self._held.pop(id_, None)
        after = Alert(
            id=id_,
            rule=rule.name,
            state="firing" if fires else "pending",
            labels=labels,
            value=value if math.isfinite(value) else None,
            since=before.since,
            fired=before.fired if before.state == "firing" else at if fires else None,
            summary=wording.rendered(rule.summary, value, labels),
            description=wording.rendered(rule.description, value, labels),
        )
        self.alerts[id_] = after
        # Who takes over has to know that it is not about to end any more.
        changed = is_new or after.state != before.state or before.ending is not None
        return after if changed else None

    def _holds_no_more(self, rule: Rule, before: Alert, at: float) -> Alert | None:
        if before.state == "resolved":
            return None
        if before.state == "pending":
            del self.alerts[before.id]
            return _over(before, at)
        if not self.history.covers(self._held.get(before.id, 0.0), at):
            return None
        if at < self._unseen_until and rule.name not in self._seen:
            return None
        ending = at if before.ending is None else before.ending
        if at - ending < rule.keep_firing_for:
            after = self.alerts[before.id] = before.changed(ending=ending)
            return after if before.ending is None else None
        over = self.alerts[before.id] = _over(before, at)
        return over

    def _known(self, rule: str) -> list[Alert]:
        return [one for one in self.alerts.values() if one.rule == rule]

    def _window(self, rule: str) -> float:
        """How long a rule must have looked on before it can say that it holds no more."""
        found = next((one for one in self._rules if one.rule.name == rule), None)
        if found is None:
            return 0.0
        if isinstance(found.condition, Occurrences):
            return found.condition.hold
        return max((one.window for one in _series(found)), default=0.0)

    def _told(self, ready: Ready, now: Mapping[str, list[Sample]], left_out: int) -> list[str]:
        """What is to be said of what the rule looks at."""
        told = []
        if left_out:
            told.append(f"{left_out} series above {MAX_SAMPLES} are left out")
        for name in _metrics(ready):
            if many := self.history.left_out.get(name):
                told.append(f"there is no room for {many} series of {name}: left out")
            if odd := sum(math.isnan(one.value) for one in now.get(name, ())):
                told.append(f"{odd} values of {name} are no numbers")
        if isinstance(ready.condition, Occurrences) and ready.condition.dropped:
            told.append(f"{ready.condition.dropped} events were given up: too many waited")
        return told

    # --- time -------------------------------------------------------------------------------------

    def _follow_clock(self, at: float) -> None:
        """Moves what is known along with a clock that has jumped: time that was not, is not waited.

        Raises:
            ValueError: The moment is no number.
        """
        if not math.isfinite(at):
            raise ValueError(f"the moment of an evaluation is {at}")
        last, self._last = self._last, at
        if last is None:
            return
        gone = at - last
        if gone < -_BACK:
            shift = gone
        elif gone > _AHEAD * self._interval:
            shift = gone - self._interval
        else:
            return
        self.jumped += 1
        log.warning("alerts.clock_jumped", seconds=round(gone, 3))
        self.history.clear()
        self._unseen_until += shift
        self.alerts = {id_: one.moved(shift) for id_, one in self.alerts.items()}
        self._held = {one.id: self._window(one.rule) for one in self.alerts.values()}

    def _firing(self) -> dict[str, frozenset[Key]]:
        by = {one.rule.name: one.rule.grouped_by for one in self._rules}
        found: dict[str, set[Key]] = {}
        for one in self.alerts.values():
            if one.state == "firing" and one.rule in by:
                key = tuple(one.labels.get(name, "") for name in by[one.rule])
                found.setdefault(one.rule, set()).add(key)
        return {name: frozenset(keys) for name, keys in found.items()}

    def _forget(self, at: float) -> list[Alert]:
        """Forgets what has been over for long; returns what is over because its rule is gone."""
        known = {one.rule.name for one in self._rules}
        gone = []
        for one in list(self.alerts.values()):
            if one.resolved is not None:
                if at - one.resolved > (LONGEST if self.owed(one.id) else RETENTION):
                    del self.alerts[one.id]
            elif one.rule not in known:
                over = self.alerts[one.id] = _over(one, at)
                gone.append(over)
        return gone


def labels_of(rule: Rule, key: Key) -> dict[str, str]:
    """Returns the labels of a rule's alert."""
    own = {name: value for name, value in zip(rule.grouped_by, key, strict=True) if value}
    return {NAME: rule.name, SEVERITY: rule.severity, **rule.labels, **own}


def _stateful(ready: Ready) -> Ready:
    """A rule of events with what it remembers of them: this evaluator's own."""
    if ready.composite is None:
        return ready
    hold = ready.rule.keep_firing_for or ready.composite.within
    rule = ready.rule.model_copy(update={"keep_firing_for": 0.0})
    return Ready(rule, Occurrences(ready.composite, hold), ready.composite, ready.origin)


def _over(alert: Alert, at: float) -> Alert:
    return alert.changed(state="resolved", resolved=at, ending=None)


def _series(ready: Ready) -> list[Series]:
    assert ready.condition is not None, "it was given one"
    return ready.condition.series()


def _metrics(ready: Ready) -> list[str]:
    return list(dict.fromkeys(one.metric for one in _series(ready)))


def _windows(rules: Iterable[Ready]) -> dict[str, float]:
    found: dict[str, float] = {}
    for one in (series for rule in rules for series in _series(rule) if series.window):
        found[one.metric] = max(one.window, found.get(one.metric, 0.0))
    return found
