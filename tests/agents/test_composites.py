"""Composite events of agents that run: raised once, by one instance, over every crash."""

import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from pepperpy import Agent, Client, Heard
from pepperpy.stack.broker import Broker
from pepperpy_bus.composites import recognition, recognizer
from pepperpy_bus.composites.checkpoint import Checkpoint
from pepperpy_bus.state.cells import Cells
from pepperpy_bus.state.leases import Leases
from pepperpy_bus.streams.clock import ServerClock
from pepperpy_schemas.errors import BadConfig

Working = Callable[..., contextlib.AbstractAsyncContextManager[Any]]
Eventually = Callable[..., Awaitable[Any]]
Start = Callable[..., Any]


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recognition, "SETTLE", 0.2)
    monkeypatch.setattr(recognizer, "AGAIN", 0.05)


def shop(**ways: Any) -> Agent:
    agent = Agent("shop")
    ways = ways or {"sequence": ["cart.filled.*", "payment.failed.*"]}
    agent.composite("checkout.stuck", **{"by": "data.customer", "within": "5m", **ways})
    return agent


async def tell(client: Client, *told: str, customer: str = "ana", **options: Any) -> None:
    """Tells of events with known ids, one after the other, and waits until they are kept."""
    async with client.emitter() as emitter:
        for number, name in enumerate(told):
            entity, verb = name.split(".")
            await emitter.emit(
                entity,
                verb,
                scope="web",
                id="cart",
                event_id=f"{customer}-{verb}-{number}",
                correlation=f"visit-{customer}",
                data={"customer": customer},
                certain=True,
                **options,
            )
            assert await emitter.flush()


async def stuck(client: Client) -> list[Heard]:
    found = client.events("checkout.stuck", since="1h", until_end=True)
    return [one async for one in found]


async def holder(client: Client) -> str:
    """Who reads; empty when nobody does."""
    clock = ServerClock(client.connection, client.prefix)
    leases = Leases(Cells(client.connection, client.prefix), clock, space="composite")
    found = await leases.ls()
    return "".join(grant.holder for one in found.values() for grant in one.held)


async def test_a_sequence_raises_an_event_that_listeners_hear(
    client: Client, working: Working, eventually: Eventually
) -> None:
    agent, heard = shop(), []

    @agent.on("checkout.stuck.*")
    async def help_out(event: Heard) -> None:
        heard.append(event)

    async with working(agent):
        await tell(client, "payment.failed", "cart.filled", "cart.seen", "payment.failed")
        (event,) = await eventually(lambda: heard)
    assert event.name == "checkout.stuck"
    assert event.scope == "shop"
    assert event.id == event.event.id
    assert event.event.correlation == "visit-ana"
    assert event.event.causation == "ana-failed-3"
    assert event.data["parts"] == ["ana-filled-1", "ana-failed-3"]
    assert event.data["by"] == "ana"
    assert event.data["began"] < event.data["ended"]


async def test_events_of_both_priorities_come_in_their_true_order(
    client: Client, working: Working, eventually: Eventually
) -> None:
    async with working(shop()):
        await tell(client, "payment.failed", priority="high")
        await tell(client, "cart.filled")
        await tell(client, "payment.failed", customer="bo", priority="high")
        await tell(client, "cart.filled", customer="cy", priority="high")
        await tell(client, "payment.failed", customer="cy")
        (event,) = await eventually(lambda: stuck(client))
    assert event.data["by"] == "cy"


@pytest.mark.parametrize(
    ("ways", "told", "parts"),
    [
        ({"all_of": ["t.a", "t.b"]}, ["t.b", "t.a"], ["ana-b-0", "ana-a-1"]),
        ({"repeated": "t.a", "times": 3}, ["t.a"] * 3, ["ana-a-0", "ana-a-1", "ana-a-2"]),
        ({"after": "t.a", "missing": "t.b", "within": "300ms"}, ["t.a"], ["ana-a-0"]),
        # Filters that overlap: the server refuses them as they are.
        ({"sequence": ["t.*.web", "*.a.web"]}, ["t.b", "t.a"], ["ana-b-0", "ana-a-1"]),
    ],
)
async def test_every_way_of_raising_works_on_the_bus(
    client: Client, working: Working, eventually: Eventually, ways: Any, told: Any, parts: Any
) -> None:
    async with working(shop(**ways)):
        await tell(client, *told)
        (event,) = await eventually(lambda: stuck(client))
    assert event.data["parts"] == parts


async def test_what_came_in_time_is_not_missed(
    client: Client, working: Working, eventually: Eventually
) -> None:
    async with working(shop(after="t.a", missing="t.b", within="500ms")):
        await tell(client, "t.a", "t.b")
        await tell(client, "t.a", customer="bo")
        (event,) = await eventually(lambda: stuck(client))
    assert event.data["by"] == "bo"


async def test_two_instances_raise_one_event_and_the_second_goes_on_when_the_first_stops(
    client: Client, working: Working, eventually: Eventually
) -> None:
    async with working(shop()) as second:
        async with working(shop()) as first:
            reader = await eventually(lambda: holder(client))
            assert reader in (f"shop/{first.instance}", f"shop/{second.instance}")
            await tell(client, "cart.filled", "payment.failed")
            await eventually(lambda: stuck(client))
            await tell(client, "cart.filled", customer="bo")
        # The first has written down what waited, and the second goes on with it.
        await tell(client, "payment.failed", customer="bo")
        await eventually(lambda: _several(client, 2))
    assert [one.data["by"] for one in await stuck(client)] == ["ana", "bo"]


