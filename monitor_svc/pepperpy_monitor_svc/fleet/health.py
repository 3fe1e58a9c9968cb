"""How each part of the deployment is, and the worst of them."""

from typing import Final

import msgspec

from pepperpy_monitor_svc.fleet.roster import Roster
from pepperpy_schemas.monitor import ComponentHealth, Status

_MOST: Final = 500
_WORST_FIRST: Final[tuple[Status, ...]] = ("down", "degraded", "unknown", "ok")


class _Slot:
    """The last that was found of a component."""

    __slots__ = ("found",)

    def __init__(self, _: str) -> None:
        self.found: ComponentHealth | None = None


class Health:
    """All components that somebody looked at."""

    def __init__(self) -> None:
        self._components: Roster[str, _Slot] = Roster(_MOST, _Slot)

    def take(self, found: ComponentHealth) -> None:
        """Takes how a component is; since when it is so is known from what was found before."""
        slot = self._components.use(found.name)
        before = slot.found
        if found.since is None:
            same = before is not None and before.status == found.status
            since = before.since if before is not None and same else found.at
            found = msgspec.structs.replace(found, since=since)
        slot.found = found

    def shown(self) -> list[ComponentHealth]:
        """Returns all components, those that are worst first."""
        found = [slot.found for slot in self._components.values() if slot.found is not None]
        return sorted(found, key=lambda one: (_WORST_FIRST.index(one.status), one.kind, one.name))

    def worst(self) -> Status:
        """Returns the worst status; unknown when none is known.

        A part that is not there, as a deployment without models has no provider, is no harm.
        """
        known = [one.status for one in self.shown() if one.status != "unknown"]
        return known[0] if known else "unknown"
