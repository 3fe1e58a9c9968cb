"""The memory beside the local stack: a PostgreSQL of its own, which keeps what it was told."""

import os
import shutil
import signal
from pathlib import Path

import psutil
import pytest

from pepperpy import connect
from pepperpy_schemas.memory_ingest import INGEST, REINDEX, Document, Ingested, IngestTask
from pepperpy_schemas.memory_requests import ReindexProgress, ReindexRequest
from tests.running import gone, until

LIGHT = {"PEPPERPY_MEMORY_EMBEDDER": "hashing"}


def place_of_database(pid: int) -> Path:
    """Where the data of a memory's own database lie; root's are not below the stack's folder."""
    return Path(psutil.Process(pid).children()[0].cwd()).parent


async def test_a_database_ends_with_its_stack(start_up) -> None:
    up = await start_up("--memory", "--no-models", "--port", "0", **LIGHT)
    await up.is_ready()
    database = psutil.Process(up.pids["memory"]).children()[0]
    place = place_of_database(up.pids["memory"])
    assert place.exists()
    async with connect(up.url) as bus:
        assert (await bus.memory.stats()).store == "embedded"
    up.process.terminate()
    assert await up.ends() == 0
    await until(lambda: gone(database.pid), "the end of the database")
    assert not place.exists()


@pytest.mark.slow
async def test_what_is_remembered_outlives_the_stack_where_its_data_are_kept(
    start_up, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    options = ("--memory", "--no-models", "--port", "0", "--persist", tmp_path / "kept")
    up = await start_up(*options, **LIGHT)
    await up.is_ready()
    assert set(up.pids) == {"broker", "orchestrator", "memory"}
    place = place_of_database(up.pids["memory"])
    request.addfinalizer(lambda: shutil.rmtree(place, ignore_errors=True))
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
