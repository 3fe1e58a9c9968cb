"""One lease that is held: renewed by a task of its own, until it is given back or lost."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from pepperpy_bus.logs import get_log
from pepperpy_bus.streams.clock import ServerClock
from pepperpy_schemas.errors import LeaseLost, PepperError
from pepperpy_schemas.shared import Grant

log = get_log("pepperpy.leases")

_RETRY = 1.0


class Lessor(Protocol):
    """Renews leases and takes them back."""

    @property
    def clock(self) -> ServerClock:
        """The server's clock."""

    async def renew(self, name: str, lease_id: str) -> datetime | None:
        """Renews a lease; returns its end, or None when it is gone."""

    async def leave(self, name: str, lease_id: str) -> None:
        """Takes a lease back, whether it is there or not."""


class Lease:
    """A lease that is held; `Leases` makes them.

    Attributes:
        name: What is held.
        n: How much of it.
        token: The fencing token.
        lost: Set when it has ended before it was released.
    """

    def __init__(self, lessor: Lessor, name: str, grant: Grant) -> None:
        self.name = name
        self.id = grant.id
        self.n = grant.n
        self.token = grant.token
        self.lost = asyncio.Event()
        self._lessor = lessor
        self._ttl = grant.ttl
        self._until = grant.until
        self._on_lost: Callable[[Exception], None] | None = None
        self._keeping = asyncio.create_task(self._keep(), name=f"lease-{name}")

    @property
    def until(self) -> datetime:
        """When it ends unless it is renewed, by the server's clock."""
        return self._until

    def on_lost(self, told: Callable[[Exception], None]) -> None:
        """Calls this when the lease is lost, or at once when it is lost already."""
        self._on_lost = told
        if self.lost.is_set():
            told(self._lost_error())

    def refuse_lost(self) -> None:
        """Raises LeaseLost when the lease is lost."""
        if self.lost.is_set():
            raise self._lost_error()

    async def release(self) -> None:
        """Gives it back; harmless when it is lost. Without a broker its time ends by itself."""
        self._keeping.cancel()
        await asyncio.gather(self._keeping, return_exceptions=True)
        await self._lessor.leave(self.name, self.id)

    async def _keep(self) -> None:
        pause = self._ttl / 3
        while True:
            await asyncio.sleep(max(0.0, min(pause, self._left())))
            # A process that stood still, or a loop that was blocked, comes too late.
            if (left := self._left()) <= 0:
                break
            try:
                async with asyncio.timeout(left):
                    until = await self._lessor.renew(self.name, self.id)
            except (PepperError, TimeoutError) as error:
                log.warning("lease.not_renewed", name=self.name, error=str(error))
                pause = min(_RETRY, self._ttl / 10)
                continue
            if until is None:
                break
            self._until, pause = until, self._ttl / 3
        log.warning("lease.lost", name=self.name, token=self.token)
        self.lost.set()
        if self._on_lost is not None:
            self._on_lost(self._lost_error())

    def _left(self) -> float:
        return (self._until - self._lessor.clock.now()).total_seconds()

    def _lost_error(self) -> LeaseLost:
        return LeaseLost(
            f"the lease of {self.name} was lost: it was not renewed within {self._ttl:g} s",
            context={"name": self.name, "token": self.token},
        )
