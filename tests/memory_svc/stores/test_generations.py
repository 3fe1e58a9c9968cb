import asyncio

import pytest

from pepperpy_memory_svc.stores.rows import Filling, Generation, Row
from pepperpy_memory_svc.stores.store import Store
from pepperpy_schemas.errors import BadPayload, Conflict, NotFound, WrongSequence
from pepperpy_schemas.memory import Entry
from tests.memory_svc.stores.making import NOW, Filled, after, entry, filled


def filling(one: Entry, **fields: object) -> Filling:
    return Filling(namespace=one.namespace, id=one.id, version=one.version, **fields)  # type: ignore[arg-type]  # a test's free fields


async def test_the_first_of_its_kind_is_current(store: Store) -> None:
    first = await store.begin("embedding", "one", dims=4)
    second = await store.begin("embedding", "two", dims=3)
    words = await store.begin("analyser", "one")
    assert [each.state for each in (first, second, words)] == ["current", "building", "current"]
    assert await store.generations() == [first, second, words]


async def test_beginning_the_same_again_is_no_other_one(store: Store) -> None:
    first = await store.begin("embedding", "one", dims=4)
    assert await store.begin("embedding", "one", dims=4) == first
    with pytest.raises(BadPayload, match="4 numbers"):
        await store.begin("embedding", "one", dims=5)
    both = await asyncio.gather(*(store.begin("analyser", "same") for _ in range(4)))
    assert len({each.number for each in both}) == 1


@pytest.mark.parametrize(
    ("kind", "name", "dims"),
    [("embedding", "", 4), ("embedding", "a", 0), ("embedding", "a", 10**6), ("analyser", "a", 4)],
)
async def test_a_generation_that_cannot_be_is_refused(
    store: Store, kind: str, name: str, dims: int
) -> None:
    with pytest.raises(BadPayload):
        await store.begin(kind, name, dims=dims)  # type: ignore[arg-type]  # one of both
    assert await store.generations() == []


async def test_long_vectors_are_compared_without_an_index(store: Store) -> None:
    memory = await filled(store, dims=5000)
    await memory.put(entry("a"), [1.0] * 5000)
    other = await store.begin("embedding", "longer", dims=6000)
    await store.fill(other.number, [])
    assert await store.flip(other.number, now=NOW, partial=True) == 1
    assert [each.id for each in (await memory.find([1.0] * 5000)).vector] == ["a"]


async def test_a_new_generation_is_filled_beside_the_current_one_and_takes_its_place(
    memory: Filled,
) -> None:
    store = memory.store
    for number in range(5):
        await memory.put(entry(f"e{number}"), [1, 0, 0, number], [f"w{number}"])
    new = await store.begin("embedding", "new", dims=2)
    words = await store.begin("analyser", "new")
    assert await store.flip(new.number, now=NOW) == 5
    while page := await store.unfilled(new.number, now=NOW, limit=2):
        assert len(page) <= 2
        fillings = [filling(each, vector=[1.0, int(each.id[1])]) for each in page]
        assert await store.fill(new.number, fillings) == len(page)
        # Meanwhile the current one is searched.
        assert len((await memory.find([1, 0, 0, 0])).vector) == 5
    fillings = [
        filling(each, lexemes=["all"]) for each in await store.unfilled(words.number, now=NOW)
    ]
    await store.fill(words.number, fillings)
    assert await store.flip(new.number, now=NOW) == 0
    assert await store.flip(words.number, now=NOW) == 0
    assert await store.flip(words.number, now=NOW) == 0
    states = {each.number: each.state for each in await store.generations()}
    assert states == {
        memory.embedding: "kept",
        memory.analyser: "kept",
        new.number: "current",
        words.number: "current",
    }
    found = await Filled(store, new.number, words.number).find([0.0, 1], ["all"])
    assert [each.id for each in found.vector] == ["e4", "e3", "e2", "e1", "e0"]
    assert len(found.words) == 5
    # Who asked with the old one a moment ago is answered by it.
    assert len((await memory.find([1, 0, 0, 0], ["w1"])).words) == 1


