"""What Qdrant cannot say exactly is exact all the same."""

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from pepperpy_memory_svc.stores.qdrant import ClientEngine, Limits, QdrantStore, client, desk
from pepperpy_memory_svc.stores.qdrant.addressing import qdrant_store
from pepperpy_memory_svc.stores.qdrant.edge import EdgeEngine
from pepperpy_memory_svc.stores.qdrant.tokens import MAX_TOKENS
from pepperpy_memory_svc.stores.rows import Row
from pepperpy_schemas.errors import PepperError
from pepperpy_schemas.memory import Condition, Contains, Eq, Exists, In, Not, Range
from tests.memory_svc.stores.making import NOW, entry, filled, fresh
from tests.memory_svc.stores.test_search import Oracle, same


async def test_words_are_scored_exactly_though_the_texts_grew_longer(shard: Path) -> None:
    chance = random.Random(3)
    words = [f"w{n}" for n in range(30)]
    async with QdrantStore(EdgeEngine(shard), Limits()) as store:
        memory = await filled(store)
        rows: list[Row] = []
        # The average that is supposed of the first is far from what it is in the end.
        for number, length in enumerate((2, 4, 9, 30, 90, 200)):
            part = [
                memory.row(
                    entry(f"e{number}-{n}"),
                    None,
                    chance.choices(words, k=chance.randrange(1, length)),
                )
                for n in range(60)
            ]
            await store.put("ours", part, now=NOW)
            rows += part
        oracle = Oracle(rows, memory)
        for limit in (1, 5, 25, 100):
            for asked in (["w1"], ["w2", "w3", "w4"], words):
                found = await memory.find(lexemes=asked, limit=limit)
                same(found.words, oracle.worded(asked, None), limit, by=1e-6)


@pytest.mark.parametrize("kind", ["qdrant", "qdrant-edge"])
async def test_of_equal_entries_those_with_the_first_ids_have_room(kind: str, shard: Path) -> None:
    engine = ClientEngine("tests", folder=":memory:") if kind == "qdrant" else EdgeEngine(shard)
    ids = [f"e{number:02}" for number in range(60)]
    shuffled = random.Random(4).sample(ids, len(ids))
    async with QdrantStore(engine, Limits()) as store:
        memory = await filled(store)
        rows = [memory.row(entry(each), None, ["same", "words"]) for each in shuffled]
        await store.put("ours", rows, now=NOW)
        await memory.put(entry("z"), None, ["same", "same"])
        found = await memory.find(lexemes=["same"], limit=6)
        assert [each.id for each in found.words] == ["z", *ids[:5]]


@pytest.mark.parametrize("kind", ["qdrant", "qdrant-edge"])
async def test_an_entry_with_very_much_metadata_fulfils_what_it_does(
    kind: str, shard: Path
) -> None:
    engine = ClientEngine("tests", folder=":memory:") if kind == "qdrant" else EdgeEngine(shard)
    many = {f"k{n}": n for n in range(MAX_TOKENS)}
    async with QdrantStore(engine, Limits()) as store:
        memory = await filled(store)
        await memory.put(entry("wide", metadata={**many, "s": "text", "l": ["a"]}))
        await memory.put(entry("small", metadata={"k5": 5}))
        table: list[tuple[Condition, list[str]]] = [
            (Eq("metadata.k5", 5), ["small", "wide"]),
            (Eq("metadata.k5", 6), []),
            (Eq("metadata.k1999", 1999.0), ["wide"]),
            (In("metadata.s", ["text", "x"]), ["wide"]),
            (Exists("metadata.l"), ["wide"]),
            (Contains("metadata.l", "a"), ["wide"]),
            (Range("metadata.k7", gt=6.5), ["wide"]),
            (Range("metadata.s", gt="te"), ["wide"]),
            (Not(Eq("metadata.k7", 7)), ["small"]),
            (Not(Eq("metadata.k5", 5)), []),
            (Not(Exists("metadata.x")), ["small", "wide"]),
        ]
        for where, ids in table:
            found = await store.scan("ours", now=NOW, where=where)
            assert [each.id for each in found] == ids, where


