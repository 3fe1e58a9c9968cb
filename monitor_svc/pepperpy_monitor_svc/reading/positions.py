"""How far the streams were read by any monitor, kept in the broker.

A monitor reads the streams anew when it starts. The position only tells what went while no monitor
was there: whatever is neither kept nor was read is a gap.
"""

from collections.abc import Mapping
from typing import Final

from pepperpy_bus.logs import get_log
from pepperpy_bus.state.cells import Cells
from pepperpy_schemas.catalog.monitor import POSITIONS
from pepperpy_schemas.errors import PepperError
from pepperpy_schemas.monitor_requests import Position, Positions

log = get_log("pepperpy.monitor")

_NAME: Final = "positions"


class KeptPositions:
    """The record of positions.

    Args:
        cells: The deployment's shared state.
    """

    def __init__(self, cells: Cells) -> None:
        self._cells = cells
        self._key = cells.key(POSITIONS, name=_NAME)
        self._saved: dict[str, Position] = {}

    async def read(self) -> dict[str, Position]:
        """Returns the position of each stream; none where nobody has read yet."""
        try:
            entry = await self._cells.get(self._key)
            return {} if entry is None else POSITIONS.decode(entry.value).streams
        except PepperError as error:
            log.warning("monitor.positions_unreadable", error=str(error))
            return {}

    async def save(self, streams: Mapping[str, Position]) -> None:
        """Stores the positions, unless they are what was stored last."""
        if streams == self._saved:
            return
        body = POSITIONS.encode(Positions(dict(streams)))
        try:
            await self._cells.bucket.put(self._key, body)
        except PepperError as error:
            log.warning("monitor.positions_not_saved", error=str(error))
        else:
            self._saved = dict(streams)
