"""Requests and tokens per minute of each key, kept by all replicas together."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from pepperpy_bus import gcra
from pepperpy_bus.logs import get_log
from pepperpy_bus.state.batches import BatchedCells
from pepperpy_bus.streams.clock import ServerClock
from pepperpy_provider_svc.declared.keys import HeldKey
from pepperpy_schemas.catalog.provider import RATE
from pepperpy_schemas.errors import Overloaded, RateLimited, Unavailable, Unreachable
from pepperpy_schemas.provider import LimitStatus, RateState
from pepperpy_schemas.tokens import key_token

log = get_log("pepperpy.provider")

PATIENCE: Final = 2.0
"""Seconds to wait for the broker; then the request goes on, and is counted in `Rates.unchecked`.

A limit that cannot be asked must not stop what works: the provider's own limit still stands behind
this one.
"""
KEPT: Final = 3600.0
"""Seconds after which the server forgets a key that is not used: by then it owes nothing."""

_Edit: TypeAlias = Callable[[RateState, datetime], RateState]


class Rates:
    """The limits of keys, exact over all replicas: each change is a compare-and-set.

    Concurrent requests of a replica are counted together, a few round trips for all of them. A key
    without limits costs nothing.

    Args:
        cells: The bucket ``provider``.
        clock: The server's clock, the same for all replicas.

    Attributes:
        unchecked: Requests that were let through because the broker did not answer.
    """

    def __init__(self, cells: BatchedCells, clock: ServerClock) -> None:
        self._cells = cells
        self._clock = clock
        self.unchecked = 0

    async def take(self, key: HeldKey, tokens: int) -> None:
        """Counts a request and its tokens, both or neither.

        Args:
            key: The key that is about to be used.
            tokens: An estimate from above of what the request and its answer have.

        Raises:
            RateLimited: The fleet has used up the key's minute; ``context.retry_after`` says how
                many seconds it takes.
        """
        if not _limited(key):
            return
        try:
            await self._change(key, lambda state, now: _taken(key, state, now, tokens))
        except (Overloaded, Unavailable, Unreachable, TimeoutError) as error:
            self.unchecked += 1
            log.warning("provider.rate_unchecked", **_named(key), error=str(error) or "no answer")

    async def settle(self, key: HeldKey, reserved: int, used: int) -> None:
        """Gives back tokens that were taken and not used, or counts those used beyond.

        Without a broker what was taken counts.
        """
        if key.tokens_per_minute is None or used == reserved:
            return
        try:
            await self._change(key, lambda state, now: _settled(key, state, now, reserved, used))
        except (Overloaded, Unavailable, Unreachable, TimeoutError) as error:
            log.warning("provider.rate_unsettled", **_named(key), error=str(error) or "no answer")

    async def limits(self, key: HeldKey) -> list[LimitStatus]:
        """Returns each limit of a key with what is used of it now."""
        if not _limited(key):
            return []
        await self._clock.fresh()
        entry = await self._cells.get(self._cell(key))
        state = RateState() if entry is None else RATE.decode(entry.value)
        return [
            LimitStatus(
                name=f"key {key.provider}/{key.name}",
                unit=f"{unit}/min",
                limit=limit,
                used=round(gcra.used(ahead, self._clock.now(), limit), 3),
            )
            for unit, limit, ahead in (
                ("requests", key.requests_per_minute, state.requests),
                ("tokens", key.tokens_per_minute, state.tokens),
            )
            if limit is not None
        ]

    async def _change(self, key: HeldKey, edit: _Edit) -> None:
        def edit_body(body: bytes | None) -> bytes:
            before = RateState() if body is None else RATE.decode(body)
            return RATE.encode(edit(before, self._clock.now()))

        async with asyncio.timeout(PATIENCE):
            await self._clock.fresh()
            await self._cells.change(self._cell(key), edit_body, ttl=KEPT, within=PATIENCE)

    def _cell(self, key: HeldKey) -> str:
        return self._cells.key(RATE, key=key_token(f"{key.provider}/{key.name}"))


def _limited(key: HeldKey) -> bool:
    return key.requests_per_minute is not None or key.tokens_per_minute is not None


def _named(key: HeldKey) -> dict[str, str]:
    return {"provider": key.provider, "key": key.name}


def _taken(key: HeldKey, state: RateState, now: datetime, tokens: int) -> RateState:
    requests_at, tokens_at = state.requests, state.tokens
    pause, unit = timedelta(0), ""
    if (limit := key.requests_per_minute) is not None:
        pause, unit = max((pause, unit), (gcra.wait(requests_at, now, 1, limit), "requests"))
        requests_at = gcra.taken(requests_at, now, 1, limit)
    if (limit := key.tokens_per_minute) is not None:
        due = gcra.wait(tokens_at, now, tokens, limit, estimated=True)
        pause, unit = max((pause, unit), (due, "tokens"))
        tokens_at = gcra.taken(tokens_at, now, tokens, limit, estimated=True)
    if pause > timedelta(0):
        name = f"{key.provider}/{key.name}"
        raise RateLimited(
            f"the {unit} per minute of key {name} are used up",
            hint=f"try again in {pause.total_seconds():.1f} s, or give the provider another key",
            context={"retry_after": round(pause.total_seconds(), 3), "key": name},
        )
    return RateState(requests=requests_at, tokens=tokens_at)


def _settled(key: HeldKey, state: RateState, now: datetime, reserved: int, used: int) -> RateState:
    assert key.tokens_per_minute is not None, "only such a key is settled"
    tokens_at = gcra.corrected(state.tokens, now, reserved, used, key.tokens_per_minute)
    return RateState(requests=state.requests, tokens=tokens_at)