async def test_ids_that_begin_alike_are_read_in_order(shard: Path) -> None:
    ids = [f"passage-{n:03}" for n in range(40)] + ["passage-", "passage", "passage_", "zz", "-"]
    async with QdrantStore(EdgeEngine(shard), Limits()) as store:
        memory = await filled(store)
        await store.put("ours", [memory.row(entry(each)) for each in ids], now=NOW)
        read: list[str] = []
        while page := await store.scan(
            "ours", now=NOW, after=read[-1] if read else "", limit=7, where=Not(Eq("id", "zz"))
        ):
            read += [each.id for each in page]
        assert read == sorted(set(ids) - {"zz"})


async def test_what_is_larger_than_a_request_is_stored_whole_or_not_at_all(
    qdrant_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "MAX_REQUEST", 20_000)
    async with qdrant_store(f"{qdrant_server}/{fresh()}") as store:
        memory = await filled(store)
        await memory.put(entry("e3", text="before"), [0, 1, 0, 0], ["old"])
        rows = [memory.row(entry(f"e{n}", text="x" * 3000), None, ["w"]) for n in range(12)]
        sent = _counted(store.engine, monkeypatch)
        await store.put("ours", rows, now=NOW)
        assert sent["upserts"] > 3
        assert len((await memory.find(lexemes=["w"])).words) == 12
        await store.delete("ours", [f"e{n}" for n in range(12)], now=NOW)
        await memory.put(entry("e3", text="before"), [0, 1, 0, 0], ["old"])
        sent["fails"] = sent["upserts"] + 3
        with pytest.raises(PepperError, match="no room"):
            await store.put("ours", rows, now=NOW)
        there = await store.scan("ours", now=NOW)
        assert [(each.id, each.text) for each in there] == [("e3", "before")]
        found = await memory.find([0, 1, 0, 0], ["old", "w"])
        assert [each.id for each in found.words] == [each.id for each in found.vector] == ["e3"]


def _counted(engine: object, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Counts what an engine's client stores, and lets one of it fail."""
    assert isinstance(engine, ClientEngine)
    sent = {"upserts": 0, "fails": -1}
    upsert = engine._open.upsert

    async def counted(*args: object, **kwargs: object) -> object:
        sent["upserts"] += 1
        if sent["upserts"] == sent["fails"]:
            raise ConnectionError("no room")
        return await upsert(*args, **kwargs)  # type: ignore[arg-type]  # as it was called

    monkeypatch.setattr(engine._open, "upsert", counted)
    return sent


async def test_a_writer_that_is_canceled_leaves_no_half(qdrant_server: str) -> None:
    async with qdrant_store(f"{qdrant_server}/{fresh()}") as store:
        memory = await filled(store)
        for number in range(6):
            rows = [memory.row(entry(f"e{number}-{part}"), None, ["w"]) for part in range(3)]
            task = asyncio.create_task(store.put("ours", rows, now=NOW))
            await asyncio.sleep(0.002 * number)
            task.cancel()
            await asyncio.wait({task})
        there = [each.id.split("-")[0] for each in await store.scan("ours", now=NOW)]
        assert {there.count(each) for each in there} <= {3}
        assert len((await memory.find(lexemes=["w"])).words) == len(there)


async def test_numbers_that_are_compared_are_indexed_up_to_a_bound(
    shard: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk, "MAX_RANGED", 2)
    engine = EdgeEngine(shard)
    async with QdrantStore(engine, Limits()) as store:
        memory = await filled(store)
        await memory.put(entry("a", metadata={f"k{n}": n for n in range(5)}))
        before = len(engine._open.info().payload_schema)
        for n in range(5):
            where = Not(Range(f"metadata.k{n}", gte=n + 0.5))
            assert len(await store.scan("ours", now=NOW, where=where)) == 1
            assert len((await memory.find(where=where)).entries) == 0
        assert len(engine._open.info().payload_schema) == before + 2


async def test_who_leaves_a_put_leaves_right_sums(
    shard: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = EdgeEngine(shard)
    async with QdrantStore(engine, Limits()) as store:
        memory = await filled(store)
        await memory.put(entry("a"), None, ["word", "rare"])
        assert len((await memory.find(lexemes=["word"])).words) == 1
        write = engine.write

        async def left(*args: Any, **kwargs: Any) -> None:
            await write(*args, **kwargs)
            raise asyncio.CancelledError

        monkeypatch.setattr(engine, "write", left)
        with pytest.raises(asyncio.CancelledError):
            await memory.put(entry("b"), None, ["word"])
        found = await memory.find(lexemes=["word"])
        store.corpora.changed("ours")
        assert await memory.find(lexemes=["word"]) == found
        assert len(found.words) == 2