async def test_writers_that_know_an_old_generation_are_told(memory: Filled) -> None:
    new = await memory.store.begin("embedding", "new", dims=2)
    words = await memory.store.begin("analyser", "new")
    await memory.store.flip(new.number, now=NOW)
    with pytest.raises(WrongSequence, match=f"generation {new.number} is current") as caught:
        await memory.put(entry())
    assert caught.value.retryable
    await memory.store.flip(words.number, now=NOW)
    one = Row(entry=entry(), vectors={new.number: [1, 2]}, lexemes={memory.analyser: []})
    with pytest.raises(WrongSequence, match=f"generation {words.number} is current"):
        await memory.store.put("ours", [one], now=NOW)
    with pytest.raises(WrongSequence, match="no generation"):
        await memory.store.put("ours", [Row(entry=entry(), vectors={77: [1, 2]})], now=NOW)
    assert await memory.store.get("ours", ["a"], now=NOW) == {}


async def test_what_is_put_while_a_generation_is_built_is_in_both(memory: Filled) -> None:
    new = await memory.store.begin("embedding", "new", dims=2)
    both = {memory.embedding: [1.0, 0, 0, 0], new.number: [1.0, 0]}
    one = Row(entry=entry("a"), vectors=both, lexemes={memory.analyser: ["w"]})
    await memory.store.put("ours", [one], now=NOW)
    assert await memory.store.flip(new.number, now=NOW) == 0
    found = await Filled(memory.store, new.number, memory.analyser).find([1.0, 0])
    assert [each.id for each in found.vector] == ["a"]


async def test_a_changed_entry_has_to_be_filled_anew(memory: Filled) -> None:
    new = await memory.store.begin("embedding", "new", dims=2)
    put = [await memory.put(entry(id_)) for id_ in "abc"]
    await memory.store.fill(new.number, [filling(each, vector=[1, 0]) for each in put])
    assert await memory.store.unfilled(new.number, now=NOW) == []
    again = await memory.put(entry("a", text="changed"))
    # The filling of the version before comes too late.
    assert await memory.store.fill(new.number, [filling(put[0], vector=[1, 0])]) == 0
    assert await memory.store.unfilled(new.number, now=NOW) == [again]
    assert await memory.store.flip(new.number, now=NOW) == 1
    assert await memory.store.fill(new.number, [filling(again, vector=None)]) == 1
    assert await memory.store.flip(new.number, now=NOW) == 0


@pytest.mark.parametrize("end", ["delete", "expire", "purge"])
async def test_what_was_made_of_an_entry_is_not_taken_for_the_one_put_after_it(
    memory: Filled, end: str
) -> None:
    store, later = memory.store, after(20)
    new = await store.begin("embedding", "new", dims=2)
    words = await store.begin("analyser", "new")
    await memory.put(entry("a", text="old", expires=after(10)))
    (read,) = await store.unfilled(new.number, now=NOW)
    match end:
        case "delete":
            assert await store.delete("ours", ["a"], now=NOW) == ["a"]
        case "purge":
            assert await store.purge(now=later) == 1
    again = await memory.put(entry("a", text="new"), now=later)
    assert await store.fill(new.number, [filling(read, vector=[1, 0])]) == 0
    assert await store.fill(words.number, [filling(read, lexemes=["old"])]) == 0
    for generation in (new, words):
        assert await store.unfilled(generation.number, now=later) == [again]
        assert await store.flip(generation.number, now=later) == 1


async def test_filling_what_is_not_there_fills_nothing(memory: Filled) -> None:
    gone = entry("gone", namespace="nowhere", version=1)
    assert await memory.store.fill(memory.embedding, [filling(gone, vector=[1, 0, 0, 0])]) == 0
    assert await memory.store.fill(memory.analyser, [filling(gone, lexemes=["w"])]) == 0


