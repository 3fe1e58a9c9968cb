"""Alerts as the monitor has them: evaluated, shown, hidden, stored and told."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, Self

from pepperpy_bus.client import Client
from pepperpy_bus.events import Heard
from pepperpy_bus.logs import get_log
from pepperpy_bus.state.cells import Cells
from pepperpy_monitor_svc.alerts.conditions import metrics
from pepperpy_monitor_svc.alerts.drills import drill
from pepperpy_monitor_svc.alerts.evaluator import Evaluator
from pepperpy_monitor_svc.alerts.inhibiting import inhibited
from pepperpy_monitor_svc.alerts.labels import TEST
from pepperpy_monitor_svc.alerts.payload import moment
from pepperpy_monitor_svc.alerts.reading import Ruleset, read_rules
from pepperpy_monitor_svc.alerts.receivers import Notifying, read_notifying
from pepperpy_monitor_svc.alerts.rows import alert_row, rule_row, urgency
from pepperpy_monitor_svc.alerts.silences import Silences
from pepperpy_monitor_svc.alerts.telling import Telling
from pepperpy_monitor_svc.metrics.names import BROKER_UP
from pepperpy_monitor_svc.metrics.samples import Sample
from pepperpy_schemas.alerts import Alert, AlertTestReply, RuleRow, Silence
from pepperpy_schemas.monitor import AlertRow

log = get_log("pepperpy.alerts")

INTERVAL: Final = 5.0
"""Seconds between two evaluations."""


class Alerts:
    """The alerts of a deployment, while its context is open.

    Every replica evaluates, so that one which takes over knows the past; the one that leads stores
    what it finds and tells people. A leader that cannot reach the broker loses its lease with it;
    it goes on to tell of the broker alone, until that is over and told.

    Args:
        client: The connected client.
        rules: A file or folder of rules beside those that are shipped.
        notify: The file that says who is told besides the bus and the log.
        url: Address of the dashboard, for people who are told.
        clock: Tells the time, seconds since the epoch.
        interval: Seconds between two evaluations.

    Attributes:
        on_change: Called with each alert that has changed.
    """

    def __init__(
        self,
        client: Client,
        *,
        rules: Path | None = None,
        notify: Path | None = None,
        url: str = "",
        clock: Callable[[], float] = time.time,
        interval: float = INTERVAL,
    ) -> None:
        self._client = client
        self._paths = rules, notify
        self._clock = clock
        self._interval = interval
        cells = Cells(client.connection, client.prefix)
        self._silences = Silences(cells, clock=lambda: moment(self._clock()))
        self._telling = Telling(client, cells, url=url, patience=interval)
        self._stack = contextlib.AsyncExitStack()
        self._leads = False
        self._cut_off = False
        self.on_change: list[Callable[[AlertRow], None]] = []
        self._take(*self._read())

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(self._telling.running())
            await stack.enter_async_context(self._silences.running())
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._stack.aclose()

    async def reload(self) -> None:
        """Reads rules and receivers again; alerts of rules that are there still go on.

        Raises:
            BadConfig: Something is wrong in a file; everything stays as it was.
        """
        ruleset, notifying = self._read()
        before = self._evaluator
        self._take(ruleset, notifying)
        self._evaluator.restore(before.alerts.values())
        log.info("alerts.reloaded", rules=len(ruleset.rules), receivers=len(notifying.receivers))

    # --- evaluating -------------------------------------------------------------------------------

    def hear(self, event: Heard, at: float) -> None:
        """Takes an event for the rules over events, stored at this moment, seconds."""
        self._evaluator.hear(event, at)

    def evaluate(
        self, samples: Sequence[Sample], at: float, *, connected: bool = True
    ) -> list[Alert]:
        """Works out all rules; returns the alerts that have changed, without telling anybody."""
        # Of what the broker does not say now, nobody knows that it is over.
        seen = None if connected else self._of_broker
        changed = self._evaluator.evaluate(samples, at, seen=seen)
        if changed:
            rows = {row.id: row for row in self.active(resolved=True)}
            for one in changed:
                for tell in self.on_change if one.id in rows else ():
                    tell(rows[one.id])
        return changed

    async def tick(self, samples: Sequence[Sample], *, leads: bool, connected: bool = True) -> None:
        """Evaluates once, and as the leader stores and tells what came out.

        Args:
            samples: Every series that there is now.
            leads: Whether this replica leads.
            connected: Whether it reaches the broker.
        """
        at = self._clock()
        if leads and not self._leads:
            leads = await self._take_over()
        changed = self.evaluate(samples, at, connected=connected)
        alerts = list(self._evaluator.alerts.values())
        if leads:
            await self._tell(changed, alerts, at)
        elif self._leads or self._cut_off:
            # The lease went with the connection, or to another replica.
            own = [one for one in alerts if one.rule in self._of_broker]
            await self._tell([one for one in changed if one.rule in self._of_broker], own, at)
            owing = any(one.state == "firing" or self._telling.notifier.owes(one.id) for one in own)
            self._cut_off = not connected or owing
        self._leads = leads

    async def run(self, samples: Callable[[], Iterable[Sample]], leads: Callable[[], bool]) -> None:
        """Evaluates every few seconds, for ever.

        Args:
            samples: Returns every series that there is now.
            leads: Whether this replica leads now.
        """
        while True:
            begun = time.monotonic()
            await self.tick(
                list(samples()), leads=leads(), connected=self._client.connection.connected
            )
            await asyncio.sleep(max(0.1, self._interval - (time.monotonic() - begun)))

    async def _take_over(self) -> bool:
        """Goes on from where the leader before stood; returns whether that can be known."""
        alerts = await self._telling.take_over()
        if alerts is None:
            return False
        self._evaluator.restore(alerts)
        self._cut_off = False
        return True

    async def _tell(self, changed: list[Alert], alerts: list[Alert], at: float) -> None:
        await self._telling.tell(changed, alerts, self._hidden(), at)

    def _hidden(self) -> dict[str, str]:
        """The alerts nobody is told of now, and what hides them."""
        alerts = list(self._evaluator.alerts.values())
        at = moment(self._clock())
        silenced = {one.id: self._silences.hides(one.labels, at) for one in alerts}
        hidden = {id_: by for id_, by in silenced.items() if by}
        return inhibited(alerts, self._ruleset.inhibitions) | hidden

    # --- showing ----------------------------------------------------------------------------------

    def active(self, *, resolved: bool = False) -> list[AlertRow]:
        """Returns the alerts there are: those that fire first, the worst first.

        Args:
            resolved: Those that were over within the last quarter of an hour, too.
        """
        alerts = [
            one for one in self._evaluator.alerts.values() if resolved or one.state != "resolved"
        ]
        at = moment(self._clock())
        needless = inhibited(list(self._evaluator.alerts.values()), self._ruleset.inhibitions)
        rows = [
            alert_row(one, self._silences.hides(one.labels, at), needless.get(one.id, ""))
            for one in alerts
        ]
        return sorted(rows, key=urgency)

    def rules(self) -> list[RuleRow]:
        """Returns the rules in force, with what is wrong with them now."""
        states = [(one.rule, one.state) for one in self._evaluator.alerts.values()]
        return [
            rule_row(
                one,
                series=self._evaluator.looked_at.get(name, 0),
                firing=states.count((name, "firing")),
                pending=states.count((name, "pending")),
                trouble=self._evaluator.troubles.get(name, ""),
            )
            for name, one in self._ruleset.rules.items()
        ]

    def troubles(self) -> dict[str, str]:
        """Returns what is wrong with rules and receivers, by their names."""
        return self._evaluator.troubles | self._telling.notifier.troubles()

    # --- silences, tests --------------------------------------------------------------------------

    def silences(self) -> list[Silence]:
        """Returns the silences, also those that are over for less than a day."""
        return self._silences.all()

    async def silence(
        self,
        matchers: Mapping[str, str] | Iterable[str],
        *,
        duration: str,
        by: str,
        comment: str = "",
        starts: datetime | None = None,
    ) -> Silence:
        """Has nobody told of some alerts for a while; see `Silences.add`.

        Args:
            matchers: What the labels must be, by name, or as people write it: ``topic=orders``.
            duration: For how long: ``2h``.
            by: Who wants it.
            comment: Why.
            starts: From when on; now by default.
        """
        if isinstance(matchers, Mapping):
            matchers = [f"{name}={value}" for name, value in matchers.items()]
        return await self._silences.add(
            matchers, duration=duration, by=by, comment=comment, starts=starts
        )

    async def unsilence(self, silence_id: str) -> Silence:
        """Ends a silence; see `Silences.end`."""
        return await self._silences.end(silence_id)

    async def test(self, rule: str, labels: Mapping[str, str], *, by: str) -> AlertTestReply:
        """Fires a rule through to its notifications, marked as a test, and ends it again.

        Args:
            rule: The rule.
            labels: Labels that the alert would have: topic, agent.
            by: Who wants it.

        Raises:
            NotFound: There is no such rule.
            BadConfig: Its alerts do not have such a label.
        """
        alert = drill(self._ruleset, rule, labels, by=by, at=self._clock())
        # Whether a real one would be told now.
        real = {name: value for name, value in alert.labels.items() if name != TEST}
        hides = self._silences.hides(real, moment(self._clock()))
        delivered = await self._telling.notifier.test(alert)
        log.info("alerts.tested", rule=rule, by=by, receivers=[one.receiver for one in delivered])
        return AlertTestReply(alert=alert_row(alert, hides, ""), delivered=delivered, silence=hides)

    # --- making -----------------------------------------------------------------------------------

    def _read(self) -> tuple[Ruleset, Notifying]:
        rules, notify = self._paths
        return read_rules(rules), read_notifying(notify)

    def _take(self, ruleset: Ruleset, notifying: Notifying) -> None:
        self._ruleset = ruleset
        self._telling.notifier.notifying = notifying
        self._evaluator = Evaluator(ruleset.rules.values(), interval=self._interval)
        self._evaluator.owed = self._telling.notifier.owes
        self._of_broker = {
            name
            for name, one in ruleset.rules.items()
            if BROKER_UP.prometheus in metrics(one.rule).values()
        }
