"""Several processes with one Qdrant: nothing is half stored, and nothing of the other is lost."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from pepperpy_memory_svc.stores.qdrant.addressing import qdrant_store
from pepperpy_memory_svc.stores.qdrant.engine import Engine
from pepperpy_memory_svc.stores.qdrant.store import QdrantStore
from pepperpy_memory_svc.stores.rows import Filling
from pepperpy_schemas.errors import Conflict, NotFound, WrongSequence
from tests.memory_svc.stores.making import NOW, Filled, after, entry, filled, fresh


@asynccontextmanager
async def two(address: str) -> AsyncIterator[tuple[Filled, Filled]]:
    """Two stores on one collection, each as in a process of its own."""
    address = f"{address}/{fresh()}"
    async with qdrant_store(address) as one, qdrant_store(address) as other:
        yield await filled(one), await filled(other)


def engine_of(memory: Filled) -> Engine:
    assert isinstance(memory.store, QdrantStore)
    return memory.store.engine


def once_before(engine: Engine, method: str, do: object) -> None:
    """Lets something happen just before an engine is asked for something the first time."""
    asked = getattr(engine, method)

    async def called(*args: object, **kwargs: object) -> object:
        setattr(engine, method, asked)
        await do()  # type: ignore[operator]  # a coroutine function of the test's
        return await asked(*args, **kwargs)

    setattr(engine, method, called)


async def test_writers_of_two_processes_lose_nothing(qdrant_server: str) -> None:
    async with two(qdrant_server) as (one, other):

        async def write(memory: Filled, writer: int) -> None:
            for number in range(4):
                ids = ["both", f"e{writer}-{number}"]
                rows = [memory.row(entry(id_), None, ["word"]) for id_ in ids]
                await memory.store.put("ours", rows, now=NOW)

        await asyncio.gather(write(one, 1), write(other, 2))
        there = {each.id: each for each in await one.store.scan("ours", now=NOW)}
        assert len(there) == 9
        assert there["both"].version == 8
        past = await other.store.history("ours", "both", now=NOW)
        assert [each.entry.version for each in past] == [7, 6, 5, 4, 3, 2, 1]
        for memory in (one, other):
            assert len((await memory.find(lexemes=["word"])).words) == 9


async def test_of_two_that_expect_the_same_version_one_wins(qdrant_server: str) -> None:
    async with two(qdrant_server) as (one, other):
        await one.put(entry("a"))
        rows = [other.row(entry("new")), other.row(entry("a", text="other's"), expected=1)]

        async def first() -> None:
            await one.put(entry("a", text="one's"), expected=1)

        once_before(engine_of(other), "write", first)
        with pytest.raises(Conflict) as caught:
            await other.store.put("ours", rows, now=NOW)
        assert caught.value.context["version"] == 2
        there = await one.store.get("ours", ["a", "new"], now=NOW)
        assert {id_: each.text for id_, each in there.items()} == {"a": "one's"}


async def test_what_was_written_in_between_is_built_upon(qdrant_server: str) -> None:
    async with two(qdrant_server) as (one, other):
        await one.put(entry("a"), [1, 0, 0, 0], ["word"])
        await one.put(entry("b"), [1, 0, 0, 0], ["word"])

        async def first() -> None:
            await one.put(entry("b", text="one's"), [1, 0, 0, 0], ["word"])

        once_before(engine_of(other), "write", first)
        rows = [other.row(entry(id_, text="other's"), None, ["word"]) for id_ in "ab"]
        put = await other.store.put("ours", rows, now=NOW)
        assert [each.version for each in put] == [2, 3]
        past = await one.store.history("ours", "b", now=NOW)
        assert [each.entry.text for each in past] == ["one's", "text of b"]


@pytest.mark.parametrize("what", ["put", "fill", "delete"])
async def test_what_others_do_with_it_at_once_does_not_undo_a_put(
    qdrant_server: str, what: str
) -> None:
    async with two(qdrant_server) as (one, other):
        await one.put(entry("a", text="first"))
        engine = engine_of(other)
        new = await one.store.begin("embedding", "new", dims=2)

        async def then() -> None:
            match what:
                case "put":
                    await one.put(entry("a", text="third"), expected=2)
                case "fill":
                    filling = Filling(namespace="ours", id="a", version=2, vector=[1, 0])
                    assert await one.store.fill(new.number, [filling]) == 1
                case _:
                    assert await one.store.delete("ours", ["b"], now=NOW) == ["b"]

        async def after_writing() -> None:
            # The next that is asked is which points are ours.
            once_before(engine, "read", then)

        once_before(engine, "write", after_writing)
        rows = [other.row(entry("a", text="second"), expected=1), other.row(entry("b"), expected=0)]
        put = await other.store.put("ours", rows, now=NOW)
        assert [each.version for each in put] == [2, 1]
        there = {each.id: each.version for each in await one.store.scan("ours", now=NOW)}
        assert (
            there
            == {
                "put": {"a": 3, "b": 1},
                "fill": {"a": 2, "b": 1},
                "delete": {"a": 2},
            }[what]
        )


async def test_a_flip_in_between_is_told_and_leaves_nothing(qdrant_server: str) -> None:
    async with two(qdrant_server) as (one, other):
        await other.put(entry("a"), [1, 0, 0, 0], ["word"])
        new = await one.store.begin("embedding", "new", dims=2)

        async def flip() -> None:
            assert await one.store.flip(new.number, now=NOW, partial=True) == 1

        once_before(engine_of(other), "write", flip)
        rows = [other.row(entry(id_, text="late"), [1, 0, 0, 0], ["word"]) for id_ in "ab"]
        with pytest.raises(WrongSequence, match=f"generation {new.number} is current"):
            await other.store.put("ours", rows, now=NOW)
        there = await one.store.get("ours", ["a", "b"], now=NOW)
        assert {id_: each.text for id_, each in there.items()} == {"a": "text of a"}
        assert len((await one.find([1, 0, 0, 0], ["word"])).entries) == 1


async def test_what_is_put_while_another_flips_makes_it_go_back(qdrant_server: str) -> None:
    async with two(qdrant_server) as (one, other):
        new = await one.store.begin("embedding", "new", dims=2)

        async def late() -> None:
            await other.put(entry("late"), [1, 0, 0, 0])

        once_before(engine_of(one), "write", late)
        assert await one.store.flip(new.number, now=NOW) == 1
        states = {each.number: each.state for each in await other.store.generations()}
        assert states[one.embedding] == "current"
        assert states[new.number] == "kept"


async def test_what_is_changed_while_another_fills_is_not_filled(qdrant_server: str) -> None:
    async with two(qdrant_server) as (one, other):
        put = await one.put(entry("a"), [1, 0, 0, 0])
        new = await one.store.begin("embedding", "new", dims=2)

        async def change() -> None:
            await other.put(entry("a", text="changed"), [0, 1, 0, 0])

        once_before(engine_of(one), "write", change)
        one_filling = Filling(namespace="ours", id="a", version=put.version, vector=[1, 0])
        assert await one.store.fill(new.number, [one_filling]) == 0
        assert [each.text for each in await one.store.unfilled(new.number, now=NOW)] == ["changed"]


async def test_what_is_deleted_while_another_fills_stays_deleted(qdrant_server: str) -> None:
    async with two(qdrant_server) as (one, other):
        for id_ in "ab":
            await one.put(entry(id_), [1, 0, 0, 0], ["word"])
        new = await one.store.begin("embedding", "new", dims=2)

        async def delete() -> None:
            assert await other.store.delete("ours", ["a"], now=NOW) == ["a"]

        once_before(engine_of(one), "write", delete)
        fillings = [Filling(namespace="ours", id=id_, version=1, vector=[1, 0]) for id_ in "ab"]
        assert await one.store.fill(new.number, fillings) == 1
        assert [each.id for each in await other.store.scan("ours", now=NOW)] == ["b"]
        assert await one.store.unfilled(new.number, now=NOW) == []
        refilled = Filled(one.store, new.number, one.analyser)
        assert [each.id for each in (await refilled.find([1, 0])).vector] == ["b"]


async def test_a_fill_that_another_dropped_the_generation_of_is_told(qdrant_server: str) -> None:
    async with two(qdrant_server) as (one, other):
        await one.put(entry("a"))
        new = await one.store.begin("analyser", "new")

        async def drop() -> None:
            await other.store.drop(new.number)

        once_before(engine_of(one), "write", drop)
        filling = Filling(namespace="ours", id="a", version=1, lexemes=[])
        with pytest.raises(NotFound):
            await one.store.fill(new.number, [filling])


@pytest.mark.parametrize("ttl", [60.0, None])
async def test_what_is_touched_while_another_fills_lives_on(
    qdrant_server: str, ttl: float | None
) -> None:
    async with two(qdrant_server) as (one, other):
        await one.put(entry("a", ttl=60.0, expires=after(60)), [1, 0, 0, 0])
        await one.put(entry("b", ttl=ttl, expires=after(60) if ttl else None), [1, 0, 0, 0])
        new = await one.store.begin("embedding", "new", dims=2)

        async def touch() -> None:
            assert await other.store.touch("ours", ["a"], now=after(50)) == 1

        once_before(engine_of(one), "write", touch)
        fillings = [Filling(namespace="ours", id=id_, version=1, vector=[1, 0]) for id_ in "ab"]
        assert await one.store.fill(new.number, fillings) == 2
        assert await one.store.unfilled(new.number, now=NOW) == []
        there = await one.store.get("ours", ["a", "b"], now=NOW)
        assert there["a"].expires == after(110)
        assert there["b"].expires == (after(60) if ttl else None)


@pytest.mark.parametrize("what", ["delete", "touch"])
async def test_what_is_filled_meanwhile_is_deleted_and_touched_all_the_same(
    qdrant_server: str, what: str
) -> None:
    async with two(qdrant_server) as (one, other):
        await one.put(entry("a", ttl=60.0, expires=after(60)))
        new = await one.store.begin("embedding", "new", dims=2)

        async def fill() -> None:
            filling = Filling(namespace="ours", id="a", version=1, vector=[1, 0])
            assert await other.store.fill(new.number, [filling]) == 1

        if what == "delete":
            once_before(engine_of(one), "remove", fill)
            assert await one.store.delete("ours", ["a"], now=NOW) == ["a"]
            assert await other.store.get("ours", ["a"], now=NOW) == {}
        else:
            once_before(engine_of(one), "assign", fill)
            assert await one.store.touch("ours", ["a"], now=after(50)) == 1
            there = await other.store.get("ours", ["a"], now=NOW)
            assert there["a"].expires == after(110)


async def test_what_is_put_while_another_deletes_stays(qdrant_server: str) -> None:
    async with two(qdrant_server) as (one, other):
        await one.put(entry("a"))

        async def change() -> None:
            await other.put(entry("a", text="changed"))

        once_before(engine_of(one), "remove", change)
        await one.store.delete("ours", ["a"], now=NOW)
        there = await other.store.get("ours", ["a"], now=NOW)
        assert there["a"].text == "changed"


async def test_a_version_that_another_removed_is_not_given_again(qdrant_server: str) -> None:
    async with two(qdrant_server) as (one, other):
        for _ in range(3):
            await one.put(entry("a"))
        await one.put(entry("b"))
        assert await other.store.delete("ours", ["a"], now=NOW) == ["a"]
        # A lower one that is removed later changes nothing.
        assert await one.store.delete("ours", ["b"], now=NOW) == ["b"]
        assert (await one.put(entry("a"))).version == 4
        assert (await other.put(entry("b"))).version == 4


async def test_what_is_deleted_while_another_puts_it_begins_above(qdrant_server: str) -> None:
    async with two(qdrant_server) as (one, other):
        read = await one.put(entry("a"))

        async def delete() -> None:
            assert await one.store.delete("ours", ["a"], now=NOW) == ["a"]

        once_before(engine_of(other), "read", delete)
        assert (await other.put(entry("a", text="new"))).version == 2
        with pytest.raises(Conflict):
            await one.put(entry("a", text="late"), expected=read.version)


async def test_two_that_begin_the_same_get_the_same(qdrant_server: str) -> None:
    async with two(qdrant_server) as (one, other):
        begun = await asyncio.gather(
            *(each.store.begin("embedding", "new", dims=3) for each in (one, other) * 2)
        )
        assert len({each.number for each in begun}) == 1
        assert len(await one.store.generations()) == 3


async def test_a_generation_that_another_dropped_is_told(qdrant_server: str) -> None:
    async with two(qdrant_server) as (one, other):
        new = await one.store.begin("embedding", "new", dims=2)
        known = Filled(one.store, new.number, one.analyser)
        await one.put(entry("a"))
        assert (await known.find([1, 0])).entries == {}
        await other.store.drop(new.number)
        with pytest.raises(WrongSequence, match="a generation is gone") as caught:
            await known.find([1, 0])
        assert caught.value.retryable
        with pytest.raises(WrongSequence, match="there is no generation"):
            await Filled(other.store, new.number, one.analyser).find([1, 0])
