"""Leases: a share of something for a time, renewed while it is held, never given out twice.

One record of the bucket has the capacity, who holds how much, and who waits; every change of it is
a compare-and-set. Times are the server's. The token of a lease is higher than that of every
earlier one of the same name: what it protects can refuse the writes of a holder that was late.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from pepperpy_bus.cancel_scopes import CancelScope
from pepperpy_bus.logs import get_log
from pepperpy_bus.state import queueing
from pepperpy_bus.state.cells import Cells
from pepperpy_bus.state.lease import Lease
from pepperpy_bus.state.watching import Watch
from pepperpy_bus.streams.clock import ServerClock
from pepperpy_bus.units import Duration, parse_duration
from pepperpy_schemas.catalog.state import LEASES
from pepperpy_schemas.errors import (
    BadConfig,
    LeaseLost,
    NotFound,
    PepperError,
)
from pepperpy_schemas.shared import Grant, Resource, Waiter
from pepperpy_schemas.tokens import new_id

log = get_log("pepperpy.leases")

TTL: Final = "30s"
"""How long a lease outlives a holder that has died."""
KEPT: Final = 86_400.0
"""Seconds after its last change at which a name is forgotten that needs no definition."""

_SHORTEST = 1.0
_RELEASE = 15.0  # elections take 5 to 10 s
_STAGGER = timedelta(seconds=0.05)
_AGAIN = timedelta(seconds=0.25)

_Edit: TypeAlias = Callable[[Resource | None, datetime], Resource | None]


class Leases:
    """The leases of one space of names.

    Args:
        cells: The bucket.
        clock: The server's clock.
        space: The space: ``resource``, ``shard``.
        holder: Who holds what is taken here, for people: ``agent/instance``.
        kept: Seconds after the last change at which a name is forgotten; None for never.
    """

    def __init__(
        self,
        cells: Cells,
        clock: ServerClock,
        *,
        space: str,
        holder: str = "",
        kept: float | None = KEPT,
    ) -> None:
        self.clock = clock
        self._cells = cells
        self._space = space
        self._holder = holder
        self._kept = kept

    @contextlib.asynccontextmanager
    async def acquire(
        self,
        name: str,
        n: int = 1,
        *,
        capacity: int | None = None,
        ttl: Duration = TTL,
        wait: Duration | None = None,
        holder: str = "",
    ) -> AsyncIterator[Lease]:
        """Holds a share while the block runs; see `take`.

        Raises:
            LeaseLost: It was not renewed in time, because the broker was away or the process stood
                still. The block is cancelled at that moment.
        """
        lease = await self.take(name, n, capacity=capacity, ttl=ttl, wait=wait, holder=holder)
        try:
            async with CancelScope() as scope:
                lease.on_lost(scope.end)
                yield lease
        finally:
            await lease.release()

    async def take(
        self,
        name: str,
        n: int = 1,
        *,
        capacity: int | None = None,
        ttl: Duration = TTL,
        wait: Duration | None = None,
        holder: str = "",
    ) -> Lease:
        """Returns a lease, which is renewed until its `release`; first come, first served.

        Args:
            name: What to hold.
            n: How much of it.
            capacity: How much there is, for names that nobody has defined.
            ttl: How long the lease outlives a holder that has died; at least a second.
            wait: How long to wait for it; for ever by default, not at all with 0.
            holder: Who holds it, for people.

        Raises:
            NotFound: Nobody has defined it, and no capacity was given.
            BadConfig: It has less capacity than ``n``, or another than was given.
            TimeoutError: It was not free in time.
        """
        if n < 1:
            raise BadConfig(f"{self._space} {name}: n is {n}", hint="take at least 1")
        seconds = parse_duration(ttl)
        if seconds < _SHORTEST:
            raise BadConfig(f"{self._space} {name}: ttl is {seconds:g} s", hint="take at least 1s")
        limit = None if wait is None else parse_duration(wait)
        await self.clock.fresh()
        now = self.clock.now()
        place = timedelta(seconds=queueing.PLACE)
        wish = Waiter(new_id(), holder or self._holder, n, seconds, now, now + place)
        try:
            grant = await self._ask(name, wish, capacity, queue=limit != 0)
            if grant is None:
                async with asyncio.timeout(limit):
                    grant = await self._wait(name, wish, capacity)
        except TimeoutError:
            await self.leave(name, wish.id)
            raise TimeoutError(f"{self._space} {name} was not free within {limit:g} s") from None
        except BaseException:
            # Canceled, or cut off: whether the last write has come through nobody knows.
            await self.leave(name, wish.id)
            raise
        return Lease(self, name, grant)

    async def get(self, name: str) -> Resource:
        """Returns who holds how much, and who waits.

        Raises:
            NotFound: Nobody has defined it.
        """
        await self.clock.fresh()
        entry = await self._cells.get(self._key(name))
        if entry is None:
            raise self._unknown(name)
        return queueing.settled(LEASES.decode(entry.value), self.clock.now())

    async def ls(self) -> dict[str, Resource]:
        """Returns every name with who holds how much, and who waits, sorted by name."""
        await self.clock.fresh()
        entries = await self._cells.bucket.entries(self._cells.pattern(LEASES, space=self._space))
        now = self.clock.now()
        found = {
            entry.key.rpartition(".")[2]: queueing.settled(LEASES.decode(entry.value), now)
            for entry in entries
        }
        return {name: found[name] for name in sorted(found)}

    async def check(self, name: str, token: int) -> None:
        """Makes sure that the lease with this token is held now.

        Raises:
            LeaseLost: It is not.
        """
        try:
            resource = await self.get(name)
        except NotFound:
            held = False
        else:
            held = any(grant.token == token for grant in resource.held)
        if not held:
            raise LeaseLost(
                f"nobody holds {self._space} {name} with token {token}",
                context={"name": name, "token": token},
            )

    async def renew(self, name: str, lease_id: str) -> datetime | None:
        """Renews a lease or a place in the queue; returns its end, or None when it is gone."""
        until: list[datetime] = []

        def edit(resource: Resource | None, now: datetime) -> Resource | None:
            until.clear()
            after = queueing.renewed(resource, lease_id, now) if resource is not None else None
            grant = queueing.grant_of(after, lease_id) if after is not None else None
            if grant is not None:
                until.append(grant.until)
            elif after is not None:
                until.append(now + timedelta(seconds=queueing.PLACE))
            return after

        await self._change(name, edit)
        return until[0] if until else None

    async def leave(self, name: str, lease_id: str) -> None:
        """Gives a lease or a place in the queue up, whether it is there or not."""

        def edit(resource: Resource | None, now: datetime) -> Resource | None:
            if resource is None:
                return None
            known = queueing.grant_of(resource, lease_id) or (
                queueing.place_of(resource, lease_id) is not None
            )
            return queueing.left(resource, lease_id, now) if known else None

        try:
            async with asyncio.timeout(_RELEASE):
                await self._change(name, edit)
        except (PepperError, TimeoutError) as error:
            log.warning("lease.not_released", name=name, error=str(error))

    # --- waiting --------------------------------------------------------------------------------

    async def _ask(
        self, name: str, wish: Waiter, capacity: int | None, *, queue: bool = True
    ) -> Grant | None:
        """Asks for a share, or for a place in the queue; returns the share when there is room."""
        granted: list[Grant] = []

        def edit(resource: Resource | None, now: datetime) -> Resource | None:
            granted.clear()
            if resource is None:
                if capacity is None:
                    raise self._unknown(name)
                resource = queueing.fresh(capacity, now)
            self._refuse_impossible(name, resource, wish.n, capacity)
            after = queueing.joined(resource, wish, now)
            grant = queueing.grant_of(after, wish.id)
            if grant is not None:
                granted.append(grant)
            return after if queue or grant is not None else None

        await self._change(name, edit)
        return granted[0] if granted else None

    async def _wait(self, name: str, wish: Waiter, capacity: int | None) -> Grant:
        """Waits until somebody's write has granted the share; keeps the place meanwhile."""
        clock, pause = self.clock, timedelta(seconds=queueing.PLACE / 3)
        renew_at = look_at = clock.now() + pause
        async with Watch(self._cells.bucket, self._key(name)) as watch:
            while True:
                if await watch.changed((min(renew_at, look_at) - clock.now()).total_seconds()):
                    resource = watch.resource
                    place = queueing.place_of(resource, wish.id) if resource is not None else None
                    if resource is None or place is None:
                        # Granted; or removed, or given up while this process stood still.
                        if (grant := await self._ask(name, wish, capacity)) is not None:
                            return grant
                        continue
                    # The first in the queue looks first when a holder has died.
                    end = queueing.next_end(resource) or renew_at
                    look_at = end + place * _STAGGER
                elif clock.now() >= renew_at:
                    await self.renew(name, wish.id)
                    renew_at = clock.now() + pause
                else:
                    await self._change(name, _settle)
                    look_at = clock.now() + _AGAIN

    # --- the record -----------------------------------------------------------------------------

    async def _change(self, name: str, edit: _Edit) -> None:
        def edit_body(body: bytes | None) -> bytes | None:
            before = LEASES.decode(body) if body is not None else None
            after = edit(before, self.clock.now())
            return None if after is None or after == before else LEASES.encode(after)

        await self._cells.change(self._key(name), edit_body, ttl=self._kept)

    def _key(self, name: str) -> str:
        return self._cells.key(LEASES, space=self._space, name=name)

    def _unknown(self, name: str) -> NotFound:
        return NotFound(f"nobody has defined {self._space} {name}", context={"name": name})

    def _refuse_impossible(
        self, name: str, resource: Resource, n: int, capacity: int | None
    ) -> None:
        if capacity is not None and capacity != resource.capacity:
            raise BadConfig(
                f"{self._space} {name} has a capacity of {resource.capacity}, not {capacity}",
                hint="leave capacity= out, or define it anew",
            )
        if n > resource.capacity:
            raise BadConfig(
                f"{self._space} {name} has a capacity of {resource.capacity}: {n} is never free",
                hint="take less, or define it with a larger capacity",
            )


def _settle(resource: Resource | None, now: datetime) -> Resource | None:
    return resource and queueing.settled(resource, now)
