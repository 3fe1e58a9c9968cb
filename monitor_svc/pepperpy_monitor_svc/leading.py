"""Who of several monitors raises alerts and takes snapshots: the one that holds the lease."""

import asyncio
from typing import Final

from pepperpy_bus.logs import get_log
from pepperpy_bus.state.cells import Cells
from pepperpy_bus.state.leases import Leases
from pepperpy_bus.streams.clock import ServerClock
from pepperpy_schemas.errors import PepperError

log = get_log("pepperpy.monitor")

TTL: Final = 10.0
"""Seconds after which another replica takes over from one that has died."""
AGAIN: Final = 2.0
"""Seconds after which the lease is asked for again, when the broker refused."""

_SPACE: Final = "monitor"
_NAME: Final = "leader"


class Leading:
    """Wants the lease for as long as `run` runs.

    Attributes:
        leads: Whether this replica holds it; false from the moment on that it may be another's.

    Args:
        cells: The deployment's shared state.
        clock: The server's clock.
        replica: Who this is, for people.
    """

    def __init__(self, cells: Cells, clock: ServerClock, *, replica: str) -> None:
        self.leads = False
        self._leases = Leases(cells, clock, space=_SPACE, holder=f"monitor/{replica}")

    async def run(self) -> None:
        """Takes the lease when it is free, keeps it, and takes it again when it was lost."""
        try:
            lease = await self._leases.take(_NAME, capacity=1, ttl=TTL)
        except PepperError as error:
            log.warning("monitor.no_lease", error=str(error))
            await asyncio.sleep(AGAIN)
            return
        self.leads = True
        log.info("monitor.leads", fence=lease.token)
        try:
            await lease.lost.wait()
        finally:
            self.leads = False
            await lease.release()
