"""The running time of attempts, counted against a budget of seconds slice by slice.

Each attempt reserves a slice before it runs and the next one before that is used up, so attempts
that run at the same time never use more than there is. What was not used is given back at the end.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Final

from pepperpy_bus.cancel_scopes import CancelScope
from pepperpy_bus.logs import get_log
from pepperpy_bus.state.budget import TaskBudget
from pepperpy_schemas.errors import BudgetExceeded, PepperError
from pepperpy_schemas.shared import Amounts
from pepperpy_schemas.tokens import new_id

log = get_log("pepperpy.budgets")

LONGEST: Final = 10_000
"""Milliseconds of the longest slice: a broker that is away costs no running task for half of it."""
SHORTEST: Final = 100
"""Milliseconds of the shortest."""
PARTS: Final = 20
"""A slice is at most this part of the whole budget, so that many can run at the same time."""

_RETRY = 0.5
_LAST = 5.0


@contextlib.asynccontextmanager
async def metered(budget: TaskBudget) -> AsyncIterator[None]:
    """Counts the time that the block runs; does nothing where seconds are not limited.

    While the broker is away the block runs on; its time is counted when the broker is back.

    Raises:
        BudgetExceeded: There was none left for it to begin, or to go on; the block is cancelled
            at that moment.
    """
    if not budget.timed:
        yield
        return
    meter = _Meter(budget)
    await meter.begin()
    try:
        async with CancelScope() as scope:
            keeping = asyncio.create_task(meter.keep(scope), name="budget-meter")
            try:
                yield
            finally:
                keeping.cancel()
                await asyncio.gather(keeping, return_exceptions=True)
    finally:
        await meter.end()


class _Meter:
    def __init__(self, budget: TaskBudget) -> None:
        self._budget = budget
        self._id = new_id()
        shortest = min(owner.seconds or 0.0 for owner in budget.timed)
        self._slice = max(SHORTEST, min(LONGEST, round(shortest * 1000 / PARTS)))
        self._granted = 0
        self._began = time.monotonic()

    @property
    def _used(self) -> int:
        return round((time.monotonic() - self._began) * 1000)

    async def begin(self) -> None:
        try:
            self._granted = await self._budget.extend(self._id, self._slice)
        except BaseException:
            await self._settle(0)
            raise
        self._began = time.monotonic()

    async def keep(self, scope: CancelScope) -> None:
        """Reserves slice after slice, and ends the block when there is none left."""
        while True:
            await asyncio.sleep(max(0, self._granted - self._used - self._slice // 2) / 1000)
            try:
                self._granted += await self._budget.extend(self._id, self._slice)
            except BudgetExceeded as error:
                await asyncio.sleep(max(0, self._granted - self._used) / 1000)
                scope.end(error)
                return
            except PepperError as error:
                log.warning("budget.not_metered", error=str(error))
                await asyncio.sleep(_RETRY)

    async def end(self) -> None:
        """Counts what was used: more than granted after an outage, or a slow clean-up."""
        used = self._used
        if used > self._granted:
            with contextlib.suppress(PepperError, TimeoutError):
                async with asyncio.timeout(_LAST):
                    self._granted += await self._budget.extend(self._id, used - self._granted)
        await self._settle(min(used, self._granted))

    async def _settle(self, used: int) -> None:
        await self._budget.settle(self._id, Amounts(ms=self._granted), Amounts(ms=used))
