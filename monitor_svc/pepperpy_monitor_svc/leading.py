"""Who of several monitors raises alerts and takes snapshots: the one that holds the lease."""

import asyncio
from typing import Final

from pepperpy_bus.logs import get_log
from pepperpy_bus.state.cells import Cells
from pepperpy_bus.state.leases import Leases
from pepperpy_bus.streams.clock import ServerClock
from pepperpy_monitor_svc.loops import Work
from pepperpy_schemas.errors import PepperError

log = get_log("pepperpy.monitor")

TTL: Final = 10.0
"""Seconds after which another replica takes over from one that has died."""
AGAIN: Final = 2.0
"""Seconds after which the lease is asked for again, when the broker refused."""

_SPACE: Final = "monitor"
_NAME: Final = "leader"


class Leading:
    """Wants the lease for as long as `run` runs, again and again.

    Args:
        cells: The deployment's shared state.
        clock: The server's clock.
        replica: Who this is, for people.
    """

    def __init__(self, cells: Cells, clock: ServerClock, *, replica: str) -> None:
        self._leases = Leases(cells, clock, space=_SPACE, holder=f"monitor/{replica}")
        self._begun = asyncio.Event()
        self._over = asyncio.Event()

    @property
    def leads(self) -> bool:
        """Whether this replica holds the lease; false from when on it may be another's."""
        return self._begun.is_set()

    async def run(self) -> None:
        """Takes the lease when it is free, and keeps it until it is lost."""
        try:
            lease = await self._leases.take(_NAME, capacity=1, ttl=TTL)
        except PepperError as error:
            log.warning("monitor.no_lease", error=str(error))
            await asyncio.sleep(AGAIN)
            return
        log.info("monitor.leads", fence=lease.token)
        self._over.clear()
        self._begun.set()
        try:
            await lease.lost.wait()
        finally:
            self._begun.clear()
            self._over.set()
            await lease.release()

    async def during(self, work: Work) -> None:
        """Does something when this replica leads, and ends it when another may."""
        await self._begun.wait()
        doing = asyncio.create_task(_done(work), name="while-leading")
        over = asyncio.create_task(self._over.wait(), name="wait-over")
        try:
            await asyncio.wait({doing, over}, return_when=asyncio.FIRST_COMPLETED)
            if doing.done():
                doing.result()
        finally:
            for task in (doing, over):
                task.cancel()
            await asyncio.gather(doing, over, return_exceptions=True)


async def _done(work: Work) -> None:
    await work()
