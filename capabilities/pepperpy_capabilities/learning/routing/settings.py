"""How routers route, stored apart from what they learned: the kill switch needs nothing else."""

from collections.abc import Callable

import msgspec

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.state.cells import Cells
from pepperpy_bus.units import now
from pepperpy_capabilities.learning.bandits.learner import check_options
from pepperpy_capabilities.learning.routing.rewards import check_weights
from pepperpy_schemas.catalog.state import ROUTER_SETTING
from pepperpy_schemas.errors import BadProblem, NotFound
from pepperpy_schemas.learned_routes import RouterSetting


class RouterSettings:
    """How the routers of a deployment route.

    Args:
        connection: The connection.
        prefix: The deployment's prefix.
    """

    def __init__(self, connection: Connection, prefix: str) -> None:
        self._cells = Cells(connection, prefix)

    async def get(self, name: str) -> RouterSetting:
        """Returns the newest setting of a router.

        Raises:
            NotFound: There is no such router.
        """
        entry = await self._cells.get(self._key(name))
        if entry is None:
            raise NotFound(
                f"there is no router {name}",
                hint="its first task makes it, and so does: pepperpy route mode",
                context={"name": name},
            )
        return ROUTER_SETTING.decode(entry.value)

    async def begin(self, name: str, setting: RouterSetting | None = None) -> RouterSetting:
        """Returns the setting of a router; if there is none yet, it is this one from now on.

        Raises:
            BadProblem: Parts of it contradict each other.
        """
        try:
            return await self.get(name)
        except NotFound:
            return await self.change(name, lambda there: there or setting or RouterSetting())

    async def change(
        self, name: str, edit: Callable[[RouterSetting | None], RouterSetting], *, by: str = ""
    ) -> RouterSetting:
        """Changes a setting by compare-and-set, and returns it.

        Args:
            name: The router.
            edit: Makes the next setting of the present one; called again whenever somebody was
                faster. What it raises ends the change.
            by: Who says to change it.

        Raises:
            BadProblem: Parts of it contradict each other.
        """
        found: list[RouterSetting] = []

        def edited(body: bytes | None) -> bytes | None:
            there = None if body is None else ROUTER_SETTING.decode(body)
            after = edit(there)
            check_setting(after)
            found[:] = [after]
            if after == there:
                return None
            found[:] = [msgspec.structs.replace(after, changed=now(), by=by)]
            return ROUTER_SETTING.encode(found[0])

        await self._cells.change(self._key(name), edited)
        return found[0]

    async def names(self) -> list[str]:
        """Returns the names of all routers, sorted."""
        pattern = self._cells.pattern(ROUTER_SETTING)
        entries = await self._cells.bucket.entries(pattern)
        return sorted(one.key.rpartition(".")[2] for one in entries)

    def _key(self, name: str) -> str:
        return self._cells.key(ROUTER_SETTING, name=name)


def check_setting(setting: RouterSetting) -> None:
    """Looks whether a setting can be used.

    Raises:
        BadConfig: LinUCB needs numpy, which is not installed.
        BadProblem: Parts of it contradict each other.
    """
    for field in ("exploration", "spread"):
        if not 0 <= getattr(setting, field) <= 1:  # NaN is written as null, and never read again
            raise BadProblem(
                f"{field} is {getattr(setting, field)}, and no share from 0 to 1",
                context={"field": f"setting.{field}"},
            )
    check_weights(setting.reward)
    check_options(setting.bandit)
