"""Taking snapshots: from time to time while this monitor leads, and when somebody asks."""

import asyncio
import hashlib
import platform
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import Final, Protocol

from pepperpy_bus.client import Client
from pepperpy_bus.config import Settings
from pepperpy_bus.config.known import known_settings
from pepperpy_bus.config.values import value_of
from pepperpy_bus.logs import get_log
from pepperpy_bus.redaction import scrub
from pepperpy_bus.units import now
from pepperpy_monitor_svc.alerts.alerts import Alerts
from pepperpy_monitor_svc.fleet.fleet import Fleet
from pepperpy_monitor_svc.metrics.samples import Sample
from pepperpy_monitor_svc.snapshots.comparing import compared
from pepperpy_monitor_svc.snapshots.store import DAMAGED, SnapshotStore
from pepperpy_schemas.codec import encode
from pepperpy_schemas.monitor import SnapshotRow
from pepperpy_schemas.snapshots import Comparison, Number, Snapshot

log = get_log("pepperpy.snapshots")

PERIODIC: Final = "periodic"
_REASON: Final = 200
_SETTLED: Final = 30.0
"""Seconds after its start from which on a monitor sees how the deployment is, not how it starts."""


class Watched(Protocol):
    """What a snapshot is taken of: a monitor.

    Attributes:
        client: Its client.
        settings: The settings in force.
        fleet: What is known of the deployment.
        alerts: What is wrong.
    """

    client: Client
    settings: Settings
    fleet: Fleet
    alerts: Alerts

    def samples(self) -> list[Sample]:
        """Returns every series of every metric as it is now."""
        ...


class Snapshots:
    """The snapshots of a deployment, as its monitor takes and shows them.

    Args:
        monitor: What they are taken of.
        clock: Returns the time.
    """

    def __init__(self, monitor: Watched, *, clock: Callable[[], datetime] = now) -> None:
        self._monitor = monitor
        self._clock = clock
        self._store = SnapshotStore(monitor.client)

    async def take(self, reason: str = "asked", *, by: str = "") -> SnapshotRow:
        """Keeps what the deployment is like now.

        Args:
            reason: Why, for people.
            by: Who wants it.
        """
        snapshot = self._snapshot(reason[:_REASON] or "asked", by)
        row = await self._store.put(snapshot)
        log.info("snapshots.taken", id=row.id, reason=row.reason, bytes=row.bytes)
        return row

    async def get(self, snapshot_id: str) -> Snapshot:
        """Returns a snapshot; see `SnapshotStore.get`."""
        return await self._store.get(snapshot_id)

    async def compare(self, a: str, b: str) -> Comparison:
        """Returns how two snapshots differ, the earlier one first."""
        return compared(await self._store.get(a), await self._store.get(b))

    async def export(self, snapshot_id: str) -> bytes:
        """Returns a snapshot as it is kept, JSON."""
        return await self._store.read(snapshot_id)

    async def prune(self) -> list[str]:
        """Removes what is too old, and of too many the oldest; returns their ids.

        The newest one stays however old it is. What is damaged stays until somebody removes it.
        """
        of = self._monitor.settings.monitor
        rows = [row for row in await self._store.list() if row.reason != DAMAGED]
        oldest = self._clock() - timedelta(days=of.snapshot_keep_days)
        gone = [
            row.id
            for place, row in enumerate(rows)
            if place and (place >= of.snapshot_keep or row.at < oldest)
        ]
        for one in gone:
            await self._store.remove(one)
        return gone

    async def run(self) -> None:
        """Takes the next periodic snapshot when its time has come, and removes what is too old."""
        every = self._monitor.settings.monitor.snapshot_every
        if not every:
            await asyncio.Event().wait()
        taken = [row.at for row in await self._store.list() if row.reason == PERIODIC]
        passed = (self._clock() - taken[0]).total_seconds() if taken else every
        await asyncio.sleep(max(every - passed, min(_SETTLED, every)))
        await self.take(PERIODIC, by="monitor")
        await self.prune()

    async def list(self) -> list[SnapshotRow]:
        """Returns the snapshots that are kept, the newest first."""
        return await self._store.list()

    def _snapshot(self, reason: str, by: str) -> Snapshot:
        monitor, at = self._monitor, self._clock()
        fleet, settings = monitor.fleet, _shown(monitor.settings)
        overview, agents = fleet.overview(), fleet.agents()
        return Snapshot(
            # Sorted as they were taken; two of one second are two.
            id=f"{at:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}",
            at=at,
            reason=reason,
            by=by,
            prefix=monitor.client.prefix,
            overview=overview,
            topics=fleet.topics(),
            streams=fleet.streams(),
            agents=agents,
            errors=fleet.errors(),
            alerts=monitor.alerts.active(),
            models=fleet.models(),
            metrics=[Number(one.name, one.value, dict(one.labels)) for one in monitor.samples()],
            settings=settings,
            config=hashlib.sha256(encode(settings)).hexdigest(),
            versions={
                "pepperpy": version("pepperpy"),
                "python": platform.python_version(),
                # Known from the first moment on, unlike the broker's figures.
                "broker": monitor.client.connection.server_version,
                **{one.agent: one.version for one in agents if one.version},
            },
        )


def _shown(settings: Settings) -> dict[str, str]:
    """The settings in force as texts, without a secret."""
    return {
        name: scrub(str(known.show(value_of(settings, name))))
        for name, known in sorted(known_settings().items())
    }
