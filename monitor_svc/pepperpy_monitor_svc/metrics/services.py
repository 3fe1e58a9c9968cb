"""What the services of the deployment say of themselves: NATS micro's ``$SRV.STATS`` (ADR-32)."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

import msgspec

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.services.finding import PATIENCE, QUIET
from pepperpy_monitor_svc.metrics import names
from pepperpy_monitor_svc.metrics.gauges import Reading
from pepperpy_monitor_svc.metrics.totals import Totals
from pepperpy_schemas.catalog.server import MICRO
from pepperpy_schemas.codec import decode
from pepperpy_schemas.errors import BadPayload, PepperError, Unavailable

MOST: Final = 1000
"""Replicas that are listened to at one look, and services that are remembered."""
KEPT: Final = 20_000
"""Endpoints of replicas whose last figures are kept."""


class _Endpoint(msgspec.Struct, frozen=True):
    name: str
    subject: str = ""
    num_requests: int = 0
    num_errors: int = 0
    processing_time: int = 0
    data: dict[str, Any] | None = None

    @property
    def figures(self) -> tuple[float, float, float, float]:
        """Requests, errors, seconds and refusals, since the replica's start."""
        overloaded = (self.data or {}).get("overloaded", 0)
        refused = float(overloaded) if isinstance(overloaded, int) else 0.0
        return self.num_requests, self.num_errors, self.processing_time / 1e9, refused


class _Replica(msgspec.Struct, frozen=True):
    name: str
    id: str
    started: datetime | None = None
    endpoints: list[_Endpoint] = []


_COUNTED: Final = (
    names.SERVICE_REQUESTS,
    names.SERVICE_ERRORS,
    names.SERVICE_TIME,
    names.SERVICE_OVERLOADED,
)


class Services:
    """Everybody who offers something in this deployment, asked again and again.

    Replicas come and go, and each counts from its own start. Here their increases are added up, so
    that the sums of a service never fall.

    Args:
        connection: The connection.
        prefix: The deployment's prefix; services that offer nothing below it are somebody else's.
        totals: Where requests are counted.

    Attributes:
        replicas: How many replicas of each service answered.
        problem: Why they could not be asked; empty when they could.
    """

    def __init__(self, connection: Connection, prefix: str, totals: Totals) -> None:
        self._connection = connection
        self._prefix = prefix
        self._totals = totals
        self._before: dict[tuple[str, str], tuple[float, ...]] = {}
        self.replicas: Counter[str] = Counter()
        self.problem = ""

    async def look(self) -> None:
        """Asks all of them for their figures."""
        try:
            found = await self._ask()
        except PepperError as error:
            self.problem = str(error)
            return
        self.problem = ""
        # A service whose last replica is gone shows as 0, and not as if it had never been.
        self.replicas = Counter(dict.fromkeys(list(self.replicas)[-MOST:], 0))
        for one in found:
            self.replicas[one.name] += 1
            for endpoint in one.endpoints:
                self._count(one, endpoint)
        # One that was too slow this time is not new the next time; one that is gone is forgotten.
        for key in list(self._before)[: max(0, len(self._before) - KEPT)]:
            del self._before[key]

    def readings(self) -> Iterator[Reading]:
        """Yields how many replicas each service has."""
        for name, replicas in self.replicas.items():
            yield Reading(names.SERVICE_REPLICAS, (name,), replicas)

    async def _ask(self) -> list[_Replica]:
        found: dict[str, _Replica] = {}
        wait = PATIENCE
        async with self._connection.request_many(f"{MICRO}.STATS") as replies:
            while len(found) < MOST:
                try:
                    one = decode((await replies.next(wait)).body, _Replica)
                except Unavailable:
                    break
                except BadPayload:
                    continue
                if any(e.subject.startswith(f"{self._prefix}.") for e in one.endpoints):
                    found[one.id] = one
                wait = QUIET
        return list(found.values())

    def _count(self, one: _Replica, endpoint: _Endpoint) -> None:
        key, now = (one.id, endpoint.name), endpoint.figures
        # What it did before the counting began is nobody's increase.
        started = one.started.timestamp() if one.started else 0.0
        first = (0.0,) * len(now) if started >= self._totals.began else now
        then = self._before.pop(key, first)
        for metric, value, earlier in zip(_COUNTED, now, then, strict=True):
            self._totals.count(metric, one.name, endpoint.name, by=max(0.0, value - earlier))
        self._before[key] = now
