"""What replicas tell each other of breakers: one key of the bucket each, by compare-and-set."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from pepperpy_bus.logs import get_log
from pepperpy_bus.state.cells import Cells
from pepperpy_bus.streams.clock import ServerClock
from pepperpy_provider_svc.routing.breaker import probed, wait_of
from pepperpy_provider_svc.routing.circuit import Circuit
from pepperpy_schemas.catalog.provider import BREAKER
from pepperpy_schemas.errors import BadPayload, PepperError, WrongSequence
from pepperpy_schemas.provider import Breaker

log = get_log("pepperpy.provider")

GIVE_UP: Final = 120.0
"""Seconds after which the others are not told any more: the longest pause is over by then."""

_READ_WITHIN = 2.0
_RETRY = 0.5
_KEPT = 600.0  # seconds after its time at which the server forgets a breaker that nobody closed
_DELETED = "1m"

Hear = Callable[[str, Breaker | None, int], None]
"""Gets the name of a breaker, what is told of it, and the revision of that."""


class Sharing:
    """The breakers in the bucket.

    Args:
        cells: The bucket ``provider``.
        clock: The server's clock, by which all replicas agree.
    """

    def __init__(self, cells: Cells, clock: ServerClock) -> None:
        self._cells = cells
        self._clock = clock

    def name(self, target: str, key: str) -> str:
        """Returns the name of a breaker, given both tokens."""
        return self._cells.key(BREAKER, target=target, key=key)

    async def read(self, hear: Hear) -> None:
        """Reads what is there, unless the broker is away."""
        with contextlib.suppress(PepperError, TimeoutError):
            async with asyncio.timeout(_READ_WITHIN):
                for entry in await self._cells.bucket.entries(self._cells.pattern(BREAKER)):
                    hear(entry.key, _decode(entry.value), entry.revision)

    async def follow(self, hear: Hear) -> None:
        """Hears what the others tell, for ever."""
        while True:
            try:
                async for change in self._cells.bucket.watch(self._cells.pattern(BREAKER)):
                    hear(change.key, _decode(change.value), change.revision)
            except PepperError as error:
                log.debug("breakers.not_followed", error=str(error))
                await asyncio.sleep(_RETRY)

    async def take_probe(self, circuit: Circuit, within: float) -> bool | None:
        """Returns whether the probe is the caller's; None when the others cannot be asked."""
        version, now = circuit.version, self._clock.now()
        found: list[Breaker | None] = []

        def edit(before: bytes | None) -> bytes | None:
            theirs = _decode(before)
            mine = probed(theirs, now)
            found[:] = [mine or theirs, mine]
            return None if mine is None else BREAKER.encode(mine)

        try:
            async with asyncio.timeout(within):
                revision = await self._cells.change(circuit.name, edit, ttl=_KEPT)
        except (PepperError, TimeoutError) as error:
            log.info("breaker.not_agreed", breaker=circuit.name, error=str(error))
            return None
        record, mine = found
        circuit.agree(version, record, revision)
        return mine is not None

    async def tell(self, circuit: Circuit) -> None:
        """Tells the others what has happened here, until there is nothing more to tell."""
        loop = asyncio.get_running_loop()
        end = loop.time() + GIVE_UP
        while circuit.telling:
            version, record = circuit.version, circuit.record
            try:
                if record is None:
                    told = await self._close(circuit.name)
                else:
                    told = await self._open(circuit.name, record)
            except PepperError as error:
                log.info("breaker.not_told", breaker=circuit.name, error=str(error))
                if loop.time() > end:
                    circuit.give_up()
                await asyncio.sleep(_RETRY)
            else:
                circuit.agree(version, *told)

    async def _open(self, name: str, record: Breaker) -> tuple[Breaker, int]:
        """Whoever leaves the target alone for longer is right."""
        newest = record

        def edit(before: bytes | None) -> bytes | None:
            nonlocal newest
            theirs = _decode(before)
            newest = theirs if theirs is not None and theirs.until > record.until else record
            return None if newest is theirs else BREAKER.encode(record)

        ttl = wait_of(record, self._clock.now()) + _KEPT
        revision = await self._cells.change(name, edit, ttl=ttl)
        return newest, revision

    async def _close(self, name: str) -> tuple[Breaker | None, int]:
        """Somebody else may have opened it since."""
        gone = 0
        while (entry := await self._cells.get(name)) is not None:
            theirs = _decode(entry.value)
            if theirs is not None and theirs.until > self._clock.now():
                return theirs, entry.revision
            with contextlib.suppress(WrongSequence):
                await self._cells.bucket.delete(name, ttl=_DELETED, revision=entry.revision)
            gone = entry.revision + 1  # at least
        return None, gone


def _decode(value: bytes | None) -> Breaker | None:
    """A breaker that cannot be read keeps nobody from anything."""
    if value is None:
        return None
    try:
        return BREAKER.decode(value)
    except BadPayload as error:
        log.warning("breaker.unreadable", error=str(error))
        return None
