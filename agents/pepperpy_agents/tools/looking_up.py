"""Looking up on the bus what tools stand for: once for many tasks, and again when that is old."""

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from pepperpy_agents.tools.tool import Tool
from pepperpy_bus.logs import get_log
from pepperpy_schemas.errors import BadPayload, NotFound

if TYPE_CHECKING:
    from pepperpy_bus.client import Client

log = get_log("pepperpy.tools")

HOLDS: Final = 60.0
"""Seconds for which what was found holds."""
AGAIN: Final = 5.0
"""Seconds after which is looked again for what was not there."""


class Lookup:
    """Looks up the tools of one toolbox.

    Args:
        tools: The tools.
    """

    def __init__(self, tools: Sequence[Tool]) -> None:
        self._tools = tools
        self._known: list[Sequence[Tool]] = [[one] for one in tools]
        self._unknown = any(one.find is not None for one in tools)
        self._until = 0.0
        self._looking = asyncio.Lock()

    async def done(self, client: "Client") -> list[Tool] | None:
        """Returns all tools as they are known now; None when there is nothing new.

        Raises:
            PepperError: The bus did not answer.
        """
        if not self._unknown or time.monotonic() < self._until:
            return None
        async with self._looking:
            if time.monotonic() < self._until:
                return None
            parts = await asyncio.gather(*(_found(one, client) for one in self._tools))
            missing = any(part is None for part in parts)
            self._until = time.monotonic() + (AGAIN if missing else HOLDS)
            # What is away for a moment stays what it was.
            self._known = [
                before if part is None else part
                for before, part in zip(self._known, parts, strict=True)
            ]
            return [one for part in self._known for one in part]


async def _found(tool: Tool, client: "Client") -> Sequence[Tool] | None:
    """What a tool stands for; None when it is not there, or says of itself what cannot be."""
    if tool.find is None:
        return [tool]
    try:
        return await tool.find(client)
    except (NotFound, BadPayload) as error:
        log.warning("tools.not_found", tool=tool.name, error=str(error))
        return None
