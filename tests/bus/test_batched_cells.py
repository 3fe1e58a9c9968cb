import asyncio
from collections.abc import Awaitable, Callable

import pytest

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.state.batches import BatchedCells
from pepperpy_schemas.errors import BudgetExceeded

Streams = Callable[..., Awaitable[None]]
Connect = Callable[..., Awaitable[Connection]]


def plus(n: int) -> Callable[[bytes | None], bytes]:
    return lambda body: str(int(body or b"0") + n).encode()


async def test_changes_that_come_together_cost_a_few_round_trips(
    connection: Connection, prefix: str, streams: Streams
) -> None:
    await streams(connection, prefix, "state")
    async with BatchedCells(connection, prefix) as cells:
        await asyncio.gather(*(cells.change("agent.a.n", plus(1)) for _ in range(100)))
        entry = await cells.get("agent.a.n")
    assert entry is not None
    assert entry.value == b"100"
    assert entry.revision <= 3


async def test_changes_of_several_processes_are_all_made(
    connect: Connect, connection: Connection, prefix: str, streams: Streams
) -> None:
    await streams(connection, prefix, "state")
    async with (
        BatchedCells(connection, prefix) as one,
        BatchedCells(await connect(), prefix) as other,
    ):
        changes = [c.change("agent.a.n", plus(1)) for _ in range(50) for c in (one, other)]
        await asyncio.gather(*changes)
        entry = await one.get("agent.a.n")
    assert entry is not None
    assert entry.value == b"100"


async def test_a_change_that_is_refused_leaves_the_others_alone(
    connection: Connection, prefix: str, streams: Streams
) -> None:
    await streams(connection, prefix, "state")

    def refuse(body: bytes | None) -> bytes:
        raise BudgetExceeded(f"there is {body!r}")

    async with BatchedCells(connection, prefix) as cells:
        edits = (plus(1), refuse, plus(2), lambda _: None)
        outcomes = await asyncio.gather(
            *(cells.change("agent.a.n", edit) for edit in edits), return_exceptions=True
        )
        entry = await cells.get("agent.a.n")
    assert entry is not None
    assert entry.value == b"3"
    assert [type(one) for one in outcomes] == [int, BudgetExceeded, int, int]
    assert str(outcomes[1]) == "there is b'1'"


async def test_who_is_cancelled_before_its_turn_changes_nothing(
    connection: Connection, prefix: str, streams: Streams
) -> None:
    await streams(connection, prefix, "state")
    async with BatchedCells(connection, prefix) as cells:
        first, second, third = (
            asyncio.create_task(cells.change("agent.a.n", plus(n))) for n in (1, 10, 100)
        )
        await asyncio.sleep(0)  # each has asked
        second.cancel()
        await asyncio.gather(first, third)
        entry = await cells.get("agent.a.n")
    assert entry is not None
    assert entry.value == b"101"


async def test_who_is_cancelled_in_the_middle_does_not_hold_up_the_rest(
    connection: Connection, prefix: str, streams: Streams
) -> None:
    await streams(connection, prefix, "state")
    called = asyncio.Event()

    def edit(body: bytes | None) -> bytes:
        called.set()
        return plus(1)(body)

    async with BatchedCells(connection, prefix) as cells:
        first = asyncio.create_task(cells.change("agent.a.n", edit))
        await called.wait()
        second = asyncio.create_task(cells.change("agent.a.n", plus(1)))
        first.cancel()
        await second
        with pytest.raises(asyncio.CancelledError):
            await first
    entry = await cells.get("agent.a.n")
    assert entry is not None
    assert entry.value == b"2"


async def test_what_goes_wrong_is_told_to_everybody(connection: Connection, prefix: str) -> None:
    async with BatchedCells(connection, prefix) as cells:
        outcomes = await asyncio.gather(
            *(cells.change("agent.a.n", plus(1), within=0.0) for _ in range(3)),
            return_exceptions=True,
        )
    assert len(outcomes) == 3
    assert all(isinstance(one, Exception) for one in outcomes), outcomes


async def test_leaving_waits_for_the_changes_that_are_under_way(
    connection: Connection, prefix: str, streams: Streams
) -> None:
    await streams(connection, prefix, "state")
    called = asyncio.Event()

    def edit(body: bytes | None) -> bytes:
        called.set()
        return plus(1)(body)

    async with BatchedCells(connection, prefix) as cells:
        changing = asyncio.create_task(cells.change("agent.a.n", edit))
        await called.wait()
    assert changing.done()
    await changing


async def test_when_everybody_has_gone_nothing_is_changed(
    connection: Connection, prefix: str, streams: Streams
) -> None:
    await streams(connection, prefix, "state")
    async with BatchedCells(connection, prefix) as cells:
        changing = [asyncio.create_task(cells.change("agent.a.n", plus(1))) for _ in range(3)]
        await asyncio.sleep(0)  # each has asked
        for task in changing:
            task.cancel()
        await asyncio.wait(changing)
    assert await cells.get("agent.a.n") is None
