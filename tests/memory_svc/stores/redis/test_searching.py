"""What a search in Redis reads, and how far it looks."""

import random

import pytest

from pepperpy_memory_svc.stores.redis import RedisStore, searching
from pepperpy_memory_svc.stores.rows import Brief, Filling, Wanted
from pepperpy_schemas.memory import Contains, Eq, Link, Not
from tests.memory_svc.stores.making import NOW, Filled, after, entry, filled, fresh


async def filled_with(store: RedisStore, number: int) -> Filled:
    memory = await filled(store, dims=8)
    chance = random.Random(3)
    rows = []
    for n in range(number):
        one = entry(
            f"e{n}",
            text=f"text {n} {'rare' if n % 50 == 7 else 'common'}",
            metadata={"n": n},
            expires=after(1) if n % 2 else None,
        )
        rows.append(memory.row(one, [chance.gauss(0, 1) for _ in range(8)], ["w"] * (n % 5 + 1)))
    await store.put("ours", rows, now=NOW)
    return memory


async def test_of_hundreds_of_candidates_only_what_ranks_is_read(redis: str) -> None:
    async with RedisStore(f"{redis}?prefix={fresh()}:") as store:
        memory = await filled(store)
        one = entry("a", session="s", links=[Link(to="b")], importance=0.7, lang="de")
        await memory.put(one, [1, 0, 0, 0], ["w"])
        await memory.put(entry("b", expires=after(1)), [1, 0, 0, 0], ["w"])
        wanted = Wanted(
            namespace="ours",
            vector=[1, 0, 0, 0],
            embedding=memory.embedding,
            lexemes=["w"],
            analyser=memory.analyser,
            brief=True,
        )
        found = await store.candidates(wanted, now=after(1))
        assert found.briefs == {"a": Brief("a", "de", "s", 1, ["b"], 0.7, NOW.timestamp())}
        assert found.entries == {}
        assert [each.id for each in found.vector] == [each.id for each in found.words] == ["a"]


@pytest.mark.parametrize("index", ["flat", "hnsw"])
@pytest.mark.parametrize("few", [10, 2500])
async def test_a_search_looks_farther_until_there_are_enough(
    redis: str, monkeypatch: pytest.MonkeyPatch, index: str, few: int
) -> None:
    monkeypatch.setattr(searching, "FEW", few)
    async with RedisStore(f"{redis}?prefix={fresh()}:&index={index}") as store:
        memory = await filled_with(store, 600)
        vector = [1.0] * 8
        # Of half the nearest nothing is left, and the index does not know.
        found = await memory.find(vector, ["w"], limit=200, now=after(1))
        assert len(found.vector) == len(found.words) == 200
        assert all(each.expires is None for each in found.entries.values())
        found = await memory.find(vector, ["w"], limit=400, now=after(1))
        assert len(found.vector) == len(found.words) == 300
        for where in (Contains("text", "rare"), Not(Not(Contains("text", "rare")))):
            found = await memory.find(vector, ["w"], where=where, limit=50)
            assert len(found.vector) == len(found.words) == len(found.entries) == 12
        where = Not(Eq("metadata.n", 0))
        assert len((await memory.find(vector, where=where, limit=10_000)).vector) == 599


async def test_what_is_expired_hides_nothing_that_is_not_filled_yet(redis: str) -> None:
    async with RedisStore(f"{redis}?prefix={fresh()}:") as store:
        memory = await filled_with(store, 30)
        new = await store.begin("analyser", "new")
        seen: set[str] = set()
        while page := await store.unfilled(new.number, now=after(1), limit=4):
            assert len(page) <= 4
            seen |= {each.id for each in page}
            fillings = [
                Filling(namespace="ours", id=each.id, version=each.version) for each in page
            ]
            assert await store.fill(new.number, fillings) == len(page)
        assert seen == {f"e{n}" for n in range(0, 30, 2)}
        assert await store.flip(new.number, now=after(1)) == 0
        assert len((await memory.find(lexemes=["w"])).words) == 30
