"""The memory beside the local stack: a PostgreSQL of its own, which keeps what it was told."""

from pathlib import Path

import pytest

from pepperpy import connect
from tests.running import gone, until

LIGHT = {"PEPPERPY_MEMORY_EMBEDDER": "hashing"}


@pytest.mark.slow
async def test_what_is_remembered_outlives_the_stack_where_its_data_are_kept(
    start_up, tmp_path: Path
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
