"""Files taken in by a task: what it may not ask for, and what is no reason for it to fail."""

from collections.abc import AsyncIterator

import pytest

from pepperpy import Client
from pepperpy.stack.broker import Broker
from pepperpy_bus.memory import Memory
from pepperpy_schemas.errors import BadPayload, NotFound, PermissionDenied, Unavailable
from pepperpy_schemas.memory_ingest import INGEST, Document, Ingested, IngestTask
from tests.memory_svc.archiving import archiving
from tests.memory_svc.memory_service import remembering


@pytest.fixture(autouse=True)
async def archivist(broker: Broker, prefix: str) -> AsyncIterator[None]:
    async with remembering(broker.url, prefix), archiving(broker.url, prefix):
        yield


async def done(client: Client, task: IngestTask) -> Ingested:
    return await client.run(INGEST, task, type=Ingested, wait="30s")


async def known(client: Client) -> set[str]:
    return {one.metadata["file"] async for one in client.memory.export()}


async def test_a_task_vouches_for_nothing(client: Client) -> None:
    task = IngestTask(documents=[Document(file="a.md", text="The ferry.")], trusted=True)
    with pytest.raises(PermissionDenied, match="vouch") as refused:
        await done(client, task)
    assert "--here --trusted" in refused.value.hint
    assert await known(client) == set()


async def test_a_folder_that_cannot_be_is_refused_before_anything_is_done(client: Client) -> None:
    task = IngestTask(documents=[Document(file="a.md", text="x")], prune=["notes", "no\0tes"])
    with pytest.raises(BadPayload, match=r"\$\.prune\[1\]"):
        await done(client, task)
    assert await known(client) == set()


async def test_what_is_no_reference_is_left_out_and_the_uploads_go(client: Client) -> None:
    blob = await client.memory.upload(b"The train is late.")
    documents = [
        Document(file="odd.md", blob="no reference"),
        Document(file="a.md", blob=blob),
    ]
    result = await done(client, IngestTask(documents=documents))
    assert (result.files, [one.file for one in result.skipped]) == (1, ["odd.md"])
    with pytest.raises(NotFound):
        _ = [one async for one in client.memory.ingest("a.md", blob=blob)]


async def test_an_upload_that_stays_is_no_failure(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    blob = await client.memory.upload(b"The train is late.")
    asked: list[str] = []

    async def away(_: Memory, blob: str) -> None:
        asked.append(blob)
        raise Unavailable("it is away")

    monkeypatch.setattr(Memory, "discard", away)
    result = await done(client, IngestTask(documents=[Document(file="a.md", blob=blob)]))
    assert (result.files, asked) == (1, [blob])
