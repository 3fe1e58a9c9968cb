import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime

import pytest

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.state.batches import BatchedCells
from pepperpy_bus.streams.clock import ServerClock
from pepperpy_provider_svc.declared.models import Tenant
from pepperpy_provider_svc.limits.accounts import TenantAccount
from pepperpy_provider_svc.limits.tenants import Tenants
from pepperpy_schemas.errors import BadConfig, BudgetExceeded, PermissionDenied

Streams = Callable[..., Awaitable[None]]
Connect = Callable[..., Awaitable[Connection]]
Make = Callable[..., Tenants]


class SetClock(ServerClock):
    """The server's clock, at any time that a test wants."""

    moment = datetime(2026, 11, 29, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment


def tenants_on(
    connection: Connection, prefix: str, declared: Mapping[str, Tenant], moment: str = ""
) -> Tenants:
    clock = SetClock(connection, prefix)
    if moment:
        clock.moment = datetime.fromisoformat(moment)
    return Tenants(declared, BatchedCells(connection, prefix, bucket="provider"), clock)


@pytest.fixture
async def make(connection: Connection, prefix: str, streams: Streams) -> Make:
    """Tenants on the shared server: `make({"support": Tenant(…)}, "2026-11-30T…")`."""
    await streams(connection, prefix, "provider", "TASKS")
    return lambda declared, moment="": tenants_on(connection, prefix, declared, moment)


async def use(account: TenantAccount, usd: float | None, tokens: int = 0) -> None:
    async with account.spend(usd, tokens) as spending:
        spending.settle(usd, tokens)


async def used(account: TenantAccount) -> dict[str, float]:
    return {one.unit: one.used for one in await account.limits()}


def test_a_principal_belongs_to_the_tenant_that_lists_it(make: Make) -> None:
    tenants = make({"support": Tenant(principals=("worker", "bot")), "sales": Tenant()})
    assert tenants.of("worker").name == "support"
    assert tenants.of("worker", "support").name == "support"
    assert tenants.of("sales").name == "sales"
    assert tenants.of("ana").name == "ana"
    assert [one.name for one in tenants.accounts()] == ["support", "sales"]


def test_the_tenant_default_has_everybody_else(make: Make) -> None:
    tenants = make({"support": Tenant(principals=("worker",)), "default": Tenant()})
    assert tenants.of("ana").name == "default"
    assert tenants.of("support").name == "support"
    assert tenants.of("worker").name == "support"


async def test_without_tenants_everybody_is_one_without_limits(make: Make) -> None:
    account = make({}).of("worker")
    assert account.name == "worker"
    account.refuse_model("openai/gpt-5")
    async with account.spend(None, 10**12) as spending:
        spending.settle(1e9, 10**12)
    assert await account.limits() == []


def test_a_delegate_may_name_a_tenant_and_nobody_else_may(make: Make) -> None:
    tenants = make({"support": Tenant(delegates=("gateway",)), "sales": Tenant()})
    assert tenants.of("gateway", "support").name == "support"
    assert tenants.of("gateway").name == "gateway"
    for principal, claimed in (("gateway", "sales"), ("ana", "support"), ("ana", "nobody")):
        with pytest.raises(PermissionDenied, match=f"{principal} may not ask for tenant"):
            tenants.of(principal, claimed)


def test_an_allow_list_has_names_beginnings_and_all(make: Make) -> None:
    models = {"a": ("default", "openai/*"), "b": ("*",), "c": ()}
    tenants = make({name: Tenant(models=those) for name, those in models.items()})
    one = tenants.of("a")
    assert one.allows("default")
    assert one.allows("openai/gpt-5")
    assert not one.allows("anthropic/claude")
    assert not one.allows("default2")
    assert tenants.of("b").allows("anthropic/claude")
    with pytest.raises(PermissionDenied, match="tenant c may not ask for model 'default'"):
        tenants.of("c").refuse_model("default")


def test_tenants_that_contradict_each_other_are_refused_and_the_old_ones_stay(make: Make) -> None:
    tenants = make({"a": Tenant(principals=("worker",))})
    with pytest.raises(BadConfig, match="worker is in the tenants a and b"):
        tenants.reload({name: Tenant(principals=("worker",)) for name in "ab"})
    with pytest.raises(BadConfig, match=r"tenants.a.models: 'openai/\*/mini'"):
        tenants.reload({"a": Tenant(models=("openai/*/mini",))})
    assert tenants.of("worker").name == "a"


async def test_a_budget_holds_over_two_replicas(make: Make, connect: Connect, prefix: str) -> None:
    declared = {"support": Tenant(usd_per_day=0.5, usd_per_month=20, tokens_per_day=10**6)}
    replicas = [make(declared), tenants_on(await connect(), prefix, declared)]
    outcomes = await asyncio.gather(
        *(use(one.of("support"), 0.01, 10) for _ in range(100) for one in replicas),
        return_exceptions=True,
    )
    refused = [one for one in outcomes if one is not None]
    assert outcomes.count(None) == 50
    assert {type(one) for one in refused} == {BudgetExceeded}
    assert await used(replicas[0].of("support")) == {
        "usd/day": 0.5,
        "tokens/day": 500,
        "usd/month": 0.5,
    }


async def test_the_error_speaks_of_the_tenant_and_its_period(make: Make) -> None:
    declared = {"a": Tenant(usd_per_month=1), "b": Tenant(tokens_per_day=100)}
    tenants = make(declared, "2026-12-31T23:00:00+00:00")
    with pytest.raises(BudgetExceeded) as refused:
        await use(tenants.of("a"), 1.5)
    assert refused.value.message == "tenant a has 1.0 usd left of this month, not 1.5"
    assert refused.value.context["until"] == "2027-01-01T00:00:00.000000Z"
    assert "2027-01-01" in str(refused.value.hint)
    with pytest.raises(BudgetExceeded, match="tenant b has 100 tokens left of this day, not 101"):
        await use(tenants.of("b"), None, 101)


async def test_what_the_month_refuses_takes_nothing_of_the_day(make: Make) -> None:
    account = make({"a": Tenant(usd_per_day=2, usd_per_month=1)}).of("a")
    with pytest.raises(BudgetExceeded, match="this month"):
        await use(account, 1.5)
    assert await used(account) == {"usd/day": 0, "usd/month": 0}


async def test_a_new_day_has_a_new_budget_and_the_month_goes_on(make: Make) -> None:
    declared = {"a": Tenant(tokens_per_day=100, tokens_per_month=150)}
    await use(make(declared, "2026-11-29T23:59:59+00:00").of("a"), 0, 100)
    account = make(declared, "2026-11-30T00:00:00+00:00").of("a")
    assert await used(account) == {"tokens/day": 0, "tokens/month": 100}
    await use(account, 0, 50)
    with pytest.raises(BudgetExceeded, match="this month"):
        await use(account, 0, 1)


async def test_what_was_really_used_replaces_what_was_reserved(make: Make) -> None:
    account = make({"a": Tenant(usd_per_day=1, tokens_per_day=1000)}).of("a")
    async with account.spend(0.9, 900) as spending:
        assert await used(account) == {"usd/day": 0.9, "tokens/day": 900}
        spending.settle(0.25, 100)
    assert await used(account) == {"usd/day": 0.25, "tokens/day": 100}
    async with account.spend(0.5, 100) as spending:
        spending.settle(None, 50)  # a model without a price answered
    assert await used(account) == {"usd/day": 0.75, "tokens/day": 150}


async def test_a_request_that_is_cancelled_without_a_settlement_counts_in_full(make: Make) -> None:
    account, running = make({"a": Tenant(tokens_per_day=1000)}).of("a"), asyncio.Event()

    async def ask() -> None:
        async with account.spend(None, 600):
            running.set()
            await asyncio.Event().wait()

    asking = asyncio.create_task(ask())
    await running.wait()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert await used(account) == {"tokens/day": 600}


async def test_a_model_without_a_price_is_refused_where_dollars_are_limited(make: Make) -> None:
    tenants = make({"a": Tenant(usd_per_month=1), "b": Tenant(tokens_per_day=1000)})
    with pytest.raises(BudgetExceeded, match="no price is known"):
        await use(tenants.of("a"), None, 10)
    await use(tenants.of("b"), None, 10)


async def test_limits_that_change_hold_from_the_next_request_on(make: Make) -> None:
    tenants = make({"a": Tenant(tokens_per_day=100)})
    await use(tenants.of("a"), None, 100)
    with pytest.raises(BudgetExceeded):
        await use(tenants.of("a"), None, 50)
    tenants.reload({"a": Tenant(tokens_per_day=150)})
    await use(tenants.of("a"), None, 50)
    with pytest.raises(BudgetExceeded):
        await use(tenants.of("a"), None, 1)


async def test_a_tenant_with_the_longest_name_has_a_budget_too(make: Make) -> None:
    name = "n" * 64
    account = make({name: Tenant(tokens_per_day=10)}).of(name)
    await use(account, None, 10)
    assert await used(account) == {"tokens/day": 10}
