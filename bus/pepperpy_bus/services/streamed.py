"""Streamed answers on their way: whole, or an error."""

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial

from pepperpy_bus.groups import TaskGroup
from pepperpy_bus.link.connection import Connection
from pepperpy_bus.logs import get_log
from pepperpy_schemas.codec import encode
from pepperpy_schemas.errors import PepperError, Unavailable

log = get_log("pepperpy.service")


class StreamedAnswers:
    """The streamed answers of a service.

    Args:
        connection: The connection.
        service: The service's name.
        notes: Runs what is sent beside the answers.
    """

    def __init__(self, connection: Connection, service: str, notes: TaskGroup) -> None:
        self._connection = connection
        self._service = service
        self._notes = notes
        self._breaking: dict[int, Callable[[PepperError], None]] = {}

    async def send(self, reply: str, items: AsyncIterator[object], probe: type | None) -> None:
        """Sends each item, then the end; an item that may be lost makes it an error instead.

        Args:
            reply: Where to.
            items: The items; they are closed, however it ends.
            probe: The type of those that ask whether the caller is still there.
        """
        broken: list[PepperError] = []
        key = id(broken)
        self._breaking[key] = broken.append
        probing: asyncio.Task[object] | None = None
        answering = asyncio.current_task()
        assert answering is not None, "requests run in tasks"
        try:
            async for item in items:
                if broken:
                    raise broken[0]
                if probe is None or not isinstance(item, probe) or (probing and not probing.done()):
                    await self._connection.publish(reply, encode(item))
                    continue
                ask = partial(self._probe, reply, encode(item), answering)
                probing = self._notes.try_spawn(ask, name="probe")
                await asyncio.sleep(0)  # it is sent before the next item
            if broken:
                raise broken[0]
            await self._connection.publish(reply)
        finally:
            del self._breaking[key]
            if probing is not None:
                probing.cancel()
            close = getattr(items, "aclose", None)
            if close is not None:
                await close()

    def break_all(self) -> None:
        """Makes all of them errors: what was sent last may have been lost."""
        for tell in self._breaking.values():
            tell(
                Unavailable(f"the connection of {self._service} broke in the middle of the answer")
            )

    async def _probe(self, reply: str, item: bytes, answering: "asyncio.Task[object]") -> None:
        """Sends an item, and cancels the answer when the server says that nobody hears it.

        A caller has the time until the next item to be missed: nothing is asked of it, so that a
        client of any language is one whose lease lasts as long as its subscription.
        """
        if await self._connection.unheard(reply, item):
            log.info("service.caller_gone", service=self._service)
            answering.cancel("the caller went away")
