"""The monitor: what is read, what is known of it, and what is told, in one."""

import asyncio
import contextlib
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final, Self

from pepperpy_bus.client import Client
from pepperpy_bus.config import Settings
from pepperpy_bus.logs import get_log
from pepperpy_bus.state.cells import Cells
from pepperpy_bus.streams.clock import ServerClock
from pepperpy_bus.units import now
from pepperpy_monitor_svc.fleet.fleet import Fleet
from pepperpy_monitor_svc.leading import Leading
from pepperpy_monitor_svc.loops import Work, every, looping
from pepperpy_monitor_svc.metrics.meters import Meters
from pepperpy_monitor_svc.reading.positions import KeptPositions
from pepperpy_monitor_svc.reading.reading import Reading
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
        fleet: What is known of the deployment.
        meters: Its metrics.
        started: When it started.
        url: Where its dashboard is; empty without one.

    Args:
        client: The monitor's client.
        settings: The settings in force.
        replica: Its id.
        acting: What acts; nothing by default.
    """

    def __init__(
        self, client: Client, settings: Settings, *, replica: str, acting: Client | None = None
    ) -> None:
        self.client = client
        self.settings = settings
        self.replica = replica
        self.acting = acting
        self.started: datetime = now()
        self.url = ""
        self._cells = Cells(client.connection, client.prefix)
        self._clock = ServerClock(client.connection, client.prefix)
        self.fleet = Fleet(limit_bytes=settings.monitor.memory_limit, clock=self._server_time)
        self.meters = Meters(
            client,
            self.fleet,
            self,
            replica=replica,
            server_url=settings.monitor.server_url,
            otlp_endpoint=settings.monitor.otlp_endpoint,
        )
        self.alerts: Any = None
        self.audit: Any = None
        self.snapshots: Any = None
        self._leading = Leading(self._cells, self._clock, replica=replica)
        self._positions = KeptPositions(self._cells)
        self._reading: Reading | None = None
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with self._stack:
            enter = self._stack.enter_async_context
            await enter(self._clock.running())
            read = await self._positions.read()
            self._reading = Reading(
                self.client, self.fleet, read=read, complete=self.meters.complete
            )
            await enter(self.meters.running())
            await enter(looping(self._works(self._reading)))
            self._stack = self._stack.pop_all()
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

    async def reload(self, settings: Settings) -> None:
        """Takes over new settings, and reads again what it is made of."""
        self.settings = settings

    def _works(self, reading: Reading) -> dict[str, Work]:
        return {
            **reading.works(),
            "begin": partial(self._begin, reading),
            "lead": self._leading.run,
            "save-positions": every(SAVE, partial(self._save_positions, reading)),
        }

    async def _begin(self, reading: Reading) -> None:
        """Counts and judges what happens from the moment on that the history is known."""
        await reading.complete()
        self.meters.begin()
        counts = self.fleet.counters()
        log.info("monitor.complete", events=counts.events, tasks=counts.tasks, gaps=counts.missed)
        await asyncio.Event().wait()

    async def _save_positions(self, reading: Reading) -> None:
        # One that does not lead may be behind, and would have the next one see gaps that are none.
        if self.leads and reading.is_complete:
            await self._positions.save(reading.positions)

    def _server_time(self) -> float:
        return self._clock.now_ns() / 1e9
