"""What a request costs: reserved before, settled after, counted for good."""

import contextlib
from collections.abc import AsyncIterator

from pepperpy_provider_svc.gateway.parts import Parts
from pepperpy_provider_svc.limits.accounts import TenantAccount
from pepperpy_schemas.chat import Usage


class Bill:
    """What was used of one request, call by call; what nobody says counts as nothing used.

    Attributes:
        usage: Tokens of all calls.
        usd: What they cost; None when the price of one is not known.
        target: The last target that was paid.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.usage = Usage()
        self.usd: float | None = 0.0
        self.target = ""

    def add(self, target: str, usage: Usage) -> None:
        """Adds the tokens of a target."""
        usd = self._parts.prices.usd(target, usage)
        self.usage += usage
        self.usd = None if usd is None or self.usd is None else self.usd + usd
        self.target = target


@contextlib.asynccontextmanager
async def paid(
    parts: Parts, account: TenantAccount, *, usd: float | None, tokens: int
) -> AsyncIterator[Bill]:
    """Reserves what a request may come to while the block runs, and counts what it came to.

    Args:
        parts: The parts.
        account: Who pays.
        usd: What it may cost; None where a price is not known.
        tokens: Tokens that it may take.

    Raises:
        BudgetExceeded: The tenant has less left; the block does not run.
    """
    bill = Bill(parts)
    async with account.spend(usd=usd, tokens=tokens) as spending:
        try:
            yield bill
        finally:
            spending.settle(usd=bill.usd, tokens=bill.usage.total_tokens)
            if bill.target:
                parts.counters.add(account.name, bill.target, bill.usage, bill.usd)
