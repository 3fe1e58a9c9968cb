import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import pytest
from pydantic import BaseModel

from pepperpy.stack.broker import Broker
from pepperpy_bus.link.connection import Connection
from pepperpy_bus.state import values
from pepperpy_bus.state.cells import Cells
from pepperpy_bus.state.values import AgentState
from pepperpy_bus.streams.reading import last_on
from pepperpy_schemas.errors import BadName, BadPayload, Overloaded, TooLarge, WrongSequence

Streams = Callable[..., Awaitable[None]]
Connect = Callable[..., Awaitable[Connection]]


class Cart(msgspec.Struct):
    items: list[str]
    paid: bool = False


@pytest.fixture
async def state(connection: Connection, prefix: str, streams: Streams) -> AgentState:
    await streams(connection, prefix, "state")
    return AgentState(Cells(connection, prefix), "shop", root="PP_TASKS-7")


@pytest.fixture
async def processes(state: AgentState, connect: Connect, prefix: str) -> list[AgentState]:
    """Four of them, as far as the broker can tell."""
    return [AgentState(Cells(await connect(), prefix), "shop") for _ in range(4)]


async def test_what_is_set_is_got_with_its_revision(state: AgentState) -> None:
    assert await state.get("count") == (None, 0)
    assert await state.get("count", default=5) == (5, 0)
    revision = await state.set("count", 1)
    assert await state.get("count") == (1, revision)
    assert await state.set("count", None) > revision
    value, _ = await state.get("count", default=5)
    assert value is None


async def test_values_have_types(state: AgentState) -> None:
    await state.set("cart", Cart(["pen"]))
    cart, _ = await state.get("cart", type=Cart)
    assert cart == Cart(["pen"])
    assert (await state.get("cart")).value == {"items": ["pen"], "paid": False}
    await state.set("raw", b"\xff\x00")
    assert (await state.get("raw", type=bytes)).value == b"\xff\x00"

    class Model(BaseModel):
        size: int

    await state.set("model", Model(size=3))
    assert (await state.get("model")).value == {"size": 3}


async def test_a_value_of_another_type_is_told_by_name(state: AgentState) -> None:
    await state.set("cart", {"items": "pen"})
    with pytest.raises(BadPayload, match=r"state cart: \$\.items: Expected `array`") as refused:
        await state.get("cart", type=Cart)
    assert refused.value.context == {"path": "$.items"}
    with pytest.raises(BadPayload, match="state cart"):
        await state.update("cart", lambda old: old, type=Cart)


async def test_a_write_that_names_an_old_revision_is_refused(state: AgentState) -> None:
    first = await state.set("count", 1, revision=0)
    with pytest.raises(WrongSequence, match="state count has changed since revision 0"):
        await state.set("count", 2, revision=0)
    second = await state.set("count", 2, revision=first)
    with pytest.raises(WrongSequence) as refused:
        await state.set("count", 3, revision=first)
    assert refused.value.hint == "get it again, or let update() do both"
    assert await state.get("count") == (2, second)


async def test_no_update_of_many_processes_is_lost(
    state: AgentState, processes: list[AgentState]
) -> None:
    async with asyncio.timeout(60):
        await asyncio.gather(
            *(processes[n % 4].update("count", lambda old: (old or 0) + 1) for n in range(200))
        )
    assert (await state.get("count")).value == 200


async def test_an_update_returns_what_it_made_and_keeps_the_old_value_when_it_fails(
    state: AgentState,
) -> None:
    assert await state.update("cart", lambda _: Cart(["pen"])) == Cart(["pen"])

    def fail(old: object) -> object:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await state.update("cart", fail)
    assert (await state.get("cart", type=Cart)).value == Cart(["pen"])


