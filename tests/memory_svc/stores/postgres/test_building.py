"""The index of new vectors is built in memory, where the server by itself would not take it."""

import random
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]  # it has no types
import pytest
import pytest_asyncio

from pepperpy_memory_svc.stores.embedded import EmbeddedPostgres
from pepperpy_memory_svc.stores.postgres import Limits, PostgresStore, building
from pepperpy_memory_svc.stores.postgres.connection import Connection
from pepperpy_memory_svc.stores.rows import Filling, Row
from tests.memory_svc.stores.making import NOW, entry, server_folder

MB = 1 << 20
DIMS = 384
VECTORS = 1500
"""Their graph takes 2.2 MB, and the server is told to take one."""
ON_DISK = "no longer fits into maintenance_work_mem"

Small = tuple[EmbeddedPostgres, Path]


@pytest_asyncio.fixture
async def small() -> AsyncIterator[Small]:
    """A server with little memory for building, and its log."""
    settings = {
        "fsync": "off",
        "maintenance_work_mem": "1MB",
        "log_min_messages": "notice",
        # In two processes, though there are few.
        "min_parallel_table_scan_size": "0",
        "max_parallel_maintenance_workers": "1",
    }
    with server_folder() as folder:
        async with EmbeddedPostgres(folder, settings=settings) as server:
            yield server, folder / "postgres.log"


async def flipped(url: str, limits: Limits) -> None:
    """Fills a generation of vectors and flips to it."""
    chance = random.Random(1)
    async with PostgresStore(url, limits=limits) as store:
        first = await store.begin("embedding", "one@1", dims=DIMS)
        words = await store.begin("analyser", "words")
        there = [entry(f"e{n}") for n in range(VECTORS)]
        rows = [
            Row(entry=one, vectors={first.number: None}, lexemes={words.number: []})
            for one in there
        ]
        for begin in range(0, VECTORS, 500):
            await store.put("ours", rows[begin : begin + 500], now=NOW)
        second = await store.begin("embedding", "two@1", dims=DIMS)
        found = await store.unfilled(second.number, now=NOW, limit=10_000)
        made = [
            Filling(
                namespace=one.namespace,
                id=one.id,
                version=one.version,
                vector=[chance.gauss(0, 0.05) for _ in range(DIMS)],
            )
            for one in found
        ]
        for begin in range(0, VECTORS, 500):
            await store.fill(second.number, made[begin : begin + 500])
        assert await store.flip(second.number, now=NOW) == 0


async def test_it_takes_what_it_needs(small: Small) -> None:
    server, log = small
    await flipped(server.url, Limits())
    assert ON_DISK not in log.read_text()


async def test_it_takes_no_more_than_it_may_and_says_so(
    small: Small, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    server, log = small
    await flipped(server.url, Limits(building_memory=3 * MB // 2))
    assert ON_DISK in log.read_text()
    assert "memory.index_exceeds_memory" in caplog.text


async def test_it_is_built_by_one_process_where_two_have_no_memory_to_share(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, _ = small
    together: list[str] = []
    build = building._build_once

    async def full(connection: Connection, number: int, seconds: float) -> None:
        together.append(await connection.fetchval("SHOW max_parallel_maintenance_workers"))
        if len(together) == 1:
            raise asyncpg.DiskFullError("could not resize shared memory segment")
        await build(connection, number, seconds)

    monkeypatch.setattr(building, "_build_once", full)
    await flipped(server.url, Limits())
    assert together == ["1", "0"]