async def test_what_happened_while_no_instance_was_up_counts(
    client: Client, working: Working, eventually: Eventually
) -> None:
    async with working(shop()):
        await tell(client, "cart.filled")
    await tell(client, "payment.failed")
    async with working(shop()):
        (event,) = await eventually(lambda: stuck(client))
    assert event.data["parts"] == ["ana-filled-0", "ana-failed-0"]


async def test_readers_at_the_same_time_raise_each_match_once(
    client: Client, working: Working, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lease that fails to keep others away costs work, and nothing else."""

    @contextlib.asynccontextmanager
    async def everybody(*_: Any, **__: Any) -> Any:
        yield

    monkeypatch.setattr(Leases, "acquire", everybody)
    async with working(shop()), working(shop()), working(shop()):
        for customer in ("ana", "bo", "cy", "di"):
            await tell(client, "cart.filled", "payment.failed", customer=customer)
        await eventually(lambda: _several(client, 4))
        await tell(client, "cart.filled", "payment.failed", customer="end")
        await eventually(lambda: _several(client, 5))
    assert [one.data["by"] for one in await stuck(client)] == ["ana", "bo", "cy", "di", "end"]


async def test_a_match_that_was_raised_before_a_crash_is_not_raised_again(
    client: Client, working: Working, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reader dies between raising and its next checkpoint, so all is read again."""

    async def dies(*_: Any) -> None:
        raise AssertionError("a crashed process writes nothing")

    with monkeypatch.context() as crashing:
        crashing.setattr(Checkpoint, "write", dies)
        async with working(shop()):
            await tell(client, "cart.filled", "payment.failed")
            await eventually(lambda: stuck(client))
    async with working(shop()):
        await tell(client, "cart.filled", "payment.failed", customer="bo")
        await eventually(lambda: _several(client, 2))
    assert [one.data["by"] for one in await stuck(client)] == ["ana", "bo"]


async def test_a_changed_declaration_begins_anew_where_the_old_one_was(
    client: Client, working: Working, eventually: Eventually
) -> None:
    async with working(shop()):
        await tell(client, "cart.filled")
    await tell(client, "payment.failed", "payment.failed")
    async with working(shop(repeated="payment.failed", times=2)):
        (event,) = await eventually(lambda: stuck(client))
    assert event.data["parts"] == ["ana-failed-0", "ana-failed-1"]


async def test_unreadable_events_are_put_aside(
    client: Client, working: Working, eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    async with working(shop()):
        await client.connection.publish(f"{client.prefix}.event.cart.filled.web.1", b"[]")
        await tell(client, "cart.filled", "payment.failed")
        await eventually(lambda: stuck(client))
    assert "composite.unreadable" in caplog.text


async def test_dropped_events_are_told(
    client: Client,
    working: Working,
    eventually: Eventually,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recognition, "CHECKPOINT_EVERY", 0.05)
    async with working(shop(sequence=["t.a", "t.b"], limit=2)):
        for customer in ("ana", "bo", "cy"):
            await tell(client, "t.a", customer=customer)
        await eventually(lambda: "composite.dropped" in caplog.text)


def test_two_composites_of_one_name_are_refused() -> None:
    with pytest.raises(BadConfig, match="two composite events named"):
        shop().composite("checkout.stuck", within=1, repeated="a.b", times=2)


APP = """
from pepperpy import Agent

agent = Agent("shop")
agent.composite(
    "checkout.stuck",
    sequence=["cart.filled", "payment.failed"],
    by="data.customer",
    within="5m",
)
agent.composite("order.unpaid", after="order.placed", missing="order.paid", within="4s")
"""


async def test_a_killed_instance_is_replaced_in_the_middle_of_a_match(
    client: Client, broker: Broker, workers: Start, eventually: Eventually, tmp_path: Path
) -> None:
    (tmp_path / "shop_of_test.py").write_text(APP)
    one = workers(broker.url, "shop_of_test:agent")
    one.wait_for("composite.reading", 2)
    other = workers(broker.url, "shop_of_test:agent")
    customers = [f"c{n}" for n in range(20)]
    for customer in customers[:10]:
        await tell(client, "cart.filled", "payment.failed", customer=customer)
    await eventually(lambda: _several(client, 10))
    await tell(client, "order.placed", "cart.filled", customer="last")
    one.kill()
    for customer in customers[10:]:
        await tell(client, "cart.filled", "payment.failed", customer=customer)
    await tell(client, "payment.failed", customer="last")
    other.wait_for("composite.reading", 2, within=40)
    await eventually(lambda: _several(client, 21), within=20)
    assert [e.data["by"] for e in await stuck(client)] == [*customers, "last"]
    unpaid = client.events("order.unpaid", since="1h", until_end=True)
    assert [e.data["parts"] for e in [one async for one in unpaid]] == [["last-placed-0"]]


async def _several(client: Client, count: int) -> bool:
    return len(await stuck(client)) >= count
