"""Named resources with a capacity: GPUs, licences, seats of an API."""

from datetime import datetime

import msgspec

from pepperpy_bus.state import queueing
from pepperpy_bus.state.cells import FORGET, Cells
from pepperpy_bus.state.leases import Leases
from pepperpy_bus.streams.clock import ServerClock
from pepperpy_schemas.errors import BadConfig, NotFound
from pepperpy_schemas.shared import Resource


class Resources(Leases):
    """The resources of a deployment; `acquire` holds a share of one.

    Args:
        cells: The bucket.
        clock: The server's clock.
        holder: Who holds what is taken here, for people: ``agent/instance``.
    """

    def __init__(self, cells: Cells, clock: ServerClock, *, holder: str = "") -> None:
        super().__init__(cells, clock, space="resource", holder=holder, kept=None)

    async def define(self, name: str, *, capacity: int) -> None:
        """Says how much there is of a resource, or that it is more or less from now on.

        Who holds more than a smaller capacity keeps it until its release; who waits for more than
        there is any longer gets an error.

        Raises:
            BadName: The name is not valid.
            BadConfig: The capacity is less than 1.
        """
        if capacity < 1:
            raise BadConfig(
                f"resource {name}: capacity is {capacity}",
                hint="give 1 or more, or remove it: pepperpy resources rm",
            )

        def edit(resource: Resource | None, now: datetime) -> Resource:
            if resource is None:
                return queueing.fresh(capacity, now)
            return queueing.settled(msgspec.structs.replace(resource, capacity=capacity), now)

        await self.clock.fresh()
        await self._change(name, edit)

    async def remove(self, name: str) -> None:
        """Removes a resource; who holds a share of it loses it at the next renewal.

        Raises:
            NotFound: Nobody has defined it.
        """
        await self.get(name)
        await self._cells.bucket.delete(self._key(name), ttl=FORGET)

    def _unknown(self, name: str) -> NotFound:
        return NotFound(
            f"nobody has defined resource {name}",
            hint=f"define it once: pepperpy resources define {name} --capacity N",
            context={"name": name},
        )
