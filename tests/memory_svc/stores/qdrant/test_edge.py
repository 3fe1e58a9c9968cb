"""A folder of qdrant-edge: nothing acknowledged is lost when its process is killed."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from pepperpy_memory_svc.stores.opening import open_store
from pepperpy_memory_svc.stores.qdrant.edge import EdgeEngine
from pepperpy_memory_svc.stores.qdrant.gate import Limits
from pepperpy_memory_svc.stores.qdrant.store import QdrantStore
from pepperpy_memory_svc.stores.store import Store
from pepperpy_schemas.errors import BadConfig, Overloaded
from tests.memory_svc.stores.making import NOW, Filled, entry, filled, fresh

PUTTING = """
import asyncio, sys
sys.path.insert(0, sys.argv[2])
from pepperpy_memory_svc.stores.opening import open_store
from tests.memory_svc.stores.making import NOW, entry, filled

async def main():
    async with open_store(f"qdrant-edge:{sys.argv[1]}") as store:
        memory = await filled(store)
        number = len(await store.scan("ours", now=NOW, limit=10_000))
        while True:
            ids = [f"{number}-{part}" for part in range(3)]
            await store.put("ours", [
                memory.row(entry(id_, session="s"), [1, 0, 0, 0], ["word"])
                for id_ in [*ids, "often"]
            ], now=NOW)
            print(*ids, flush=True)
            number += 3

asyncio.run(main())
"""
OPENING = """
import asyncio, sys
from pepperpy_memory_svc.stores.opening import open_store
asyncio.run(open_store(sys.argv[1]).__aenter__())
"""
ROOT = Path(__file__).parents[4]


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Store]:
    async with open_store(f"qdrant-edge:{folder}") as store:
        yield store


async def test_no_acknowledged_write_is_lost_when_the_process_is_killed(shard: Path) -> None:
    acknowledged: set[str] = set()
    for _ in range(2):
        command = [sys.executable, "-c", PUTTING, str(shard), str(ROOT)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for _ in range(8):
                acknowledged.update((await asyncio.to_thread(process.stdout.readline)).split())
            os.kill(process.pid, signal.SIGKILL)
            rest = process.stdout.read().splitlines(keepends=True)
            acknowledged.update(*(line.split() for line in rest if line.endswith("\n")))
        async with opened(shard) as store:
            await _check(await filled(store), acknowledged)


async def _check(memory: Filled, acknowledged: set[str]) -> None:
    there = {each.id: each for each in await memory.store.scan("ours", now=NOW, limit=10_000)}
    assert acknowledged <= set(there)
    # A call's rows are all there or none is, with their history and all that makes them findable.
    parts = [id_.rpartition("-")[0] for id_ in there if id_ != "often"]
    assert {parts.count(each) for each in parts} == {3}
    assert there["often"].version == len(set(parts))
    past = await memory.store.history("ours", "often", now=NOW)
    assert [each.entry.version for each in past] == list(
        range(there["often"].version - 1, max(0, there["often"].version - 17), -1)
    )
    found = await memory.find([1, 0, 0, 0], ["word"], limit=10_000)
    assert len(found.words) == len(found.vector) == len(there)
    figures = (await memory.store.figures(["ours"], now=NOW))["ours"]
    assert figures.entries == len(there)


async def test_one_process_has_a_folder(shard: Path) -> None:
    async with opened(shard):
        with pytest.raises(BadConfig, match="another process has the folder"):
            async with opened(shard):
                pass
    async with opened(shard) as store:
        await store.ping()


async def test_a_folder_with_other_things_in_it_is_refused_and_left_as_it_is(
    tmp_path: Path,
) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(BadConfig, match=r"other things in the folder .*: thesis\.txt"):
        async with opened(tmp_path):
            pass
    assert [each.name for each in tmp_path.iterdir()] == ["thesis.txt"]


async def test_vectors_are_found_by_a_graph_once_there_are_many(shard: Path) -> None:
    engine = EdgeEngine(shard, indexed_from=10)
    async with QdrantStore(engine, Limits()) as store:
        memory = await filled(store, dims=8)
        rows = [
            memory.row(entry(f"e{n}", metadata={"n": n}), [1, n, *(n % k for k in range(2, 8))])
            for n in range(1200)
        ]
        await store.put("ours", rows, now=NOW)
        before = await memory.find([1, 9, 1, 0, 1, 2, 1, 0], limit=20)
    engine = EdgeEngine(shard)
    async with QdrantStore(engine, Limits()) as store:
        info = engine._open.info()
        assert info.indexed_vectors_count >= 1200
        memory = await filled(store, dims=8)
        found = await memory.find([1, 9, 1, 0, 1, 2, 1, 0], limit=20)
        assert len({each.id for each in found.vector} & {each.id for each in before.vector}) >= 19
        assert len((await memory.find([1] * 8, limit=5000)).vector) == 1200


async def test_calls_that_wait_too_long_or_are_too_many_are_refused(shard: Path) -> None:
    limits = Limits(calls=1, waiting=2, patience=0.3)
    async with QdrantStore(EdgeEngine(shard), limits) as store:
        async with store.gate():
            calls = [asyncio.create_task(store.ping()) for _ in range(5)]
            done, _ = await asyncio.wait(calls)
            said = sorted(str(each.exception()) for each in done)
            assert all(isinstance(each.exception(), Overloaded) for each in done)
            assert sum("calls wait" in each for each in said) == 3
            assert sum("waited 0.3 s for room" in each for each in said) == 2
        await store.ping()


async def test_writers_that_wait_for_their_turn_keep_out_nobody_else(shard: Path) -> None:
    limits = Limits(calls=2, waiting=4, patience=1)
    async with QdrantStore(EdgeEngine(shard), limits) as store:
        memory = await filled(store)
        async with store.turns.of("busy"):
            puts = [
                asyncio.create_task(memory.put(entry(f"e{n}", namespace="busy"))) for n in range(5)
            ]
            await asyncio.sleep(0.05)
            await memory.put(entry("a"))
            assert set(await store.get("ours", ["a"], now=NOW)) == {"a"}
            # Neither more nor longer than there is patience for.
            said = sorted(str(each) for each in await asyncio.gather(*puts, return_exceptions=True))
            assert [each.split("namespace")[0] for each in said] == [
                "4 calls wait for their turn to write to a ",
                *["a call waited 1 s for their turn to write to a "] * 4,
            ]
        async with store.turns.of("busy"):
            # Who changes the generations waits for the writer, and is not let in by force.
            with pytest.raises(Overloaded, match="change the generations"):
                await store.begin("embedding", "new", dims=2)
        await memory.put(entry("a", namespace="busy"))
        await store.begin("embedding", "new", dims=2)


async def test_the_clients_own_engine_keeps_what_was_put(tmp_path: Path) -> None:
    address = f"qdrant:{tmp_path / fresh()}"
    async with open_store(address) as store:
        await (await filled(store)).put(entry(), [1, 0, 0, 0], ["word"])
        # Beside us, since the client leaves its file open when it is refused.
        other = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", OPENING, address), stderr=asyncio.subprocess.PIPE
        )
        _, said = await other.communicate()
        assert b"BadConfig: another process has the folder" in said
    async with open_store(address) as store:
        memory = await filled(store)
        assert list((await memory.find([1, 0, 0, 0], ["word"])).entries) == ["a"]
