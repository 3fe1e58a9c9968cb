"""The memory beside the local stack: a PostgreSQL of its own, which keeps what it was told."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from pepperpy import connect
from pepperpy_memory_svc.stores.embedded.place import ROOTS_FOLDER
from tests.running import gone, until

LIGHT = {"PEPPERPY_MEMORY_EMBEDDER": "hashing"}


@pytest.fixture
def roots_folder() -> Iterator[None]:
    """Data of root's databases lie elsewhere, where nothing removes them with the test's."""
    before = set(ROOTS_FOLDER.glob("*"))
    yield
    for folder in set(ROOTS_FOLDER.glob("*")) - before:
        shutil.rmtree(folder)


async def test_a_database_ends_with_its_stack(start_up, roots_folder: None) -> None:
    before = set(ROOTS_FOLDER.glob("*"))
    up = await start_up("--memory", "--no-models", "--port", "0", **LIGHT)
    await up.is_ready()
    database = psutil.Process(up.pids["memory"]).children()[0]
    async with connect(up.url) as bus:
        assert (await bus.memory.stats()).store == "embedded"
    up.process.terminate()
    assert await up.ends() == 0
    await until(lambda: gone(database.pid), "the end of the database")
    assert set(ROOTS_FOLDER.glob("*")) == before


@pytest.mark.slow
async def test_what_is_remembered_outlives_the_stack_where_its_data_are_kept(
    start_up, tmp_path: Path, roots_folder: None
) -> None:
    options = ("--memory", "--no-models", "--port", "0", "--persist", tmp_path / "kept")
    up = await start_up(*options, **LIGHT)
    await up.is_ready()
    assert set(up.pids) == {"broker", "orchestrator", "memory"}
    assert "memory ingest FOLDER" in up.text
    async with connect(up.url) as bus:
        assert (await bus.memory.stats()).store == "embedded"
        await bus.memory.put("The parcel is upstairs.", id="parcel")
    up.process.terminate()
    assert await up.ends() == 0
    await until(lambda: all(gone(pid) for pid in up.pids.values()), "every child's end")

    again = await start_up(*options, **LIGHT)
    await again.is_ready()
    async with connect(again.url) as bus:
        found = await bus.memory.search("Where is the parcel?")
        assert [hit.entry.id for hit in found.hits] == ["parcel"]
        assert (await bus.memory.get("parcel")).by == "anon"
