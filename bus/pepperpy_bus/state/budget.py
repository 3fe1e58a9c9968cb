"""Budgets: what a task and all its descendants may spend together, wherever they run.

Each task with limits of its own owns a ledger. Whoever is about to spend reserves first, in the
ledger of every task above it that has one, and says afterwards what it was.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

import msgspec

from pepperpy_bus.groups import outlast
from pepperpy_bus.logs import get_log
from pepperpy_bus.state import ledgers
from pepperpy_bus.state.cells import Cells
from pepperpy_bus.streams.clock import ServerClock
from pepperpy_schemas.budgets import (
    MAX_ABOVE,
    Allowance,
    Budget,
    Owner,
    amounts_of,
    budget_of,
    read_budget,
)
from pepperpy_schemas.catalog.state import LEDGER
from pepperpy_schemas.errors import BadHeader, NotFound, PepperError
from pepperpy_schemas.headers import BUDGET
from pepperpy_schemas.shared import Amounts, Ledger, Reservation
from pepperpy_schemas.subjects import Subject
from pepperpy_schemas.tokens import new_id

log = get_log("pepperpy.budgets")

KEPT: Final = 30 * 86_400.0
"""Seconds after its last change at which a ledger is forgotten: as long as a journal."""
OPEN: Final = timedelta(hours=1)
"""How long a reservation waits for what was really spent; then all of it counts."""

_SETTLE = 15.0  # elections take 5 to 10 s


class Budgets:
    """The ledgers of a deployment.

    Args:
        cells: The bucket.
        clock: The server's clock.
        subject: Where each ledger lies, by the id of its owner.
        kept: Seconds after its last change at which a ledger is forgotten.
        follow: Whether an owner's limits may change while its ledger is there: the ledger takes
            over those it is asked with. A task's never change.
    """

    def __init__(
        self,
        cells: Cells,
        clock: ServerClock,
        *,
        subject: Subject[Ledger] = LEDGER,
        kept: float = KEPT,
        follow: bool = False,
    ) -> None:
        self._cells = cells
        self._subject = subject
        self._kept = kept
        self._follow = follow
        self.clock = clock

    def of(self, task_id: str, header: str, attempt: int = 1) -> "TaskBudget":
        """Returns the budget of a task's attempt.

        Args:
            task_id: The task.
            header: Its header ``Pp-Budget``, or empty.
            attempt: The number of the attempt.

        Raises:
            BadHeader: The header cannot be read.
        """
        owners = read_budget(header).owners(task_id) if header else []
        return TaskBudget(self, owners, task_id, attempt)

    async def ledger(self, task_id: str) -> Ledger:
        """Returns the ledger of a task that has limits of its own.

        Raises:
            NotFound: It has none, or nothing was spent yet, or it is forgotten.
        """
        await self.clock.fresh()
        entry = await self._cells.get(self._key(task_id))
        if entry is None:
            raise NotFound(
                f"task {task_id} has no ledger",
                hint="only a task with a budget of its own has one, from the first spending on "
                "until 30 days after the last",
                context={"task_id": task_id},
            )
        return ledgers.tidied(self._subject.decode(entry.value), self.clock.now())

    async def change(self, owner: Owner, edit: Callable[[Ledger, datetime], Ledger]) -> None:
        """Changes the ledger of a task; one that is not there yet begins with its limits."""

        def edit_body(body: bytes | None) -> bytes | None:
            before = Ledger(owner.limits()) if body is None else self._subject.decode(body)
            if self._follow:
                before = msgspec.structs.replace(before, limits=owner.limits())
            after = edit(before, self.clock.now())
            return None if after == before and body is not None else self._subject.encode(after)

        await self.clock.fresh()
        await self._cells.change(self._key(owner.id), edit_body, ttl=self._kept)

    def _key(self, task_id: str) -> str:
        return self._cells.key(self._subject, id=task_id)


class Spending:
    """What is reserved while a block runs; `TaskBudget.spend` makes it."""

    def __init__(self, amounts: Amounts) -> None:
        self.reserved = amounts
        self.spent = amounts

    def settle(
        self, *, tokens: int = 0, usd: float = 0.0, seconds: float = 0.0, tasks: int = 0
    ) -> None:
        """Says what was really spent; without it all that was reserved counts.

        More than was reserved counts too, and leaves less for the others.

        Raises:
            BadPayload: An amount is negative, or no number; the message names it.
        """
        self.spent = amounts_of(tokens=tokens, usd=usd, seconds=seconds, tasks=tasks)


class TaskBudget:
    """The budgets that one attempt of a task spends from: its own and those above it.

    A task without any spends freely.

    Args:
        budgets: The ledgers.
        owners: The tasks with limits, the nearest last.
        task_id: The task that spends.
        attempt: The number of its attempt.
    """

    def __init__(
        self, budgets: Budgets, owners: list[Owner], task_id: str, attempt: int = 1
    ) -> None:
        self.owners = owners
        self._budgets = budgets
        self._task_id = task_id
        self._attempt = attempt

    @property
    def timed(self) -> list[Owner]:
        """Those of them that limit the running time."""
        return [owner for owner in self.owners if owner.seconds is not None]

    @contextlib.asynccontextmanager
    async def spend(
        self,
        *,
        tokens: int = 0,
        usd: float = 0.0,
        seconds: float = 0.0,
        tasks: int = 0,
        name: str = "",
    ) -> AsyncIterator[Spending]:
        """Reserves before the block, and counts what `Spending.settle` says after it.

        ```python
        async with ctx.budget.spend(tokens=2_000) as spending:
            answer = await model.complete(prompt, max_tokens=2_000)
            spending.settle(tokens=answer.usage.total_tokens)
        ```

        Args:
            tokens: Tokens of language models.
            usd: US dollars.
            seconds: Seconds of something; running time is counted without this.
            tasks: Tasks that are submitted.
            name: A later attempt that spends under the same name means the same spending.

        Raises:
            BudgetExceeded: Less is left, here or further up; the block does not run.
            BadPayload: An amount is negative, or no number; the message names it.
        """
        amounts = amounts_of(tokens=tokens, usd=usd, seconds=seconds, tasks=tasks)
        reservation_id = f"{self._task_id}.{name}" if name else new_id()
        await self.reserve(reservation_id, amounts, named=bool(name))
        spending = Spending(amounts)
        try:
            yield spending
        finally:
            await self.settle(reservation_id, amounts, spending.spent)

    async def left(self) -> Allowance:
        """Returns what is left of all budgets together; None where there is no limit."""
        lefts = []
        for owner in self.owners:
            try:
                ledger = await self._budgets.ledger(owner.id)
            except NotFound:
                ledger = Ledger(owner.limits())
            lefts.append(ledgers.left(ledger))
        return ledgers.least(lefts)

    def for_child(self, limits: Mapping[str, float] | Budget | None = None) -> Budget | None:
        """Returns the budget that a child is submitted with; None when nothing limits it.

        Args:
            limits: The child's own limits, besides those above it.

        Raises:
            BadHeader: A limit is not known, negative, or no number; the message names it.
        """
        own = budget_of(limits or {})
        if not own.limited and not self.owners:
            return None
        if len(self.owners) > MAX_ABOVE:
            raise BadHeader(
                f"{len(self.owners)} tasks with budgets lie one below the other",
                hint=f"give budgets on at most {MAX_ABOVE} levels",
                context={"header": BUDGET},
            )
        return msgspec.structs.replace(own, above=self.owners)

    # --- reservations ---------------------------------------------------------------------------

    async def reserve(self, reservation_id: str, amounts: Amounts, *, named: bool = False) -> None:
        """Reserves in the ledger of every owner, or in none.

        Raises:
            BudgetExceeded: Less is left.
        """
        tried: list[Owner] = []
        try:
            for owner in self.owners:
                tried.append(owner)
                await self._reserve(owner, reservation_id, amounts, named)
        except BaseException:
            await self._settle_all(tried, reservation_id, Amounts(), Amounts())
            raise

    async def extend(self, reservation_id: str, ms: int) -> int:
        """Reserves milliseconds more under the same id; returns how many there were.

        Raises:
            BudgetExceeded: None are left.
        """
        for owner in self.timed:
            ms = await self._extend(owner, reservation_id, ms)
        return ms

    async def settle(self, reservation_id: str, was: Amounts, spent: Amounts) -> None:
        """Replaces a reservation by what was spent, in the ledger of every owner.

        Without a broker it stays as it is, and all of it will count as spent.
        """
        await self._settle_all(self.owners, reservation_id, was, spent)

    async def _reserve(
        self, owner: Owner, reservation_id: str, amounts: Amounts, named: bool
    ) -> None:
        def edit(ledger: Ledger, now: datetime) -> Ledger:
            wish = self._wish(amounts, now, named=named)
            return ledgers.reserved(ledger, owner.id, reservation_id, wish, now)

        await self._budgets.change(owner, edit)

    async def _extend(self, owner: Owner, reservation_id: str, ms: int) -> int:
        granted = 0

        def edit(ledger: Ledger, now: datetime) -> Ledger:
            nonlocal granted
            wish = self._wish(Amounts(ms=ms), now)
            ledger, granted = ledgers.extended(ledger, owner.id, reservation_id, wish, now)
            return ledger

        await self._budgets.change(owner, edit)
        return granted

    async def _settle_all(
        self, owners: list[Owner], reservation_id: str, was: Amounts, spent: Amounts
    ) -> None:
        """Settles to the end: cancelled half-way, what was reserved would be held for an hour."""
        settle = self._settle(owners, reservation_id, was, spent)
        settling = asyncio.create_task(settle, name=f"budget-settle:{self._task_id}")
        await outlast(settling)
        settling.result()

    async def _settle(
        self, owners: list[Owner], reservation_id: str, was: Amounts, spent: Amounts
    ) -> None:
        def edit(ledger: Ledger, _: datetime) -> Ledger:
            return ledgers.settled(ledger, reservation_id, was, spent)

        for owner in owners:
            try:
                async with asyncio.timeout(_SETTLE):
                    await self._budgets.change(owner, edit)
            except (PepperError, TimeoutError) as error:
                log.warning("budget.unsettled", task_id=owner.id, error=str(error))

    def _wish(self, amounts: Amounts, now: datetime, *, named: bool = False) -> Reservation:
        return Reservation(amounts, self._task_id, now + OPEN, self._attempt, named)
