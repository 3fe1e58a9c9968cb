"""The memory's long work, while those who do it are killed with -9 again and again."""

from collections.abc import Callable
from typing import Any

from pepperpy import Client
from pepperpy.stack.broker import Broker
from pepperpy_schemas.memory_ingest import INGEST, Document, Ingested, IngestTask
from tests.memory_svc.memory_service import remembering

ARCHIVIST = "pepperpy_agents.memory.archivist:agent"
FILES = 400
KILLS = 3


async def test_files_are_taken_in_once_though_who_does_it_is_killed_in_each_group(
    client: Client, broker: Broker, prefix: str, workers: Callable[..., Any], audit: Any
) -> None:
    await audit.impatient(client, INGEST, 1.0)
    documents = [
        Document(file=f"notes/{n}.md", folder="notes", text=f"Note {n}.\n" + "word " * 100)
        for n in range(FILES)
    ]
    documents.append(Document(file="notes/broken.bin", folder="notes", text="a\0b"))
    running = [workers(broker.url, ARCHIVIST)]
    async with remembering(broker.url, prefix):
        async for _ in client.memory.ingest("notes/old.md", "gone", folder="notes"):
            pass
        task = IngestTask(documents=documents, prune=["notes"])
        task_id = await client.submit(INGEST, task)
        files_then: set[int] = set()
        async for event in client.events(f"task.progress.{INGEST}.{task_id}", since="1h"):
            # Once in each of the first groups: every attempt does a group at least.
            if event.event.attempt == len(running) and event.data["files"] not in files_then:
                files_then.add(event.data["files"])
                running[-1].kill()
                running.append(workers(broker.url, ARCHIVIST))
                if len(running) > KILLS:
                    break
        done = await client.result(task_id, type=Ingested, wait="60s")
        assert (done.files, done.passages) == (FILES, FILES)
        # What a killed worker had removed is not there to be counted by the next one.
        assert done.removed in (0, 1)
        assert [one.file for one in done.skipped] == ["notes/broken.bin"]
        entries = [one async for one in client.memory.export()]
        assert {one.metadata["file"] for one in entries} == {one.file for one in documents[:-1]}
        # Nothing was put twice.
        assert [one.version for one in entries] == [1] * FILES
    told = client.events("memory.*", since="1h", until_end=True)
    names = [one.name async for one in told if one.id == task_id]
    assert (names.count("memory.ingest_begun"), names.count("memory.ingest_ended")) == (1, 1)
    assert running[-1].code is None


async def test_a_task_that_is_canceled_keeps_what_is_done(
    client: Client, broker: Broker, prefix: str, workers: Callable[..., Any]
) -> None:
    workers(broker.url, ARCHIVIST)
    documents = [
        Document(file=f"{n}.md", text=" ".join(f"word{n}x{m}" for m in range(30)))
        for n in range(2000)
    ]
    async with remembering(broker.url, prefix):
        task_id = await client.submit(INGEST, IngestTask(documents=documents))
        await anext(client.events(f"task.progress.{INGEST}.{task_id}", since="1h"))
        assert await client.cancel(task_id, wait="20s")
        known = len([one async for one in client.memory.export()])
        assert 0 < known < 2000
        done = await client.run(
            INGEST, IngestTask(documents=documents[:100]), type=Ingested, wait="60s"
        )
        assert done.passages == 100
        assert done.new < 100
