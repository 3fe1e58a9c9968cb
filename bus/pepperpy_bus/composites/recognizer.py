"""One composite event looked for by one of all the instances that would do it."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator

from pepperpy_bus.composites.checkpoint import Checkpoint
from pepperpy_bus.composites.composite import Composite
from pepperpy_bus.composites.recognition import Recognition
from pepperpy_bus.link.connection import Connection
from pepperpy_bus.logs import get_log
from pepperpy_bus.state.cells import Cells
from pepperpy_bus.state.leases import Leases
from pepperpy_bus.streams.clock import ServerClock
from pepperpy_schemas.codec import encode
from pepperpy_schemas.errors import PepperError

log = get_log("pepperpy.composites")

LEASE_TTL = 15.0
"""Seconds after the death of an instance when another one goes on."""
AGAIN = 2.0
"""Seconds after an error, before the reading goes on at the checkpoint."""


class Recognizer:
    """Raises a composite event whenever its events have happened, while its context is open.

    Of all the recognizers with the same name and scope one reads, by a lease; should it die,
    another one goes on at its last checkpoint. The lease saves work and nothing else: two that
    read at once find the same matches, and each of these raises one event.

    Args:
        connection: The connection.
        prefix: The deployment's prefix.
        composite: What to look for.
        scope: Who raises it: the agent or rule. It is the scope of the event.
        holder: Which instance this is, for people.
        clock: The server's clock.
    """

    def __init__(
        self,
        connection: Connection,
        prefix: str,
        composite: Composite,
        *,
        scope: str,
        holder: str,
        clock: ServerClock,
    ) -> None:
        self._connection = connection
        self._prefix = prefix
        self._composite = composite
        self._scope = scope
        self._clock = clock
        cells = Cells(connection, prefix)
        self._leases = Leases(cells, clock, space="composite", holder=holder)
        self._checkpoint = Checkpoint(cells, composite, scope)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Reads, or stands by, until the end; what happens from its beginning on counts."""
        await self._clock.fresh()
        await self._checkpoint.begin(self._clock.now_ns())
        name = f"composite-{self._composite.name}"
        reading = asyncio.create_task(self._read_for_ever(), name=name)
        try:
            yield
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _read_for_ever(self) -> None:
        this = asyncio.current_task()
        # An error of the clean-up must not take the place of the cancellation that caused it.
        while this is not None and not this.cancelling():
            try:
                async with self._leases.acquire(self._lease(), capacity=1, ttl=LEASE_TTL):
                    await self._read()
            except PepperError as error:
                log.warning(
                    "composite.interrupted", composite=self._composite.name, error=str(error)
                )
            except Exception:
                # Its worker goes on; nobody must think that this is looked for when it is not.
                log.exception("composite.failed", composite=self._composite.name)
            await asyncio.sleep(AGAIN)

    async def _read(self) -> None:
        start = await self._checkpoint.read(self._clock.now_ns())
        log.info(
            "composite.reading", composite=self._composite.name, held=len(start.unfinished.held)
        )
        recognition = Recognition(
            self._connection,
            self._prefix,
            self._composite,
            self._scope,
            clock=self._clock,
            checkpoint=self._checkpoint,
            start=start,
        )
        await recognition.run()

    def _lease(self) -> str:
        """One token; a name and a scope may be too long for it together."""
        return hashlib.sha256(encode([self._scope, self._composite.name])).hexdigest()[:32]
