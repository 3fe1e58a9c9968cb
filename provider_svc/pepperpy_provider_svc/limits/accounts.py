"""What a tenant may use: its models, and its budgets per day and month."""

import contextlib
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Final

from pepperpy_bus.state import ledgers
from pepperpy_bus.state.budget import Budgets, Spending, TaskBudget
from pepperpy_bus.units import format_time
from pepperpy_provider_svc.declared.models import Tenant
from pepperpy_schemas.budgets import Allowance, Owner, allowance_of
from pepperpy_schemas.errors import BudgetExceeded, NotFound, PermissionDenied
from pepperpy_schemas.provider import LimitStatus
from pepperpy_schemas.shared import Ledger
from pepperpy_schemas.tokens import key_token, new_id

KEPT: Final = 40 * 86_400.0
"""Seconds after its last change at which a ledger is forgotten: later than any month's end."""


class TenantSpending:
    """What is reserved for a request; `TenantAccount.spend` makes it."""

    def __init__(self, spending: Spending | None = None, usd: float = 0.0) -> None:
        self._spending = spending
        self._usd = usd

    def settle(self, usd: float | None, tokens: int) -> None:
        """Says what the request really took; without it all that was reserved counts.

        Args:
            usd: US dollars; None where no price is known: then what was reserved counts.
            tokens: Tokens of every call that was paid for.
        """
        if self._spending is not None:
            self._spending.settle(usd=self._usd if usd is None else usd, tokens=tokens)


class TenantAccount:
    """A tenant with its limits.

    Args:
        name: Its name.
        tenant: What is declared of it.
        budgets: The ledgers of tenants.
    """

    def __init__(self, name: str, tenant: Tenant, budgets: Budgets) -> None:
        self.name = name
        self._tenant = tenant
        self._budgets = budgets

    @property
    def semantic(self) -> bool:
        """Whether it gets, and gives itself, answers to similar questions."""
        return self._tenant.semantic

    def allows(self, model: str) -> bool:
        """Whether it may ask for a model, an alias or ``provider/model``."""
        return any(
            model.startswith(pattern[:-1]) if pattern.endswith("*") else model == pattern
            for pattern in self._tenant.models
        )

    def refuse_model(self, model: str) -> None:
        """Raises PermissionDenied when it may not ask for a model."""
        if not self.allows(model):
            raise PermissionDenied(
                f"tenant {self.name} may not ask for model {model!r:.200}",
                hint="list what it may ask for with: pepperpy models",
                context={"tenant": self.name, "model": model[:200]},
            )

    @contextlib.asynccontextmanager
    async def spend(self, usd: float | None, tokens: int) -> AsyncIterator[TenantSpending]:
        """Reserves before the block, and counts what `TenantSpending.settle` says after it.

        Args:
            usd: What a request costs at most; None where no price is known.
            tokens: Tokens that it has at most.

        Raises:
            BudgetExceeded: Less is left of the day or the month, or the budget is in dollars and
                nobody knows the price; the block does not run.
        """
        if not self.limited:
            yield TenantSpending()
            return
        if usd is None:
            self._refuse_unpriced()
        await self._budgets.clock.fresh()
        owners = self._owners(self._budgets.clock.now())
        budget = TaskBudget(self._budgets, list(owners.values()), new_id())
        async with contextlib.AsyncExitStack() as stack:
            try:
                block = budget.spend(usd=usd or 0.0, tokens=tokens)
                spending = await stack.enter_async_context(block)
            except BudgetExceeded as error:
                raise self._exceeded(owners, error) from None
            yield TenantSpending(spending, usd or 0.0)

    async def limits(self) -> list[LimitStatus]:
        """Returns each limit with what is spent or reserved of it in the present period."""
        if not self.limited:
            return []
        await self._budgets.clock.fresh()
        found = []
        for period, owner in self._owners(self._budgets.clock.now()).items():
            used = await self._used(owner)
            for unit in ("usd", "tokens"):
                if (limit := getattr(owner, unit)) is not None:
                    status = LimitStatus(
                        name=f"tenant {self.name}",
                        unit=f"{unit}/{period}",
                        limit=limit,
                        used=getattr(used, unit),
                    )
                    found.append(status)
        return found

    @property
    def limited(self) -> bool:
        """Whether it has a budget."""
        tenant = self._tenant
        limits = (tenant.usd_per_day, tenant.usd_per_month)
        return any((*limits, tenant.tokens_per_day, tenant.tokens_per_month))

    def _owners(self, now: datetime) -> dict[str, Owner]:
        """The ledgers of the periods that are limited, the shorter one first."""
        tenant, name = self._tenant, self.name
        day = Owner(
            id=key_token(f"{name}_{now:%Y-%m-%d}"),
            usd=tenant.usd_per_day,
            tokens=tenant.tokens_per_day,
        )
        month = Owner(
            id=key_token(f"{name}_{now:%Y-%m}"),
            usd=tenant.usd_per_month,
            tokens=tenant.tokens_per_month,
        )
        return {k: owner for k, owner in (("day", day), ("month", month)) if owner.limited}

    async def _used(self, owner: Owner) -> Allowance:
        try:
            ledger = await self._budgets.ledger(owner.id)
        except NotFound:
            ledger = Ledger(owner.limits())
        return allowance_of(ledgers.taken(ledger))

    def _refuse_unpriced(self) -> None:
        if self._tenant.usd_per_day or self._tenant.usd_per_month:
            raise BudgetExceeded(
                f"tenant {self.name} has a budget in usd, and no price is known of this model",
                hint="declare its price under [prices] of the provider service",
                context={"tenant": self.name, "unit": "usd"},
            )

    def _exceeded(self, owners: dict[str, Owner], error: BudgetExceeded) -> BudgetExceeded:
        period = next(k for k, one in owners.items() if one.id == error.context["owner"])
        unit, left, wanted = (error.context[k] for k in ("unit", "left", "wanted"))
        until = format_time(_end_of(period, self._budgets.clock.now()))
        return BudgetExceeded(
            f"tenant {self.name} has {left:,} {unit} left of this {period}, not {wanted:,}",
            hint=f"wait until {until}, or ask the operator for more",
            context={
                "tenant": self.name,
                "period": period,
                "unit": unit,
                "left": left,
                "wanted": wanted,
                "until": until,
            },
        )


def _end_of(period: str, now: datetime) -> datetime:
    start = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "day":
        return start + timedelta(days=1)
    return (start.replace(day=1) + timedelta(days=32)).replace(day=1)
