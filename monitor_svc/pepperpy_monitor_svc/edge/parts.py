"""What the handlers of the edge's requests work with."""

import asyncio
import contextlib
from typing import Final

import msgspec
from aiohttp import web

from pepperpy_bus.client import Client
from pepperpy_bus.config import Settings
from pepperpy_monitor_svc.edge.checking import Checks
from pepperpy_monitor_svc.edge.rates import Rates
from pepperpy_monitor_svc.edge.tokens import Tokens
from pepperpy_monitor_svc.http.answers import Refused
from pepperpy_monitor_svc.http.events import Seats
from pepperpy_monitor_svc.http.guessing import Guesses
from pepperpy_monitor_svc.http.places import Places


class Draining:
    """The end of the process, as requests see it.

    Attributes:
        over: Set when those that wait may wait no longer.
    """

    def __init__(self) -> None:
        self._begun = False
        self.over = asyncio.Event()

    async def end(self, grace: float, *places: Places) -> None:
        """Takes no more requests; returns when nobody has a place, at the latest after the grace.

        Args:
            grace: Seconds that those that wait may go on.
            *places: The places of those that wait.
        """
        self._begun = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace):
                for one in places:
                    await one.empty.wait()
        self.over.set()

    def refuse(self) -> None:
        """Refuses what comes now.

        Raises:
            Refused: The process is about to end.
        """
        if self._begun:
            raise Refused(
                503,
                "stopping",
                "this process is about to end",
                hint="ask again: another one answers",
                headers={"Connection": "close", "Retry-After": "2"},
            )


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """What the handlers of requests work with.

    Attributes:
        client: The bus.
        settings: The settings in force.
        checks: What topics take.
        tokens: Who may call.
        rates: How often.
        guesses: Wrong tokens.
        seats: How many may listen.
        waiting: How many may wait for a task.
        bodies: How many bytes of bodies may be held.
        draining: The end of the process.
    """

    client: Client
    settings: Settings
    checks: Checks
    tokens: Tokens
    rates: Rates
    guesses: Guesses
    seats: Seats
    waiting: Places
    bodies: Places
    draining: Draining


PARTS: Final = web.AppKey("parts", Parts)
