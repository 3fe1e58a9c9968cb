"""What the replica that leads knows of alerts, where the next one finds it.

What cannot be written now is written later: the broker being away is itself worth an alert, and
nobody may wait for it.
"""

import asyncio
from typing import Final

from pepperpy_bus.logs import get_log
from pepperpy_bus.state.cells import FORGET, Cells, ttl_text
from pepperpy_monitor_svc.alerts.evaluator import LONGEST
from pepperpy_schemas.alerts import Alert, Told
from pepperpy_schemas.catalog.state import ALERT, ALERT_TOLD
from pepperpy_schemas.codec import decode, encode
from pepperpy_schemas.errors import PepperError

log = get_log("pepperpy.alerts")

_TOLD_KEPT: Final = 30 * 86400.0
"""Seconds after which what was told is forgotten: more than any repeat."""


class Stored:
    """Alerts and what was told of them, in the deployment's state.

    Args:
        cells: The deployment's shared state.
    """

    def __init__(self, cells: Cells) -> None:
        self._cells = cells
        self._writing = asyncio.Lock()
        self._unwritten: dict[str, tuple[bytes | None, float | None]] = {}

    @property
    def unwritten(self) -> int:
        """Values that wait for the broker."""
        return len(self._unwritten)

    def keep(self, alert: Alert) -> None:
        """Notes an alert for the next `flush`."""
        key = self._cells.key(ALERT, id=alert.id)
        if alert.fired is None and alert.state == "resolved":
            self._unwritten[key] = None, None
            return
        over = LONGEST if alert.state == "resolved" else None
        self._unwritten[key] = encode(alert), over

    def keep_told(self, group: str, told: Told) -> None:
        """Notes what a receiver was told for the next `flush`."""
        key = self._cells.key(ALERT_TOLD, receiver=told.receiver, group=group)
        self._unwritten[key] = (encode(told) if told.alerts else None), _TOLD_KEPT

    async def flush(self) -> bool:
        """Writes what was noted; what cannot be written stays noted. Returns whether all could."""
        async with self._writing:
            for key, (value, ttl) in list(self._unwritten.items()):
                try:
                    await self._write(key, value, ttl)
                except PepperError as error:
                    log.warning("alerts.not_stored", left=self.unwritten, error=str(error))
                    return False
                if self._unwritten.get(key) == (value, ttl):
                    del self._unwritten[key]
        return True

    async def _write(self, key: str, value: bytes | None, ttl: float | None) -> None:
        if value is None:
            await self._cells.bucket.delete(key, ttl=FORGET)
            return
        text = "" if ttl is None else ttl_text(ttl)
        await self._cells.bucket.put(key, value, ttl=text)

    async def alerts(self) -> list[Alert]:
        """Returns the alerts that are stored.

        Raises:
            PepperError: The broker does not answer.
        """
        found = []
        for entry in await self._cells.bucket.entries(self._cells.pattern(ALERT)):
            try:
                found.append(decode(entry.value, Alert))
            except PepperError as error:
                log.warning("alerts.unreadable", key=entry.key, error=str(error))
        return found

    async def told(self) -> dict[tuple[str, str], Told]:
        """Returns what was told, by receiver and group.

        Raises:
            PepperError: The broker does not answer.
        """
        found = {}
        for entry in await self._cells.bucket.entries(self._cells.pattern(ALERT_TOLD)):
            _, receiver, group = entry.key.split(".")
            try:
                found[receiver, group] = decode(entry.value, Told)
            except PepperError as error:
                log.warning("alerts.unreadable", key=entry.key, error=str(error))
        return found
