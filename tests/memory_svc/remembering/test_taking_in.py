"""Many files taken in one after the other: what is refused is named, and stops no other."""

import pytest

from pepperpy_bus.memory import Memory
from pepperpy_bus.memory.taking_in import Options, forget_others, size_of, take_in
from pepperpy_schemas.errors import NotFound, PermissionDenied
from pepperpy_schemas.memory_ingest import Document, Ingested, Skipped


class Reports:
    """What was told on the way."""

    def __init__(self) -> None:
        self.seen: list[tuple[float, str, int]] = []

    async def __call__(self, done: float, document: Document, so_far: Ingested) -> None:
        self.seen.append((done, document.file, so_far.passages))


async def test_what_is_refused_is_named_and_the_others_are_taken_in(ana: Memory) -> None:
    gone = await ana.upload(b"gone")
    await ana.discard(gone)
    documents = [
        Document(file="a.md", text="The ferry leaves at nine."),
        Document(file="empty.md", text="\n"),
        Document(file="binary", text="a\0b"),
        Document(file="gone.txt", blob=gone),
        Document(file="odd.txt", blob="no reference"),
        Document(file="latin.txt", blob=await ana.upload(b"K\xe4se")),
        Document(file="b.md", blob=await ana.upload(b"The train is late.")),
    ]
    reports = Reports()
    done = await take_in(ana, documents, Options({"n": 1}), reports)
    assert (done.files, done.passages, done.new) == (2, 2, 2)
    assert [one.file for one in done.skipped] == [
        "empty.md",
        "binary",
        "gone.txt",
        "odd.txt",
        "latin.txt",
    ]
    assert done.skipped[0] == Skipped("empty.md", "there is no text in it")
    assert all(one.reason for one in done.skipped)
    assert reports.seen[-1] == (sum(map(size_of, documents)), "b.md", 2)
    assert [share for share, _, _ in reports.seen] == sorted(share for share, _, _ in reports.seen)
    values = [one.metadata async for one in ana.export()]
    assert all(one["n"] == 1 for one in values)


async def test_what_is_refused_for_all_is_an_error(ana: Memory) -> None:
    documents = [Document(file="a.md", text="x")]
    with pytest.raises(NotFound, match="no namespace"):
        await take_in(ana.within(namespace="bob"), documents, Options(), Reports())
    with pytest.raises(PermissionDenied, match="vouch"):
        await take_in(ana.within(namespace="common"), documents, Options({}, True), Reports())
    assert await take_in(ana, [], Options(), Reports()) == Ingested()


async def test_others_of_a_folder_are_forgotten_however_many_files_stay(ana: Memory) -> None:
    kept = [f"notes/{n}.md" for n in range(2_500)]
    gone = ["notes/!.md", "notes/1500-.md", "notes/zebra.md", "notes/Ü.md", "notes/😀.md"]
    stay = [kept[0], kept[1_000], kept[-1]]
    documents = [Document(file=file, folder="notes", text=file) for file in (*stay, *gone)]
    documents.append(Document(file="other/gone.md", folder="other", text="x"))
    await take_in(ana, documents, Options(), Reports())
    assert await forget_others(ana, "notes", kept) == len(gone)
    assert await forget_others(ana, "notes", kept) == 0
    left = {one.metadata["file"] async for one in ana.export()}
    assert left == {*stay, "other/gone.md"}
    assert await forget_others(ana, "other", []) == 1
