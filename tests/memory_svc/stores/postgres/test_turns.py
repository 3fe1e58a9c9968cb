"""Who waits to write has no connection that others need, and loses nothing."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it has no types
import pytest

from pepperpy_memory_svc.stores.postgres import Limits, PostgresStore
from pepperpy_memory_svc.stores.postgres.turns import Turns
from pepperpy_schemas.errors import Overloaded
from tests.memory_svc.stores.making import NOW, after, entry, filled

HELD = """
CREATE FUNCTION {schema}.held() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN PERFORM pg_advisory_xact_lock(77); RETURN coalesce(new, old); END $$;
CREATE TRIGGER held BEFORE UPDATE OR DELETE ON {schema}.entry
    FOR EACH ROW EXECUTE FUNCTION {schema}.held()"""


@contextlib.asynccontextmanager
async def connected(url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def waiting(connection: Any, number: int) -> None:
    """Waits until so many of the store's sessions wait for a lock of the database."""
    deadline = time.monotonic() + 20
    asked = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name = 'pepperpy-memory' AND wait_event_type = 'Lock'"
    )
    while await connection.fetchval(asked) < number:
        assert time.monotonic() < deadline, "it never waits"
        await asyncio.sleep(0.01)


async def test_readers_have_a_connection_however_many_wait_to_write(
    postgres: str, schema: str
) -> None:
    limits = Limits(connections=4, patience=2)
    async with (
        connected(postgres) as other,
        connected(postgres) as watch,
        PostgresStore(postgres, schema=schema, limits=limits) as store,
    ):
        memory = await filled(store)
        spaces = ["ours", "theirs", "a", "b"]
        for space in spaces:
            await memory.put(entry("a", namespace=space, ttl=60.0, expires=after(60)))
        locked = other.transaction()
        await locked.start()
        # Stands for a writer of another replica that takes long.
        await other.execute(
            f"SELECT 1 FROM {schema}.namespace FOR UPDATE; SELECT 1 FROM {schema}.entry FOR UPDATE"
        )
        puts = [
            asyncio.create_task(memory.put(entry(f"w{n}", namespace=spaces[n % 4])))
            for n in range(12)
        ]
        touches = [asyncio.create_task(store.touch("ours", ["a"], now=NOW)) for _ in range(4)]
        await waiting(watch, 2)
        found = await asyncio.gather(*(store.get(space, ["a"], now=NOW) for space in spaces))
        assert [list(each) for each in found] == [["a"]] * 4
        await locked.rollback()
        await asyncio.gather(*puts, *touches)
        assert len(await store.scan("ours", now=NOW)) == 4


async def test_a_touch_that_waits_for_a_put_of_its_entry_is_not_lost(
    postgres: str, schema: str
) -> None:
    async with connected(postgres) as other, PostgresStore(postgres, schema=schema) as store:
        memory = await filled(store)
        lasting = entry("a", ttl=60.0, expires=after(60))
        await memory.put(lasting, [1, 0, 0, 0], ["word"])
        await other.execute(HELD.format(schema=schema))
        await other.execute("SELECT pg_advisory_lock(77)")
        put = asyncio.create_task(memory.put(lasting, [0, 1, 0, 0], ["word"]))
        await waiting(other, 1)
        touch = asyncio.create_task(store.touch("ours", ["a"], now=after(30)))
        await waiting(other, 2)
        await other.execute("SELECT pg_advisory_unlock(77)")
        assert (await put).version == 2
        assert await touch == 1
        there = (await store.get("ours", ["a"], now=after(30)))["a"]
        assert (there.version, there.expires) == (2, after(90))


async def test_writers_of_a_namespace_go_in_their_order_and_others_do_not_wait() -> None:
    turns = Turns(connections=5, waiting=10, patience=20)
    order: list[str] = []
    first = asyncio.Event()

    async def write(namespace: str, name: str) -> None:
        async with turns.of(namespace):
            order.append(name)
            if name == "first":
                await first.wait()

    writers = [asyncio.create_task(write("a", name)) for name in ("first", "second", "third")]
    writers.append(asyncio.create_task(write("b", "other")))
    await asyncio.wait_for(writers[3], 20)
    first.set()
    await asyncio.gather(*writers)
    assert order == ["first", "other", "second", "third"]
    assert not turns._lines


async def test_writers_that_are_too_many_or_wait_too_long_are_refused() -> None:
    turns = Turns(connections=8, waiting=1, patience=0.2)
    async with turns.of("a"):
        calls = [asyncio.create_task(turns.of("a").__aenter__()) for _ in range(3)]
        await asyncio.wait(calls)
        said = sorted(str(each.exception()) for each in calls)
        assert all(isinstance(each.exception(), Overloaded) for each in calls)
        assert [each.partition(" ")[0] for each in said] == ["1", "1", "others"]
    async with turns.of("a"), asyncio.timeout(20):
        pass


async def test_who_is_cancelled_while_it_waits_leaves_the_turn_to_the_next() -> None:
    turns = Turns(connections=3, waiting=10, patience=20)
    async with turns.of("a"):
        leaving = asyncio.create_task(turns.of("a").__aenter__())
        await asyncio.sleep(0)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
    async with asyncio.timeout(20), turns.of("a"):
        pass
    assert not turns._there
