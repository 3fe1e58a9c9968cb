"""Files taken into a real PostgreSQL: the same as in memory."""

from pepperpy_bus.memory.taking_in import Options, forget_others, take_in
from pepperpy_schemas.memory_ingest import Document, Ingested
from tests.memory_svc.remembering.conftest import As, Serving
from tests.memory_svc.remembering.test_postgres import database
from tests.memory_svc.stores.conftest import postgres

__all__ = ["database", "postgres"]

SECTION = "# {}\n\n" + "Words of this section, which is long enough to stand alone. " * 6 + "\n\n"


async def quiet(done: float, document: Document, so_far: Ingested) -> None:
    """Tells nobody."""


async def test_a_file_follows_its_changes_and_a_folder_its_files(
    database: str,
    serving: Serving,
    by: As,
) -> None:
    def documents(*sections: str) -> list[Document]:
        text = "".join(SECTION.format(name) for name in sections)
        others = ("notes/!.md", "notes/Ü.md", "notes/zebra.md", "notes/😀.md", "notes/b.md")
        return [
            Document(file="notes/a.md", folder="notes", text=text),
            *(Document(file=file, folder="notes", text=f"What {file} says.") for file in others),
        ]

    async with serving(url=database):
        ana = by("ana")
        first = await take_in(ana, documents("One", "Two", "Three"), Options(), quiet)
        assert (first.files, first.passages, first.new) == (6, 8, 8)
        again = await take_in(ana, documents("One", "Two", "Three"), Options(), quiet)
        assert (again.passages, again.new, again.moved, again.removed) == (8, 0, 0, 0)
        then = await take_in(ana, documents("New", "One", "Three"), Options(), quiet)
        assert (then.new, then.moved, then.removed) == (1, 1, 1)
        found = await ana.search("Three", mode="text", limit=1)
        assert found.hits[0].entry.source == "notes/a.md:9-11"
        kept = ["notes/a.md", "notes/b.md", *(f"notes/{n}.md" for n in range(2_000))]
        assert await forget_others(ana, "notes", kept) == 4
        left = {one.metadata["file"] async for one in ana.export()}
        assert left == {"notes/a.md", "notes/b.md"}
