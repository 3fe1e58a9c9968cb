from collections.abc import Awaitable, Callable, Iterator

import pytest

from pepperpy.stack.broker import Broker
from pepperpy.stack.conf import role_logins
from pepperpy_bus.client import Client
from pepperpy_bus.facades import waits
from pepperpy_bus.opening import connect
from pepperpy_bus.state import blocking
from pepperpy_bus.state.budget import Budgets, TaskBudget
from pepperpy_bus.state.cells import Cells
from pepperpy_bus.state.resources import Resources
from pepperpy_bus.state.values import AgentState, State
from pepperpy_bus.streams.clock import ServerClock
from pepperpy_bus.streams.reading import last_on
from pepperpy_bus.sync import SyncClient, connect_sync
from pepperpy_bus.trust.principals import ANONYMOUS
from pepperpy_schemas.budgets import Allowance, Budget, Owner
from pepperpy_schemas.errors import BadHeader, BadName, LeaseLost, PermissionDenied


async def header(bus: Client, task_id: str) -> str | None:
    subject = f"{bus.prefix}.task.idle.{task_id}"
    stored = await last_on(bus.connection, f"{bus.prefix.upper()}_TASKS", subject)
    assert stored is not None
    return stored.headers.get("pp-budget")


async def test_a_budget_goes_with_the_task(bus: Client) -> None:
    task_id = await bus.submit("idle", budget={"tokens": 10_000, "usd": 1.0})
    assert await header(bus, task_id) == '{"tokens":10000,"usd":1.0}'
    below = Budget(tasks=5, above=[Owner(id="root", usd=1.0)])
    task_id = await bus.submit("idle", budget=below)
    assert await header(bus, task_id) == '{"tasks":5,"above":[{"usd":1.0,"id":"root"}]}'
    assert await header(bus, await bus.submit("idle")) is None


async def test_a_wrong_budget_is_refused_before_anything_is_sent(bus: Client) -> None:
    with pytest.raises(BadHeader, match="unknown field `euro`"):
        await bus.submit("idle", budget={"euro": 1})
    with pytest.raises(BadHeader, match="tokens: Expected `int` >= 0"):
        await bus.submit("idle", budget={"tokens": -5})
    with pytest.raises(BadHeader, match="Pp-Budget is not set among the headers"):
        await bus.submit("idle", headers={"pp-budget": "{}"})


async def test_a_client_sees_resources_budgets_and_the_state_of_agents(bus: Client) -> None:
    await bus.resources.define("gpu", capacity=2)
    async with bus.resources.acquire("gpu"):
        (grant,) = (await bus.resources.get("gpu")).held
        assert grant.holder == "tester"
    async with bus.budgets.of("t1", '{"tokens":5}').spend(tokens=2):
        pass
    assert (await bus.budgets.ledger("t1")).spent.tokens == 2
    await bus.agent_state("shop").set("open", True)
    assert await bus.agent_state("shop").keys() == ["open"]
    with pytest.raises(BadName):
        bus.agent_state("two words")


# --- without await --------------------------------------------------------------------------------


@pytest.fixture
def script(broker: Broker, prefix: str) -> Iterator[SyncClient]:
    with connect_sync(broker.url, bus__prefix=prefix, source="script") as bus:
        yield bus


def test_a_script_shares_the_same(script: SyncClient) -> None:
    script.resources.define("gpu", capacity=1)
    with script.resources.acquire("gpu") as lease:
        script.resources.check("gpu", lease.token)
        with pytest.raises(TimeoutError), script.resources.acquire("gpu", wait=0):
            pytest.fail("it is held")
    assert script.resources.get("gpu").held == []
    state = script.agent_state("shop")
    assert state.update("count", lambda old: (old or 0) + 1) == 1
    assert state.get("count").value == 1
    state.keyed("c42").set("cart", ["pen"])
    assert state.keyed("c42").keys() == ["cart"]
    with pytest.raises(ZeroDivisionError), script.resources.acquire("gpu"):
        raise ZeroDivisionError
    assert script.resources.get("gpu").held == []


def test_a_script_is_told_at_the_end_that_its_lease_was_lost(script: SyncClient) -> None:
    script.resources.define("gpu", capacity=1)
    holding = script.resources.acquire("gpu", ttl=1)
    lease = holding.__enter__()
    script.resources.remove("gpu")
    script._thread.wait(lease.lost.wait)
    with pytest.raises(LeaseLost):
        holding.__exit__(None, None, None)


def test_a_thread_spends_from_a_budget(script: SyncClient) -> None:
    inner = script._inner.budgets.of("t1", '{"tokens":10}')
    budget = blocking.SyncTaskBudget(script._thread, inner)
    with budget.spend(tokens=5) as spending:
        spending.settle(tokens=3)
    with pytest.raises(ZeroDivisionError), budget.spend(tokens=2):
        raise ZeroDivisionError
    assert budget.left() == Allowance(tokens=5)


def test_what_waits_has_the_words_of_what_it_waits_for() -> None:
    pairs: list[tuple[type, type]] = [
        (blocking.SyncState, State),
        (blocking.SyncAgentState, AgentState),
        (blocking.SyncResources, Resources),
        (blocking.SyncTaskBudget, TaskBudget),
    ]
    for ours, theirs in pairs:
        for name in vars(ours):
            if not name.startswith("_"):
                assert hasattr(theirs, name)
    assert waits(State.get).__doc__ == State.get.__doc__


# --- who may --------------------------------------------------------------------------------------


@pytest.fixture
async def as_role(
    broker_factory: Callable[..., Broker],
) -> Callable[[str, Callable[[Client], Awaitable[None]]], Awaitable[None]]:
    """Does something as a user of a guarded deployment."""
    broker = broker_factory(logins=role_logins(anonymous=True), anonymous=ANONYMOUS)

    async def run(role: str, do: Callable[[Client], Awaitable[None]]) -> None:
        password = broker.logins[role].password
        async with connect(broker.url, nats__user=role, nats__password=password) as client:
            await do(client)

    async def nothing(client: Client) -> None:
        """The streams are made by connecting."""

    await run("operator", nothing)
    return run


@pytest.mark.parametrize("role", ["worker", "operator"])
async def test_workers_and_operators_define_hold_spend_and_remember(
    as_role: Callable[..., Awaitable[None]], role: str
) -> None:
    async def use(client: Client) -> None:
        cells, clock = Cells(client.connection, "pp"), ServerClock(client.connection, "pp")
        resources = Resources(cells, clock)
        await resources.define("gpu", capacity=1)
        async with resources.acquire("gpu"):
            with pytest.raises(TimeoutError):
                await resources.take("gpu", wait=0.2)
        await resources.remove("gpu")
        async with Budgets(cells, clock).of("t", '{"tokens":5}').spend(tokens=2):
            pass
        await client.agent_state("shop").update("count", lambda old: (old or 0) + 1)

    await as_role(role, use)


async def test_producers_neither_read_nor_change_what_workers_share(
    as_role: Callable[..., Awaitable[None]],
) -> None:
    async def use(client: Client) -> None:
        with pytest.raises(PermissionDenied):
            await client.resources.define("gpu", capacity=1)
        with pytest.raises(PermissionDenied):
            await client.agent_state("shop").set("count", 1)
        with pytest.raises(PermissionDenied):
            await client.budgets.ledger("t")

    await as_role("producer", use)
