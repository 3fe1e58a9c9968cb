import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from pepperpy.stack.broker import Broker
from pepperpy_bus.client import Client
from pepperpy_bus.opening import connect
from pepperpy_bus.state.budget import Budgets
from pepperpy_bus.state.cells import Cells
from pepperpy_bus.state.resources import Resources
from pepperpy_bus.streams.clock import ServerClock
from pepperpy_schemas.shared import Amounts
from tests.cli.inline import Inline


def on_bus(broker: Broker, prefix: str, do: Callable[[Client], Awaitable[Any]]) -> Any:
    async def work() -> Any:
        async with connect(broker.url, bus__prefix=prefix) as client:
            return await do(client)

    return asyncio.run(work())


def resources_of(client: Client, holder: str = "") -> Resources:
    clock = ServerClock(client.connection, client.prefix)
    return Resources(Cells(client.connection, client.prefix), clock, holder=holder)


async def make(client: Client) -> None:
    """The streams are there from now on."""


def hold(broker: Broker, prefix: str) -> None:
    """Leaves a share held, as a worker that has just died."""

    async def take(client: Client) -> None:
        lease = await resources_of(client, "trainer/a1").take("gpu", 3, ttl="60s")
        lease._keeping.cancel()

    on_bus(broker, prefix, take)


def test_a_resource_is_defined_listed_and_removed(
    inline: Inline, broker: Broker, prefix: str
) -> None:
    on_bus(broker, prefix, make)
    assert inline.run("resources", "define", "gpu", "--capacity", "4") == 0
    assert inline.out == "gpu: 0 of 4 held\n"
    document = {"name": "gpu", "used": 0, "held": [], "waiting": [], "capacity": 6}
    defined = inline.json("resources", "define", "gpu", "--capacity", "6")
    assert {**defined, "token": 0} == {**document, "token": 0}
    assert [one["name"] for one in inline.json("resources", "ls")] == ["gpu"]
    assert inline.run("resources", "rm", "gpu") == 0
    assert inline.out == "gpu removed\n"
    assert inline.json("resources", "ls") == []
    assert inline.run("resources", "ls") == 0
    assert (inline.out, inline.err) == ("", "no resource is defined\n")


def test_who_holds_it_is_told_and_not_taken_from_without_force(
    inline: Inline, broker: Broker, prefix: str
) -> None:
    on_bus(broker, prefix, make)
    inline.run("resources", "define", "gpu", "--capacity", "4")
    hold(broker, prefix)
    assert inline.run("resources", "ls") == 0
    head, row = inline.out.splitlines()
    assert head.split() == ["RESOURCE", "CAPACITY", "HELD", "WAITING", "LONGEST", "HOLDERS"]
    assert row.split() == ["gpu", "4", "3", "0", "-", "trainer/a1:3"]
    (listed,) = inline.json("resources", "ls")
    assert (listed["used"], listed["held"][0]["holder"]) == (3, "trainer/a1")
    assert inline.run("resources", "rm", "gpu") == 1
    assert inline.err == (
        "error: gpu is held by trainer/a1\n  hint: wait until it is free, or add --force\n"
    )
    assert inline.run("resources", "rm", "gpu", "--force") == 0


def test_what_is_not_there_is_told_with_the_way_to_make_it(
    inline: Inline, broker: Broker, prefix: str
) -> None:
    on_bus(broker, prefix, make)
    assert inline.run("resources", "rm", "gpu") == 1
    assert "error: nobody has defined resource gpu" in inline.err
    assert "hint: define it once: pepperpy resources define gpu --capacity N" in inline.err
    assert inline.run("resources", "define", "gpu", "--capacity", "0") == 2


def test_a_budget_is_shown_unit_by_unit(inline: Inline, broker: Broker, prefix: str) -> None:
    async def spend(client: Client) -> None:
        clock = ServerClock(client.connection, client.prefix)
        budgets = Budgets(Cells(client.connection, client.prefix), clock)
        budget = budgets.of("t1", '{"tokens":10000,"usd":1.0}')
        async with budget.spend(tokens=4000, usd=0.25) as spending:
            spending.settle(tokens=3120, usd=0.125)
        await budget.reserve("r", Amounts(tokens=500))

    on_bus(broker, prefix, spend)
    assert inline.run("budget", "t1") == 0
    lines = [line.split() for line in inline.out.splitlines()]
    assert lines[:3] == [
        ["UNIT", "LIMIT", "SPENT", "RESERVED", "LEFT"],
        ["tokens", "10,000", "3,120", "500", "6,380"],
        ["usd", "1", "0.125", "0", "0.875"],
    ]
    assert lines[4] == ["tasks", "-", "0", "0", "-"]
    shown = inline.json("budget", "t1")
    assert shown["task_id"] == "t1"
    assert shown["units"][0] == {
        "unit": "tokens",
        "limit": 10_000,
        "spent": 3120,
        "reserved": 500,
        "left": 6380,
    }


def test_a_task_without_a_budget_has_none_to_show(
    inline: Inline, broker: Broker, prefix: str
) -> None:
    on_bus(broker, prefix, make)
    assert inline.run("budget", "t1") == 1
    assert "error: task t1 has no ledger" in inline.err
