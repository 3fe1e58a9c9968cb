"""Interest in a subject, and its end."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Self

from pepperpy_bus.link.wire import Listener, Wire
from pepperpy_bus.logs import get_log
from pepperpy_schemas.errors import PepperError

log = get_log("pepperpy.bus")

# What a silent server has sent comes again; a process that is to end must not wait for it.
_DRAIN_TIMEOUT = 1.0


class Subscription:
    """Interest in a subject; leaving its context, or `stop`, ends it.

    Args:
        wire: The connection that it lives on.
        inner: Its entry there.
        flush: Returns when the server has seen everything sent so far.
    """

    def __init__(self, wire: Wire, inner: Listener, flush: Callable[[], Awaitable[None]]) -> None:
        self._wire = wire
        self._inner = inner
        self._flush = flush

    @property
    def subject(self) -> str:
        """The subject as it was subscribed."""
        return self._inner.subject

    async def stop(self) -> None:
        """Ends the subscription; harmless when the connection is gone."""
        self._wire.unlisten(self._inner)

    async def drain(self) -> None:
        """Ends the subscription after handing on what the server has already sent."""
        # The library forgets a subscription before the server does; what comes between is lost.
        if self._wire.is_connected:
            self._wire.unlisten(self._inner, forget=False)
            try:
                async with asyncio.timeout(_DRAIN_TIMEOUT):
                    await self._flush()
            except (PepperError, TimeoutError) as error:
                log.debug("bus.drain_cut_short", subject=self.subject, error=str(error))
        self._wire.forget(self._inner)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()
