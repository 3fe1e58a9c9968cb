"""The monitor: what is read, what is known of it, and what is told, in one."""

import contextlib
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Final, Self

from pepperpy_bus.client import Client
from pepperpy_bus.config import Settings
from pepperpy_bus.events import Heard
from pepperpy_bus.logs import get_log
from pepperpy_bus.state.cells import Cells
from pepperpy_bus.streams.clock import ServerClock
from pepperpy_bus.units import now
from pepperpy_monitor_svc.alerts.alerts import Alerts
from pepperpy_monitor_svc.audit.chaining import Chaining
from pepperpy_monitor_svc.audit.log import AuditLog
from pepperpy_monitor_svc.fleet.fleet import Fleet
from pepperpy_monitor_svc.leading import Leading
from pepperpy_monitor_svc.loops import Work, every, looping
from pepperpy_monitor_svc.metrics.meters import Meters
from pepperpy_monitor_svc.metrics.samples import Sample, samples_of
from pepperpy_monitor_svc.reading.positions import KeptPositions
from pepperpy_monitor_svc.reading.reading import Reading
from pepperpy_monitor_svc.snapshots.snapshots import Snapshots
from pepperpy_monitor_svc.traces.exporting import TraceExport
from pepperpy_schemas.monitor import AlertRow
from pepperpy_schemas.monitor_requests import MonitorStatus

log = get_log("pepperpy.monitor")

SAVE: Final = 10.0
"""Seconds between two times that it is stored how far the streams were read."""


class Monitor:
    """Watches a deployment while its context is open.

    Several replicas may: each reads everything and shows the same. The one that leads raises
    alerts, takes snapshots and keeps the audit log.

    Attributes:
        client: What it reads with.
        settings: The settings in force.
        replica: Its id among its replicas.
        acting: What acts in people's name, with the rights of an operator; None when nobody may.
        started: When it started.
        url: Where its dashboard is; empty without one.
        fleet: What is known of the deployment.
        meters: Its metrics.
        alerts: What is wrong.
        audit: Who did what.
        snapshots: What it was like.

    Args:
        client: The monitor's client.
        settings: The settings in force.
        replica: Its id.
        acting: What acts; nothing by default.
        url: Where its dashboard is.
    """

    def __init__(
        self,
        client: Client,
        settings: Settings,
        *,
        replica: str,
        acting: Client | None = None,
        url: str = "",
    ) -> None:
        of, key = settings.monitor, settings.monitor.audit_key.get_secret_value().encode()
        self.client = client
        self.settings = settings
        self.replica = replica
        self.acting = acting
        self.started: datetime = now()
        self.url = url
        self._cells = Cells(client.connection, client.prefix)
        self._clock = ServerClock(client.connection, client.prefix)
        self.fleet = Fleet(limit_bytes=of.memory_limit, clock=self._server_time)
        self.meters = Meters(
            client,
            self.fleet,
            self,
            replica=replica,
            server_url=of.server_url,
            otlp_endpoint=of.otlp_endpoint,
        )
        self.alerts = Alerts(
            client, rules=of.rules, notify=of.notify, url=url, clock=self._server_time
        )
        self.audit = AuditLog(client, key=key)
        self.snapshots = Snapshots(self)
        self._chaining = Chaining(client, key=key, heads=of.audit_heads)
        self._leading = Leading(self._cells, self._clock, replica=replica)
        self._positions = KeptPositions(self._cells)
        self._reading: Reading | None = None
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as stack:
            enter = stack.enter_async_context
            await enter(self._clock.running())
            read = await self._positions.read()
            self._reading = Reading(
                self.client,
                self.fleet,
                read=read,
                complete=self.meters.complete,
                clock=self._server_time,
            )
            await enter(self.meters.running())
            await enter(self.alerts)
            await self._export_traces(stack)
            await enter(looping(self._works(self._reading)))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._stack.aclose()

    @property
    def leads(self) -> bool:
        """Whether it is the one that raises alerts, takes snapshots and keeps the audit log."""
        return self._leading.leads

    @property
    def complete(self) -> bool:
        """Whether it has read all that was stored before its start."""
        return self._reading is not None and self._reading.is_complete

    @property
    def behind(self) -> Mapping[str, int]:
        """Messages that it has not read yet, by stream."""
        return self._reading.behind if self._reading is not None else {}

    def status(self) -> MonitorStatus:
        """Returns how it is."""
        return MonitorStatus(
            replica=self.replica,
            leads=self.leads,
            started=self.started,
            complete=self.complete,
            behind=dict(self.behind),
            counts=self.fleet.counters(),
            health=self.fleet.components(),
            url=self.url,
        )

    def samples(self) -> list[Sample]:
        """Returns every series that there is now: what alerts are worked out on."""
        return list(samples_of(self.meters.families()))

    async def reload(self, settings: Settings) -> None:
        """Takes over new settings, and reads the rules of alerts again.

        Raises:
            BadConfig: Something is wrong in a file of rules; they stay as they were.
        """
        self.settings = settings
        await self.alerts.reload()

    # --- what goes on -----------------------------------------------------------------------------

    def _works(self, reading: Reading) -> dict[str, Work]:
        return {
            **reading.works(),
            "watch": partial(self._watch, reading),
            "lead": self._leading.run,
            "audit": partial(self._leading.during, self._chaining.run),
            "snapshots": partial(self._leading.during, partial(self._take_snapshots, reading)),
            "save-positions": every(SAVE, partial(self._save_positions, reading)),
        }

    async def _watch(self, reading: Reading) -> None:
        """Counts, and looks for what is wrong, from when the history is known.

        Else a restart would look as if all of it happened again.
        """
        await reading.complete()
        counts = self.fleet.counters()
        log.info("monitor.complete", events=counts.events, tasks=counts.tasks, missed=counts.missed)
        self.meters.begin()
        self.fleet.on_change.append(self._hear)
        self.alerts.on_change.append(self._tell)
        try:
            await self.alerts.run(self.samples, lambda: self.leads)
        finally:
            self.fleet.on_change.remove(self._hear)
            self.alerts.on_change.remove(self._tell)

    async def _take_snapshots(self, reading: Reading) -> None:
        """Takes snapshots from when the history is known: one before that would be of nothing."""
        await reading.complete()
        await self.snapshots.run()

    def _hear(self, _kind: str, of: object) -> None:
        if isinstance(of, Heard):
            self.alerts.hear(of, self._server_time())

    def _tell(self, alert: AlertRow) -> None:
        """Tells of an alert whoever is told of what the fleet takes in: open pages."""
        for tell in self.fleet.on_change:
            tell("alert", alert)

    async def _export_traces(self, stack: contextlib.AsyncExitStack) -> None:
        of = self.settings.monitor
        if of.otlp_endpoint and of.otlp_share:
            sending = TraceExport(
                self.client, of.otlp_endpoint, share=of.otlp_share, leads=lambda: self.leads
            )
            await stack.enter_async_context(sending)
            self.fleet.on_change.append(sending)

    async def _save_positions(self, reading: Reading) -> None:
        # One that does not lead may be behind, and would have the next one see gaps that are none.
        if self.leads and reading.is_complete:
            await self._positions.save(reading.positions)

    def _server_time(self) -> float:
        return self._clock.now_ns() / 1e9