async def test_filling_again_changes_nothing_but_what_is_filled(memory: Filled) -> None:
    put = await memory.put(entry("a"), [1, 0, 0, 0], ["one"])
    for _ in range(2):
        await memory.store.fill(memory.analyser, [filling(put, lexemes=["two", "two"])])
    assert (await memory.find(lexemes=["one"])).words == []
    (scored,) = (await memory.find(lexemes=["two"])).words
    await memory.store.delete("ours", ["a"], now=NOW)
    await memory.put(entry("a"), None, ["two", "two"])
    assert (await memory.find(lexemes=["two"])).words == [scored]


async def test_expired_entries_need_not_be_filled(memory: Filled) -> None:
    await memory.put(entry("a", expires=after(1)))
    new = await memory.store.begin("analyser", "new")
    assert len(await memory.store.unfilled(new.number, now=NOW)) == 1
    assert await memory.store.unfilled(new.number, now=after(1)) == []
    assert await memory.store.flip(new.number, now=after(1)) == 0


async def test_going_back_is_a_flip_to_the_kept_one(memory: Filled) -> None:
    await memory.put(entry("old"), [1, 0, 0, 0])
    new = await memory.store.begin("embedding", "new", dims=2)
    assert await memory.store.flip(new.number, now=NOW, partial=True) == 1
    newer = Filled(memory.store, new.number, memory.analyser)
    await newer.put(entry("new"), [1, 0])
    assert await memory.store.flip(memory.embedding, now=NOW) == 1
    assert await memory.store.flip(memory.embedding, now=NOW, partial=True) == 1
    assert [each.id for each in (await memory.find([1, 0, 0, 0])).vector] == ["old"]


async def test_a_dropped_generation_is_gone(memory: Filled) -> None:
    new = await memory.store.begin("embedding", "new", dims=2)
    words = await memory.store.begin("analyser", "new")
    with pytest.raises(Conflict, match="is current"):
        await memory.store.drop(memory.embedding)
    for number in (new.number, new.number, words.number, 77):
        await memory.store.drop(number)
    assert [each.number for each in await memory.store.generations()] == [
        memory.embedding,
        memory.analyser,
    ]
    with pytest.raises(WrongSequence):
        await Filled(memory.store, new.number, memory.analyser).find([1, 0])
    assert (await memory.store.begin("embedding", "new", dims=2)).number > words.number


async def test_an_unknown_generation_is_not_found(memory: Filled) -> None:
    for call in (
        memory.store.unfilled(77, now=NOW),
        memory.store.fill(77, []),
        memory.store.flip(77, now=NOW),
    ):
        with pytest.raises(NotFound, match="77"):
            await call


async def test_searches_go_on_while_a_generation_is_filled_and_flipped(memory: Filled) -> None:
    store = memory.store
    rows = [memory.row(entry(f"e{n}"), [1, 0, 0, n], [f"w{n % 3}"]) for n in range(200)]
    await store.put("ours", rows, now=NOW)
    new = await store.begin("embedding", "new", dims=3)
    done = asyncio.Event()
    searched = 0

    async def search() -> None:
        nonlocal searched
        while not done.is_set():
            current = _current(await store.generations())
            vector = [1.0] * current.dims
            found = await Filled(store, current.number, memory.analyser).find(vector, limit=200)
            assert len(found.vector) == 200
            searched += 1
            await asyncio.sleep(0)

    async def reindex() -> None:
        try:
            while page := await store.unfilled(new.number, now=NOW, limit=20):
                await store.fill(new.number, [filling(each, vector=[1, 2, 3]) for each in page])
                await asyncio.sleep(0)
            assert await store.flip(new.number, now=NOW) == 0
            await asyncio.sleep(0)
        finally:
            done.set()

    await asyncio.gather(search(), reindex())
    assert searched > 2
    assert _current(await store.generations()) == Generation(
        new.number, "embedding", "new", 3, "current"
    )


def _current(generations: list[Generation]) -> Generation:
    return next(
        each for each in generations if each.kind == "embedding" and each.state == "current"
    )
