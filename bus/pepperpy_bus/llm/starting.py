"""Moments in which nobody serves: the service starts, or its only replica is replaced."""

import asyncio
from typing import Final

from pepperpy_bus.services.calls import is_unheard
from pepperpy_schemas.errors import Unavailable

START: Final = 6.0
"""Seconds that a service which is not there yet is waited for."""

_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 0.5


class Starting:
    """The patience of one request with a service that is not there.

    Args:
        seconds: How long to wait in all.
        loop: The event loop.
        what: What is the matter when nobody comes.
        hint: What to do about it.
    """

    def __init__(
        self,
        seconds: float,
        loop: asyncio.AbstractEventLoop,
        *,
        what: str = "nobody serves models here",
        hint: str = "start the provider service: pepperpy provider run, or pepperpy up, "
        "which says so where it leaves models out",
    ) -> None:
        self._loop = loop
        self._what = what
        self._hint = hint
        self._end = loop.time() + seconds
        self._pause = _FIRST_PAUSE

    async def wait(self, error: Unavailable) -> None:
        """Returns when it is time to ask again.

        Args:
            error: What the last try ended with.

        Raises:
            Unavailable: Nobody has come, or it is something else that is not there.
        """
        if not is_unheard(error):
            raise error
        if self._loop.time() + self._pause > self._end:
            raise Unavailable(self._what, hint=self._hint, context=error.context) from error
        await asyncio.sleep(self._pause)
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)
