"""The memory beside the local stack: a PostgreSQL of its own, which keeps what it was told."""

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from pepperpy import connect
from pepperpy_memory_svc.stores.embedded.place import ROOTS_FOLDER
from pepperpy_schemas.memory_ingest import INGEST, REINDEX, Document, Ingested, IngestTask
from pepperpy_schemas.memory_requests import ReindexProgress, ReindexRequest
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


@pytest.mark.slow
async def test_long_work_goes_on_when_the_memory_is_killed_in_the_middle(start_up) -> None:
    up = await start_up("--memory", "--no-models", "--port", "0", **LIGHT)
    await up.is_ready()
    documents = [Document(file=f"{n}.md", text=f"Note {n}.\n" + "word " * 100) for n in range(300)]
    async with connect(up.url) as bus:
        working = [psutil.Process(up.pids["memory"])]

        async def killed_at(topic: str, task_id: str) -> None:
            """Kills the service when the task has begun."""
            async for event in bus.events(f"task.progress.{topic}.{task_id}", since="1h"):
                if 0 < event.data["fraction"] < 1:
                    os.kill(working[-1].pid, signal.SIGKILL)
                    break
            parent = psutil.Process(up.process.pid)

            def again() -> list[psutil.Process]:
                return [
                    one
                    for one in parent.children()
                    if one.pid != working[-1].pid and one.cmdline() == command
                ]

            working.extend(await until(again, "the memory's next start"))

        command = working[0].cmdline()
        task_id = await bus.submit(INGEST, IngestTask(documents=documents))
        await killed_at(INGEST, task_id)
        done = await bus.result(task_id, type=Ingested, wait="90s")
        assert (done.files, done.passages, done.skipped) == (300, 300, [])
        assert [one.version async for one in bus.memory.export()] == [1] * 300

        task_id = await bus.submit(REINDEX, ReindexRequest("hashing:32"))
        await killed_at(REINDEX, task_id)
        anew = await bus.result(task_id, type=ReindexProgress, wait="90s")
        assert (anew.embedder, anew.current, anew.left) == ("hashing:32@1", True, 0)
        assert anew.done < 300
        assert (await bus.memory.stats()).dims == 32
        back = await bus.run(REINDEX, ReindexRequest("hashing"), type=ReindexProgress, wait="60s")
        assert (back.done, back.current) == (0, True)
    up.process.terminate()
    assert await up.ends() == 0