async def test_an_update_that_never_wins_gives_up(
    state: AgentState, processes: list[AgentState], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = processes[0]._cells

    async def meddle() -> None:
        await other.bucket.put("agent.shop.count", b"0")

    cells = state._cells
    get = cells.get

    async def get_and_meddle(key: str) -> object:
        entry = await get(key)
        await meddle()
        return entry

    monkeypatch.setattr(cells, "get", get_and_meddle)
    with pytest.raises(Overloaded, match=r"state agent\.shop\.count was changed by others"):
        await cells.change("agent.shop.count", lambda _: b"1", within=0.1)


async def test_a_value_can_be_deleted_and_made_again(state: AgentState) -> None:
    await state.set("a", 1)
    await state.delete("a")
    await state.delete("never")
    assert await state.get("a") == (None, 0)
    assert await state.update("a", lambda old: [old]) == [None]


async def test_agents_families_and_keys_do_not_meet(state: AgentState, prefix: str) -> None:
    other = AgentState(state._cells, "stock", root="PP_TASKS-7")
    await state.set("x", "shop")
    await other.set("x", "stock")
    await state.family.set("x", "family")
    await state.keyed("c42").set("x", "customer")
    await state.keyed("c43").set("y", "customer")
    assert (await state.get("x")).value == "shop"
    assert (await other.get("x")).value == "stock"
    assert (await other.family.get("x")).value == "family"
    assert (await state.keyed("c42").get("x")).value == "customer"
    assert await state.keyed("c43").get("x") == (None, 0)
    assert await state.keys() == ["x"]
    assert await state.keyed("c43").keys() == ["y"]
    assert sorted(one.key for one in await state._cells.bucket.entries()) == [
        "agent.shop.x",
        "agent.stock.x",
        "family.PP_TASKS-7.x",
        "key.shop.c42.x",
        "key.shop.c43.y",
    ]


@pytest.mark.parametrize("name", ["", "two words", "a.b", "x" * 65, "*"])
async def test_a_name_that_cannot_travel_is_refused(state: AgentState, name: str) -> None:
    with pytest.raises(BadName):
        await state.get(name)
    with pytest.raises(BadName):
        await state.set(name, 1)


async def test_a_key_may_be_any_printable_text(state: AgentState) -> None:
    await state.keyed("ana@example.com").set("cart", 1)
    assert (await state.keyed("ana@example.com").get("cart")).value == 1
    for key in ("", "two\nlines", "x" * 257):
        with pytest.raises(BadName):
            await state.keyed(key).set("cart", 1)


async def test_a_large_value_is_refused_with_the_way_out(state: AgentState) -> None:
    with pytest.raises(TooLarge, match="state text has 524290 bytes") as refused:
        await state.set("text", "x" * values.MAX_VALUE)
    assert refused.value.hint == "keep large data elsewhere, and its reference here"
    await state.set("text", "x" * (values.MAX_VALUE - 2))


async def test_values_are_forgotten_when_they_were_meant_to_be(
    state: AgentState, connection: Connection, prefix: str
) -> None:
    async def ttl(key: str) -> str | None:
        stored = await last_on(connection, f"KV_{prefix}_state", f"$KV.{prefix}_state.{key}")
        assert stored is not None
        return stored.headers.get("nats-ttl")

    await state.set("for-ever", 1)
    await state.set("short", 1, ttl="90s")
    await state.update("shorter", lambda _: 1, ttl="1500ms")
    await state.family.set("x", 1)
    await state.family.update("x", lambda old: old)
    assert await ttl("agent.shop.for-ever") is None
    assert await ttl("agent.shop.short") == "90s"
    assert await ttl("agent.shop.shorter") == "2s"
    assert await ttl("family.PP_TASKS-7.x") == "2592000s"


async def test_an_update_waits_for_a_broker_that_restarts(
    own_broker: Broker, own: Connection, prefix: str, streams: Streams
) -> None:
    await streams(own, prefix, "state")
    state = AgentState(Cells(own, prefix), "shop")
    await state.set("count", 1)
    own_broker.kill()
    updating = asyncio.create_task(state.update("count", lambda old: old + 1), name="updating")
    await own_broker.start()
    async with asyncio.timeout(20):
        assert await updating == 2
    assert (await state.get("count")).value == 2
