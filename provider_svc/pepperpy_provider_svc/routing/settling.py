"""Corrections of what was taken of a key's limit, made beside the answers."""

from functools import partial
from typing import Final

from pepperpy_bus.groups import TaskGroup
from pepperpy_bus.logs import get_log
from pepperpy_provider_svc.declared.keys import HeldKey
from pepperpy_provider_svc.routing.trip import Rates

log = get_log("pepperpy.provider")

MOST: Final = 1000
"""Corrections that may be on their way; without one more is taken for used than was."""


class Settling:
    """The corrections that are on their way; no answer waits for them.

    Args:
        rates: The fleet's limits.
    """

    def __init__(self, rates: Rates) -> None:
        self._rates = rates
        self._tasks = TaskGroup("settling", limit=MOST, on_crash=_crashed)

    def settle(self, key: HeldKey, reserved: int, used: int) -> None:
        """Says what was really used."""
        if key.tokens_per_minute is None or used == reserved:
            return
        start = partial(self._rates.settle, key, reserved, used)
        self._tasks.try_spawn(start, name=f"{key.provider}-{key.name}")

    async def close(self) -> None:
        """Waits for those that are on their way; none is taken any more."""
        await self._tasks.drain()


def _crashed(name: str, error: BaseException) -> None:
    log.warning("provider.not_settled", task=name, error=repr(error))
