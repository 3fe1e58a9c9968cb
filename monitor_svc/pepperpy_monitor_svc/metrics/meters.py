"""The metrics of a monitor: what is counted, measured and found, all in one."""

import contextlib
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from importlib.metadata import version
from itertools import chain, product
from typing import TYPE_CHECKING, Any, Final, Protocol, get_args

from pepperpy_bus.client import Client
from pepperpy_monitor_svc.loops import Work, every, looping
from pepperpy_monitor_svc.metrics import health, names, showing
from pepperpy_monitor_svc.metrics.gauges import Reading, families_of
from pepperpy_monitor_svc.metrics.hearing import Hearing
from pepperpy_monitor_svc.metrics.probing import Probes
from pepperpy_monitor_svc.metrics.server import Server
from pepperpy_monitor_svc.metrics.services import Services
from pepperpy_monitor_svc.metrics.totals import Family, Totals
from pepperpy_monitor_svc.reading.continuity import Reason
from pepperpy_schemas.monitor import BrokerFigures, ComponentHealth, FleetCounts, Gap
from pepperpy_schemas.subjects import stream_name

if TYPE_CHECKING:
    from pepperpy_monitor_svc.fleet.fleet import Fleet

LOOK: Final = 10.0
"""Seconds between two looks at the services."""
JUDGE: Final = 2.0
"""Seconds between two judgements of how the parts are."""
SEEN: Final = 20.0
"""Seconds in which whoever reads the metrics has seen a new counter at 0."""
_UNREADABLE: Final = ("bad_payload", "bad_name", "bad_header")
_FOLLOWED: Final = ("EVENTS", "RESULTS", "NOTED", "DLQ")


class Standing(Protocol):
    """How far the reading of the monitor is, and its place among its replicas."""

    @property
    def leads(self) -> bool:
        """Whether it leads."""

    @property
    def behind(self) -> Mapping[str, int]:
        """Messages that it has not read yet, by stream."""

    @property
    def complete(self) -> bool:
        """Whether it has read what was stored before its start."""


class Meters:
    """Counts what the fleet hears, and knows what there is besides, while its context is open.

    Counters count what happens from `begin` on, and nothing of the history that a monitor reads
    at its start: else a restart would look as if all of it happened again.

    Args:
        client: The client.
        fleet: What is known of the deployment.
        standing: How the monitor itself is.
        replica: Its id.
        server_url: HTTP monitoring of the broker, or empty.
        otlp_endpoint: A receiver of OTLP over HTTP, or empty.
    """

    def __init__(
        self,
        client: Client,
        fleet: "Fleet",
        standing: Standing,
        *,
        replica: str,
        server_url: str = "",
        otlp_endpoint: str = "",
    ) -> None:
        self._client = client
        self._fleet = fleet
        self._standing = standing
        self._otlp = otlp_endpoint
        self._who = {
            "service.name": "pepperpy-monitor",
            "service.namespace": client.prefix,
            "service.instance.id": replica,
            "service.version": version("pepperpy"),
        }
        self._totals = Totals()
        self._hearing = Hearing(self._totals, client.prefix, fleet)
        self._server = Server(server_url) if server_url else None
        self._services = Services(client.connection, client.prefix, self._totals)
        self._probes = Probes(client.connection, client.prefix)
        self._broker = BrokerFigures(connected=False)
        self._counted: FleetCounts | None = None
        self._missed: list[tuple[float, Gap]] = []

    @property
    def counting(self) -> bool:
        """Whether it counts."""
        return self._counted is not None

    def begin(self) -> None:
        """Counts from now on."""
        if self.counting:
            return
        self._counted = self._fleet.counters()
        self._hearing.leave_out(self._fleet.records())
        self._fleet.on_change.append(self._hearing)
        # Who compares them with before must have seen them at 0, and what was missed before the
        # start after that.
        for reason in _UNREADABLE:
            self._totals.count(names.MONITOR_UNREADABLE, reason, by=0)
        for suffix, reason in product(_FOLLOWED, get_args(Reason)):
            stream = stream_name(self._client.prefix, suffix)
            self._totals.count(names.MONITOR_MISSED, stream, reason, by=0)
        self._missed = [(time.monotonic() + SEEN, one) for one in self._counted.gaps]

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Looks, judges and exports while its context is open."""
        async with contextlib.AsyncExitStack() as stack:
            if self._otlp:
                from pepperpy_monitor_svc.metrics.otlp import Told, exporting

                told = Told(self.families, self._who, self._totals.began)
                await stack.enter_async_context(exporting(self._otlp, told))
            await stack.enter_async_context(looping(self._works()))
            yield
        if self.counting:
            self._fleet.on_change.remove(self._hearing)

    def _works(self) -> dict[str, Work]:
        return {
            "look-services": every(LOOK, self._services.look),
            "probe-services": every(LOOK, self._probes.look),
            "judge-health": every(JUDGE, self._judge),
        }

    async def complete(self, figures: BrokerFigures) -> BrokerFigures:
        """Adds to the broker's figures what the server says over HTTP, where that is configured."""
        if self._server is not None:
            figures = await self._server.complete(figures)
        self._broker = figures
        return figures

    # --- out ---

    def families(self) -> list[Family]:
        """Returns every metric that has a value now."""
        self._hearing.settle()
        self._take_counts()
        return [*self._totals.families(), *families_of(self._readings())]

    def health(self) -> list[ComponentHealth]:
        """Returns how each part of the deployment is, with the reason."""
        server = self._server
        connection = self._client.connection
        where: dict[str, Any] = {
            "address": connection.server,
            **({"version": self._broker.version} if self._broker.version else {}),
            **(server.details if server is not None else {}),
        }
        looked = bool(self._broker.streams)
        seen = health.Seen(
            prefix=self._client.prefix,
            connected=connection.connected,
            broker=where,
            problem=server.problem if server is not None else "",
            streams=self._fleet.streams() if looked else None,
            agents=self._fleet.agents(),
            probes=self._probes.found,
            counts=self._fleet.counters(),
            behind=self._standing.behind,
            complete=self._standing.complete,
            leads=self._standing.leads,
        )
        return health.components(seen)

    async def _judge(self) -> None:
        for one in self.health():
            self._fleet.health(one)

    def _readings(self) -> Iterator[Reading]:
        fleet, figures = self._fleet, self._broker
        connected = self._client.connection.connected
        yield Reading(names.BROKER_UP, (), float(connected))
        yield from showing.of_broker(figures)
        yield from chain(
            showing.of_agents(fleet.agents()),
            showing.of_topics(fleet.topics()),
            showing.of_streams(fleet.streams()),
            showing.of_components(fleet.components()),
            showing.of_monitor(fleet.counters(), leads=self._standing.leads),
            self._services.readings(),
        )
        if self._server is not None:
            yield from self._server.readings()

    def _take_counts(self) -> None:
        """Adds what the fleet has counted itself since the last time."""
        before, now = self._counted, self._fleet.counters()
        if before is None:
            return
        self._counted = now
        while self._missed and self._missed[0][0] <= time.monotonic():
            self._hearing.missed(self._missed.pop(0)[1])
        kinds = (
            ("event", now.events - before.events),
            ("result", now.results - before.results),
            ("letter", now.letters - before.letters),
        )
        for kind, more in kinds:
            self._totals.count(names.MONITOR_MESSAGES, kind, by=max(0, more))
        for reason, seen in now.bad.items():
            more = max(0, seen - before.bad.get(reason, 0))
            self._totals.count(names.MONITOR_UNREADABLE, reason, by=more)
        self._totals.count(names.MONITOR_EVICTED, by=max(0, now.evicted - before.evicted))
