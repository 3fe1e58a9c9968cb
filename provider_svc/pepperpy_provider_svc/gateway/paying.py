"""What a request costs: reserved before each call, settled after, counted for good."""

import contextlib
from collections.abc import AsyncIterator

from pepperpy_provider_svc.gateway.parts import Parts
from pepperpy_provider_svc.limits.accounts import TenantAccount
from pepperpy_schemas.chat import Usage


class Share:
    """What was used of one reservation.

    Attributes:
        usage: Tokens of its calls.
        usd: What they cost; None when the price of one is not known.
        touched: Whether there was a call to pay for.
    """

    def __init__(self) -> None:
        self.usage = Usage()
        self.usd: float | None = 0.0
        self.touched = False

    def add(self, usage: Usage, usd: float | None) -> None:
        """Adds what a call has used."""
        self.touched = True
        self.usage += usage
        self.usd = None if usd is None or self.usd is None else self.usd + usd


class Bill:
    """What was used of one request, call by call; `paid` makes it.

    Args:
        parts: The parts.
        account: Who pays.
        stack: Ends the reservations.

    Attributes:
        tokens: Tokens that the next call may take.
        target: The last target that was paid.
    """

    def __init__(
        self, parts: Parts, account: TenantAccount, stack: contextlib.AsyncExitStack
    ) -> None:
        self.tokens = 0
        self.target = ""
        self._usd: float | None = 0.0
        self._parts = parts
        self._account = account
        self._stack = stack
        self._sum = Share()
        self._share: Share | None = None

    @property
    def usage(self) -> Usage:
        """Tokens of all calls."""
        return self._sum.usage

    @property
    def usd(self) -> float | None:
        """What they cost; None when the price of one is not known."""
        return self._sum.usd

    def expect(self, *, usd: float | None, tokens: int) -> None:
        """Notes what each call from now on may come to."""
        self._usd, self.tokens = usd, tokens

    async def ready(self) -> None:
        """Reserves for a call, unless what is reserved has not been touched.

        Raises:
            BudgetExceeded: The tenant has less left.
        """
        if self._share is None or self._share.touched:
            self._share = await self._stack.enter_async_context(self._reserved())

    def add(self, target: str, usage: Usage) -> None:
        """Adds the tokens of a target."""
        assert self._share is not None, "a call is reserved for before it is made"
        usd = self._parts.prices.usd(target, usage)
        self.target = target
        self._sum.add(usage, usd)
        self._share.add(usage, usd)

    @contextlib.asynccontextmanager
    async def _reserved(self) -> AsyncIterator[Share]:
        share = Share()
        async with self._account.spend(usd=self._usd, tokens=self.tokens) as spending:
            try:
                yield share
            finally:
                spending.settle(usd=share.usd, tokens=share.usage.total_tokens)


@contextlib.asynccontextmanager
async def paid(
    parts: Parts, account: TenantAccount, *, usd: float | None, tokens: int
) -> AsyncIterator[Bill]:
    """Reserves what each call may come to while the block runs, and counts what it came to.

    Args:
        parts: The parts.
        account: Who pays.
        usd: What a call may cost; None where a price is not known.
        tokens: Tokens that it may take.

    Raises:
        BudgetExceeded: The tenant has less left; the block does not run.
    """
    async with contextlib.AsyncExitStack() as stack:
        bill = Bill(parts, account, stack)
        bill.expect(usd=usd, tokens=tokens)
        await bill.ready()
        try:
            yield bill
        finally:
            if bill.target:
                parts.counters.add(account.name, bill.target, bill.usage, bill.usd)
