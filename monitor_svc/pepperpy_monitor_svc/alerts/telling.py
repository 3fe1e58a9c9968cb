"""What the replica that leads does with alerts: stores them for the next one, and tells people."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterable, Mapping

from pepperpy_bus.client import Client
from pepperpy_bus.events import Emitter
from pepperpy_bus.logs import get_log
from pepperpy_bus.state.cells import Cells
from pepperpy_monitor_svc.alerts.notifier import Notifier
from pepperpy_monitor_svc.alerts.receivers import Notifying
from pepperpy_monitor_svc.alerts.stored import Stored
from pepperpy_schemas.alerts import Alert, Told
from pepperpy_schemas.errors import PepperError

log = get_log("pepperpy.alerts")


class Telling:
    """Stores and tells, while `running`; what cannot be stored is told all the same.

    Args:
        client: The connected client.
        cells: The deployment's shared state.
        url: Address of the dashboard, for people who are told.
        patience: Seconds that people may wait until it is stored what they are told.

    Attributes:
        notifier: Tells them.
    """

    def __init__(self, client: Client, cells: Cells, *, url: str, patience: float) -> None:
        self._connection = client.connection
        self._patience = patience
        self._stored = Stored(cells)
        self._store_again = 0.0
        self._emitter = Emitter(client.connection, client.prefix)
        self.notifier = Notifier(Notifying(), self._emitter, self._remember, url=url)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Has the bus and receivers be told within the block."""
        async with self._emitter, self.notifier:
            yield

    async def take_over(self) -> list[Alert] | None:
        """Goes on from where the leader before stood.

        Returns:
            The alerts that there were; None when that cannot be known now.
        """
        await self._stored.flush()
        try:
            alerts, told = await self._stored.alerts(), await self._stored.told()
        except PepperError as error:
            log.warning("alerts.not_taken_over", error=str(error))
            return None
        self.notifier.told = told
        log.info("alerts.taken_over", alerts=len(alerts), told=len(told))
        return alerts

    async def tell(
        self,
        changed: Iterable[Alert],
        alerts: Iterable[Alert],
        hidden: Mapping[str, str],
        at: float,
    ) -> None:
        """Stores what has changed, then tells what there is to tell.

        Args:
            changed: The alerts that have changed.
            alerts: All of them.
            hidden: Those nobody is told of now, by their ids, with what hides them.
            at: The time, seconds since the epoch.
        """
        for one in changed:
            self._stored.keep(one)
        await self._flush()
        await self.notifier.tell(alerts, hidden, at)

    async def _remember(self, group: str, told: Told) -> None:
        self._stored.keep_told(group, told)
        await self._flush()

    async def _flush(self) -> None:
        """Stores what is not stored yet, unless that takes so long that people would wait."""
        if not self._connection.connected or time.monotonic() < self._store_again:
            return
        stored = False
        try:
            async with asyncio.timeout(self._patience):
                stored = await self._stored.flush()
        except TimeoutError:
            log.warning("alerts.not_stored", left=self._stored.unwritten, error="too slow")
        if not stored:
            # Once for all that there is to tell, not for each alert.
            self._store_again = time.monotonic() + self._patience
